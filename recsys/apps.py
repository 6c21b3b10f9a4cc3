"""The app `recsys`."""

from django.apps import AppConfig


class RecsysConfig(AppConfig):
    """Registers the app."""

    name = "recsys"
