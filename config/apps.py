"""The site as an app: its system checks and the commands that start it."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Settings, checks and start-up commands."""

    name = "config"
    verbose_name = "Site"

    def ready(self) -> None:
        """Registers the system checks."""
        from config import checks  # noqa: F401 – importing registers them
