"""Undoes the last promotion of a slot. Before: something went wrong. After: promotion.py."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training import promotion
from training.promotion import PromotionRefused


class Command(BaseCommand):
    """`manage.py roll_back recommender --reason "skips doubled"`."""

    help = "Makes the previous version of a slot its champion again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The slot, and why."""
        parser.add_argument("slot")
        parser.add_argument("--reason", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rolls back, or says why not."""
        try:
            done = promotion.roll_back(options["slot"], None, options["reason"])
        except PromotionRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{done.version} serves again.")
