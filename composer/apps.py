"""The app `composer`."""

from django.apps import AppConfig


class ComposerConfig(AppConfig):
    """Registers the app."""

    name = "composer"

    def ready(self) -> None:
        """Makes what the composer keeps known to privacy."""
        from accounts import privacy
        from composer.privacy import PARTS

        for part in PARTS:
            privacy.register(part)
