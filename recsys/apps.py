"""The app `recsys`."""

from django.apps import AppConfig


class RecsysConfig(AppConfig):
    """Registers the app."""

    name = "recsys"

    def ready(self) -> None:
        """Makes the recommender known to training."""
        from recsys.learning.slot import RECOMMENDER
        from training.slots import register

        register(RECOMMENDER)
