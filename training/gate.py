"""The promotion gate: is a version better than the champion? Before: execution.py made a version. After: promotion.py."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from training import checkpoints, queue, slots
from training.configuration import read_configuration
from training.figures import finite
from training.models import PolicyVersion, Verdict
from training.promotion import champion_of
from training.slots import Check

DATASET_NOTE = "dataset.json"
"""Which rows a replay dataset was read from (`RunContext.folder`)."""


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


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """A verdict's checks once more, from the database and the checkpoints."""

    checks: Sequence[dict[str, Any]]
    differences: Sequence[str]
    """Names of the checks whose figure, interval or outcome is another one now."""
    is_same_log: bool
    """Not so where feedback was erased, the catalogue changed, or rewards have other weights since."""


def judge(version: PolicyVersion) -> Verdict:
    """Judges a version against the champion of this moment, on today's log."""
    champion = champion_of(version.slot)
    folder = _reading_folder()
    try:
        dataset = _dataset_of(version, folder)
        return write_verdict(version, champion, run_checks(version, champion, dataset), dataset, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recompute(verdict: Verdict) -> Recomputed:
    """Judges again on the rows, and against the champion, of the verdict; writes nothing."""
    folder = _reading_folder()
    try:
        if verdict.dataset_note:
            (folder / DATASET_NOTE).write_text(verdict.dataset_note)
        dataset = _dataset_of(verdict.version, folder)
        checks = _as_json(run_checks(verdict.version, verdict.champion, dataset))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    stored = {check["name"]: check for check in verdict.checks}
    found = {check["name"]: check for check in checks}
    differences = [name for name in {**stored, **found} if _figures(stored.get(name)) != _figures(found.get(name))]
    return Recomputed(checks=checks, differences=differences, is_same_log=dataset.fingerprint == verdict.dataset_fingerprint)


def _figures(check: dict[str, Any] | None) -> tuple[Any, ...] | None:
    """What must be equal; figures to nine digits, because another processor adds in another order."""
    if check is None:
        return None
    figures = (check.get(name) for name in ("figure", "low", "high", "threshold"))
    return check["outcome"], *(None if figure is None else float(f"{figure:.9g}") for figure in figures)


def request_verdict(version: PolicyVersion) -> None:
    """Asks a worker to judge: it takes torch and minutes, so never within a request."""
    queue.defer("training.judge_version", "training", version_id=version.pk)


def _reading_folder() -> Path:
    root = Path(settings.ENCORE_VAR) / "judging"
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=root))


def _dataset_of(version: PolicyVersion, folder: Path) -> Any:
    """The replay dataset under the version's configuration: of the rows that a note in the folder names, else of today."""
    functions = slots.functions_of(version.slot)
    given, seed = (version.run.configuration, version.run.seed) if version.run else ({}, 0)
    reading = Reading(configuration=read_configuration(functions.configuration, given), seed=seed, folder=folder)
    return functions.build_replay_dataset(reading)


def run_checks(version: PolicyVersion, champion: PolicyVersion | None, dataset: Any) -> Sequence[Check]:
    """The slot's own checks of the two checkpoints. A champion that can't be read keeps nothing from being judged."""
    against, explanation = checkpoints.readable(champion)
    folder = checkpoints.folder_of(against)
    found = list(slots.functions_of(version.slot).judge(Path(settings.ENCORE_VAR) / version.folder, folder, dataset))
    if explanation:
        found.append(Check(name="champion's checkpoint", outcome="pass", explanation=explanation))
    return found


def write_verdict(
    version: PolicyVersion, champion: PolicyVersion | None, checks: Sequence[Check], dataset: Any, folder: Path
) -> Verdict:
    """Keeps every check with its figures, what follows from them, and what is needed to reckon them again."""
    note = folder / DATASET_NOTE
    return Verdict.objects.create(
        version=version,
        champion=champion,
        outcome=outcome_of(checks),
        checks=_as_json(checks),
        dataset_fingerprint=dataset.fingerprint,
        dataset_note=note.read_text() if note.exists() else "",
    )


def _as_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = finite([asdict(check) for check in checks])
    return listed


def outcome_of(checks: Sequence[Check]) -> str:
    """Promote only where every check passes; one failure refuses; otherwise nothing is proven. No checks prove nothing.

    A check that is not counted, because too little was seen for it yet, decides nothing."""
    outcomes = {check.outcome for check in checks} - {"not counted"}
    if "fail" in outcomes:
        return Verdict.Outcome.REFUSE
    return Verdict.Outcome.PROMOTE if outcomes == {"pass"} else Verdict.Outcome.NOT_PROVEN
