"""The app `training`."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers the app."""

    name = "training"
