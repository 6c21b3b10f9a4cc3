"""Prints what the gate said about a version. Before: a run. After: a person who decides."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training import gate
from training.models import Lift, PolicyVersion, Verdict


class Command(BaseCommand):
    """`manage.py show_verdict 7`; `--again` judges anew, `--recompute` proves the figures."""

    help = "Prints every check of a version's newest verdict."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The version, and whether to judge it anew."""
        parser.add_argument("version", type=int)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--again", action="store_true", help="judge it now, on today's log and against today's champion")
        how.add_argument("--recompute", action="store_true", help="reckon the verdict once more from the rows it was made of")

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
        for lift in Lift.objects.filter(promotion__version=version):
            self.stdout.write(lift_line(lift))
        if options["recompute"]:
            self._recompute(verdict)
        self.stdout.write(f"{version}: {Verdict.Outcome(verdict.outcome).label}")

    def _recompute(self, verdict: Verdict) -> None:
        again = gate.recompute(verdict)
        if not again.is_same_log:
            self.stdout.write("The log is another one now: rows were erased, the catalogue or the weights of rewards changed.")
        for check in again.checks:
            if check["name"] in again.differences:
                self.stdout.write(f"now {check_line(check)}")
        if again.differences:
            raise CommandError(f"{len(again.differences)} checks come out otherwise: {', '.join(again.differences)}.")
        self.stdout.write(f"All {len(again.checks)} checks come out the same.")


def check_line(check: dict[str, Any]) -> str:
    """`pass  quality 0.42 (0.31 … 0.53, threshold 0.3) Better than the champion.`"""
    figures = ""
    if check["figure"] is not None:
        bounds = [f"{check['low']:.4g} … {check['high']:.4g}"] if None not in (check["low"], check["high"]) else []
        bounds += [f"threshold {check['threshold']:.4g}"] if check["threshold"] is not None else []
        figures = f" {check['figure']:.4g}" + (f" ({', '.join(bounds)})" if bounds else "")
    return f"{check['outcome']:<10} {check['name']}{figures}: {check['explanation']}"


def lift_line(lift: Lift) -> str:
    """`lift       predicted 0.08 (0.02 … 0.14), observed 0.06 (0.01 … 0.11): canary …`"""
    predicted = span(lift.predicted, lift.predicted_low, lift.predicted_high)
    observed = span(lift.observed, lift.observed_low, lift.observed_high)
    return f"{'lift':<10} predicted {predicted}, observed {observed}: {lift.get_kind_display()}"


def span(value: float | None, low: float | None, high: float | None) -> str:
    """`0.08 (0.02 … 0.14)`."""
    if value is None:
        return "nothing"
    return f"{value:.4g}" + (f" ({low:.4g} … {high:.4g})" if low is not None and high is not None else "")
