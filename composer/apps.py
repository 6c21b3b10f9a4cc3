"""The app `composer`."""

from django.apps import AppConfig


class ComposerConfig(AppConfig):
    """Registers the app."""

    name = "composer"
