"""Trains in this process and prints the log. Before: a shell. After: runs.py, as every other run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

TARGETS: dict[str, tuple[str, list[str]]] = {
    "prior": ("composer", ["stage=prior"]),
    "recommender": ("recommender", []),
    "composer": ("composer", []),
}
"""What people call it → slot and fields of its configuration."""


class Command(BaseCommand):
    """`manage.py train prior`."""

    help = "Trains the prior, the recommender or the composer here and now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to train."""
        parser.add_argument("target", choices=sorted(TARGETS))
        parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")

    def handle(self, *args: Any, **options: Any) -> None:
        """`retrain --here` with the right fields."""
        slot, settings = TARGETS[options["target"]]
        call_command("retrain", slot, set=[*settings, *options["set"]], here=True, stdout=self.stdout)
