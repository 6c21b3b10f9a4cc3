"""The app `composer`."""

from django.apps import AppConfig


class ComposerConfig(AppConfig):
    """Registers the app."""

    name = "composer"

    def ready(self) -> None:
        """Makes what the composer keeps known to privacy, and what it can train to training."""
        from accounts import privacy
        from composer.accompaniment.slot import ACCOMPANIST
        from composer.learning.slot import COMPOSER
        from composer.privacy import PARTS
        from training import slots

        for part in PARTS:
            privacy.register(part)
        slots.register(COMPOSER)
        slots.register(ACCOMPANIST)
