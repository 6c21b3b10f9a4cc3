"""Proves that training and serving see a listener alike. Before: logged requests. After: a person who doubts it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training import slots

MOST_DIFFERENCE = 1e-5
"""Between a logged score and the same request's score now: another processor adds in another order."""


class Command(BaseCommand):
    """`manage.py replay_requests recommender --count 500`."""

    help = "Answers a slot's newest logged requests once more, from what was known then; fails where scores come out otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The slot, and how many requests."""
        parser.add_argument("slot")
        parser.add_argument("--count", type=int, default=100, help="so many of the newest requests")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line; an error where it is not proven."""
        try:
            functions = slots.functions_of(options["slot"])
        except KeyError as refusal:
            raise CommandError(refusal.args[0]) from refusal
        found = functions.replay_logged_requests(options["count"])
        words = f"{found['requests']:.0f} requests, largest difference {found['largest_difference']:.2g}"
        if found["largest_difference"] > MOST_DIFFERENCE:
            raise CommandError(f"{words}: they do not come out as they were logged.")
        self.stdout.write(f"{words}: they come out as they were logged.")
