"""The promotion gate: is a version better than the champion? Before: execution.py made a version. After: promotion.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from training import queue, slots
from training.configuration import read_configuration
from training.figures import finite
from training.models import PolicyVersion, Verdict
from training.promotion import champion_of
from training.slots import Check


@dataclass(kw_only=True)
class Reading:
    """`RunContext` of a version that is judged again, outside a run: it may read, and has nothing to report to."""

    configuration: Any
    seed: int
    folder: Path
    parent_folder: Path | None = None
    device: str = "cpu"

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Goes nowhere: no run is going on."""

    def log(self, text: str) -> None:
        """Goes nowhere: no run is going on."""


def judge(version: PolicyVersion, dataset: Any = None) -> Verdict:
    """Judges a version against the champion of this moment, on today's log unless a dataset is given."""
    champion = champion_of(version.slot)
    if dataset is None:
        dataset = _dataset_of_today(version)
    return write_verdict(version, champion, run_checks(version, champion, dataset))


def request_verdict(version: PolicyVersion) -> None:
    """Asks a worker to judge: it takes torch and minutes, so never within a request."""
    queue.defer("training.judge_version", "training", version_id=version.pk)


def _dataset_of_today(version: PolicyVersion) -> Any:
    functions = slots.functions_of(version.slot)
    given, seed = (version.run.configuration, version.run.seed) if version.run else ({}, 0)
    folder = Path(settings.ENCORE_VAR) / "judging" / str(version.pk)
    folder.mkdir(parents=True, exist_ok=True)
    reading = Reading(configuration=read_configuration(functions.configuration, given), seed=seed, folder=folder)
    return functions.build_replay_dataset(reading)


def run_checks(version: PolicyVersion, champion: PolicyVersion | None, dataset: Any) -> Sequence[Check]:
    """The slot's own checks of the two checkpoints."""
    root = Path(settings.ENCORE_VAR)
    against = root / champion.folder if champion is not None and champion.folder else None
    return slots.functions_of(version.slot).judge(root / version.folder, against, dataset)


def write_verdict(version: PolicyVersion, champion: PolicyVersion | None, checks: Sequence[Check]) -> Verdict:
    """Keeps every check with its figures, and what follows from them."""
    return Verdict.objects.create(
        version=version, champion=champion, outcome=outcome_of(checks), checks=finite([asdict(check) for check in checks])
    )


def outcome_of(checks: Sequence[Check]) -> str:
    """Promote only where every check passes; one failure refuses; otherwise nothing is proven. No checks prove nothing."""
    outcomes = {check.outcome for check in checks}
    if "fail" in outcomes:
        return Verdict.Outcome.REFUSE
    return Verdict.Outcome.PROMOTE if outcomes == {"pass"} else Verdict.Outcome.NOT_PROVEN
