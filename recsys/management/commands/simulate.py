"""`manage.py simulate`: lets simulated listeners live for some days. After: retrain and look at the dashboard."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from recsys.models import Feedback
from recsys.simulation import NotSimulated, Population


class Command(BaseCommand):
    """Their days end now, so that what they did is the newest of the log."""

    help = "Simulated listeners browse, play, like and leave. Only in a database of their own (ENCORE_SIMULATED=true)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many, how long, which dice."""
        parser.add_argument("--listeners", type=int, default=300)
        parser.add_argument("--days", type=float, default=5.0)
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes the listeners and lets them live."""
        listeners, days = options["listeners"], options["days"]
        if listeners < 1 or not 0 < days <= 365:
            raise CommandError("--listeners must be at least 1, --days above 0 and at most 365")
        now = timezone.now()
        start = now - timedelta(days=days)
        began = time.monotonic()
        try:
            population = Population.make(listeners=listeners, seed=options["seed"], start=start)
        except NotSimulated as refusal:
            raise CommandError(str(refusal)) from refusal

        def report(sessions: int) -> None:
            if sessions % 100 == 0:
                self.stdout.write(f"{sessions} sessions after {time.monotonic() - began:.0f} s")

        sessions = population.live(now, report=report)
        rows = Feedback.objects.filter(listener__is_simulated=True, received_at__gte=start).count()
        self.stdout.write(
            f"{listeners} listeners, {sessions} sessions, {rows} feedback rows in {time.monotonic() - began:.0f} s."
        )
