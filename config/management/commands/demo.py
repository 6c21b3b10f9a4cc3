"""`make demo`: simulated listeners live through days, both policies learn meanwhile. Before: prepare.py. After: the site."""

import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from recsys import catalogue
from recsys.models import Feedback
from recsys.simulation import NotSimulated, Population

SEED = 1
PARTS = 3
"""The days are cut into so many parts; the recommender learns after each, so the next part meets what it learned."""
PRIOR_SECONDS = 75
POLICY_SECONDS = 60


class Command(BaseCommand):
    """Only in a database of its own; the second time it has nothing left to do."""

    help = "Lets simulated listeners live and both policies retrain, be judged and promoted (needs ENCORE_SIMULATED=true)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many, how long."""
        parser.add_argument("--listeners", type=int, default=300)
        parser.add_argument("--days", type=float, default=4.0)

    def handle(self, *args: Any, **options: Any) -> None:
        """Music, days, trainings."""
        self.began = time.monotonic()
        if Feedback.objects.exists():
            self.stdout.write("The simulated listeners have lived already; remove var/demo to start anew.")
            return
        catalogue.import_first(settings.ENCORE_FIRST_TUNES)
        end = timezone.now()
        start = end - timedelta(days=options["days"])
        try:
            population = Population.make(listeners=options["listeners"], seed=SEED, start=start)
        except NotSimulated as refusal:
            raise CommandError(str(refusal)) from refusal
        for part in range(1, PARTS + 1):
            sessions = population.live(start + (end - start) * part / PARTS)
            self.tell(f"{sessions} sessions, {Feedback.objects.count()} rows of feedback; now the recommender learns from them")
            self.train("recommender")
        self.tell("the composer learns from the catalogue")
        self.train("composer", "stage=prior", f"seconds={PRIOR_SECONDS}")
        self.train("composer", "stage=policy", f"seconds={POLICY_SECONDS}")
        self.tell("sign in as the owner and open the dashboard")

    def train(self, slot: str, *fields: str) -> None:
        """A run like any other, here and now. One that fails is shown in the dashboard and does not end the demo."""
        try:
            call_command("retrain", slot, set=list(fields), here=True, stdout=self.stdout)
        except CommandError as problem:
            self.tell(str(problem))

    def tell(self, text: str) -> None:
        """A line with the time it took so far."""
        self.stdout.write(f"{time.monotonic() - self.began:5.0f} s  {text}")
