"""The app `training`."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers the app."""

    name = "training"

    def ready(self) -> None:
        """Makes what training keeps known to privacy."""
        from accounts import privacy
        from training.privacy import PARTS

        for part in PARTS:
            privacy.register(part)
