"""Names static files by their content, imported modules too. Before: manage.py prepare collects. After: browsers keep them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """A module that changed gets another name in every module that imports it: no browser mixes two releases."""

    support_js_module_import_aggregation = True
    # Our own modules only: bundles of others hold text that looks like an import and is none.
    _js_module_import_aggregation_patterns = (
        "js/*.js",
        CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1],
    )
