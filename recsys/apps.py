"""The app `recsys`."""

from django.apps import AppConfig


class RecsysConfig(AppConfig):
    """Registers the app."""

    name = "recsys"

    def ready(self) -> None:
        """Makes the recommender known to training, and what it keeps known to privacy."""
        from accounts import privacy
        from recsys.learning.slot import RECOMMENDER
        from recsys.privacy import PARTS
        from training.slots import register

        register(RECOMMENDER)
        for part in PARTS:
            privacy.register(part)
