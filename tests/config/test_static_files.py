"""Each module of the pages is asked for by a name that changes with its content."""

import re
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import FileSystemStorage

from config.static_files import HashedStorage


def collect(folder: Path) -> dict[str, str]:
    """What `collectstatic` makes of the modules in a folder: final name by name."""
    modules = {f"js/{path.name}": (FileSystemStorage(folder), f"js/{path.name}") for path in (folder / "js").glob("*.js")}
    storage = HashedStorage(location=folder)
    made = [(name, final) for name, final, _ in storage.post_process(modules, dry_run=False) if final]
    return {name: storage.hashed_files[storage.hash_key(name)] for name, _ in made if name in modules}


def imports_of(path: Path) -> list[str]:
    return re.findall(r"""(?:from|import)\s*["'](\./[^"']+)["']""", path.read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(Path(settings.ROOT) / "static/js", tmp_path / "js")
    return tmp_path


def test_every_import_names_a_hashed_file_that_is_there(folder: Path) -> None:
    names = collect(folder)

    asked = {name: imports_of(folder / final) for name, final in names.items()}
    assert asked["js/main.js"]
    for name, paths in asked.items():
        assert [path for path in paths if f"js/{path[2:]}" not in names.values()] == [], name
        assert len(paths) == len(imports_of(folder / name)), name


def test_a_changed_module_changes_the_name_of_all_that_import_it(folder: Path) -> None:
    before = collect(folder)
    (folder / "js/toast.js").write_text((folder / "js/toast.js").read_text() + "\n// changed\n")

    after = collect(folder)

    changed = {name for name in before if before[name] != after[name]}
    assert {"js/toast.js", "js/outbox.js", "js/main.js"} <= changed
    assert "js/storage.js" not in changed
