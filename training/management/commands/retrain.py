"""Asks for a run, and waits for it where wanted. Before: a shell. After: runs.py, a worker of the queue `training`."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training import slots
from training.configuration import WrongConfiguration, fields_of, read_text, unflatten
from training.models import Run
from training.runs import RunRefused, execute, request_run


class Command(BaseCommand):
    """`manage.py retrain recommender --set updates=2000 --wait`."""

    help = "Queues a training of a slot; a worker carries it out, or this command itself with --here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Slot, fields, seed, and whether to wait."""
        parser.add_argument("slot")
        parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the configuration")
        parser.add_argument("--seed", type=int, default=None)
        parser.add_argument("--wait", action="store_true", help="print log lines until the run is over")
        parser.add_argument("--here", action="store_true", help="train in this process instead of a worker")

    def handle(self, *args: Any, **options: Any) -> None:
        """Queues, then waits or trains where asked to."""
        try:
            configuration = read_settings(options["slot"], options["set"])
            run = request_run(options["slot"], Run.Trigger.API, configuration=configuration, seed=options["seed"])
        except (KeyError, RunRefused, WrongConfiguration) as refusal:
            raise CommandError(refusal.args[0]) from refusal
        self.stdout.write(f"Run {run.pk} is queued.")
        if options["here"]:
            execute(run.pk)
        if options["wait"] or options["here"]:
            self._wait(run)

    def _wait(self, run: Run) -> None:
        shown = 0
        while True:
            run.refresh_from_db()
            for line in run.lines.filter(pk__gt=shown):
                shown = line.pk
                self.stdout.write(line.text)
            if run.finished_at is not None:
                break
            time.sleep(1)
        if run.status != Run.Status.FINISHED:
            raise CommandError(f"Run {run.pk}: {run.outcome}")
        self.stdout.write(run.outcome)


def read_settings(slot: str, settings: list[str]) -> dict[str, Any]:
    """`["steps=5"]` as a configuration; WrongConfiguration names what the slot does not know."""
    known = {field.name: field for field in fields_of(slots.functions_of(slot).configuration)}
    flat = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise WrongConfiguration(name, f"there is no such field; there are {', '.join(sorted(known))}")
        flat[name] = read_text(known[name], text)
    return unflatten(flat)
