"""Prints what the gate said about a version. Before: a run. After: a person who decides."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training import gate
from training.models import PolicyVersion, Verdict


class Command(BaseCommand):
    """`manage.py show_verdict 7`, or `--again` to judge anew."""

    help = "Prints every check of a version's newest verdict."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The version, and whether to judge it anew."""
        parser.add_argument("version", type=int)
        parser.add_argument("--again", action="store_true", help="judge it now, on today's log and against today's champion")

    def handle(self, *args: Any, **options: Any) -> None:
        """One line per check, then the outcome."""
        version = PolicyVersion.objects.filter(pk=options["version"]).first()
        if version is None:
            raise CommandError(f"There is no version {options['version']}.")
        verdict = gate.judge(version) if options["again"] else version.verdicts.first()
        if verdict is None:
            raise CommandError(f"Version {version.pk} was not judged yet; --again does it.")
        for check in verdict.checks:
            self.stdout.write(check_line(check))
        self.stdout.write(f"{version}: {Verdict.Outcome(verdict.outcome).label}")


def check_line(check: dict[str, Any]) -> str:
    """`pass  quality 0.42 (0.31 … 0.53, threshold 0.3) Better than the champion.`"""
    figures = ""
    if check["figure"] is not None:
        bounds = [f"{check['low']:.4g} … {check['high']:.4g}"] if None not in (check["low"], check["high"]) else []
        bounds += [f"threshold {check['threshold']:.4g}"] if check["threshold"] is not None else []
        figures = f" {check['figure']:.4g}" + (f" ({', '.join(bounds)})" if bounds else "")
    return f"{check['outcome']:<10} {check['name']}{figures}: {check['explanation']}"
