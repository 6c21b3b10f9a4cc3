"""A slot for tests: it "trains" by counting, resumes where it stopped, and writes a real checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from dqn.checkpoint import read_checkpoint, write_checkpoint
from training.configuration import Bounds
from training.slots import Check, NotEnoughToLearnFrom, RunContext, SlotFunctions, Trained

SLOT = "counting"


STEPS_ALLOWED = "steps.fifo"
"""A pipe in the run's folder: where there is one, each step waits for a byte from it. So a test says how far to count."""


@dataclass(frozen=True, kw_only=True)
class Reports:
    """A dataclass inside the configuration."""

    BOUNDS: ClassVar[Bounds] = {"every_steps": (1, 1000)}

    every_steps: int = 1
    """Distance between two points of the curves."""


@dataclass(frozen=True, kw_only=True)
class CountingConfiguration:
    """What the test slot is told."""

    BOUNDS: ClassVar[Bounds] = {"steps": (1, 100_000)}

    steps: int = 5
    """How far to count."""
    quality: float = 0.0
    """The gate compares it with the champion's."""
    verdict: Literal["pass", "fail", "not proven"] = "pass"
    """What the gate's second check says."""
    accident: str = ""
    """Raised as an error in the middle, if not empty."""
    is_strict: bool = False
    feedback_needed: int = 0
    reports: Reports = Reports()

    def __post_init__(self) -> None:
        if self.is_strict and self.quality < 0:
            raise ValueError("quality is negative, and is_strict refuses that")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The numbers to count."""

    fingerprint: str
    description: dict[str, Any]


def build(context: RunContext) -> Dataset:
    if context.configuration.feedback_needed > 0:
        raise NotEnoughToLearnFrom(f"{context.configuration.feedback_needed} more feedback rows are needed.")
    note = context.folder / "dataset.json"
    if not note.exists():
        note.write_text(str(time.time_ns()))
    return Dataset(fingerprint=f"{int(note.read_text()):064x}", description={"numbers": context.configuration.steps})


def train(context: RunContext, dataset: Dataset) -> Trained:
    configuration = context.configuration
    kept = context.folder / "step.txt"
    first = int(kept.read_text()) + 1 if kept.exists() else 1
    if first > 1:
        context.log(f"Going on at step {first}.")
    allowed = _open_pipe(context.folder / STEPS_ALLOWED)
    for step in range(first, configuration.steps + 1):
        if allowed is not None:
            os.read(allowed, 1)
        if configuration.accident and step > configuration.steps / 2:
            raise RuntimeError(configuration.accident)
        _note(context.folder / "counted.txt", step)
        kept.write_text(str(step))
        if step % configuration.reports.every_steps == 0:
            context.report(step, progress=step / configuration.steps, count=step, square=float(step * step))
    checkpoint = context.folder / "checkpoint"
    if not checkpoint.exists():
        start = read_checkpoint(context.parent_folder).weights["total"][0] if context.parent_folder else 0.0
        weights = {"total": np.array([start + configuration.steps, configuration.quality, context.seed], dtype=np.float64)}
        write_checkpoint(checkpoint, weights, {}, {}, dataset.fingerprint, "test", context.seed)
    figures, details = {"quality": configuration.quality, "lost": float("nan")}, {"steps": [configuration.steps]}
    return Trained(kind="counter", checkpoint=checkpoint, figures=figures, details=details)


def _open_pipe(path: Path) -> int | None:
    return os.open(path, os.O_RDONLY) if path.exists() else None


def _note(file: Path, step: int) -> None:
    with file.open("a") as lines:
        lines.write(f"{step}\n")


def judge(checkpoint: Path, champion: Path | None, dataset: Dataset) -> Sequence[Check]:
    mine = read_checkpoint(checkpoint).weights["total"][1]
    theirs = read_checkpoint(champion).weights["total"][1] if champion else -1.0
    return [
        Check(
            name="quality",
            outcome="pass" if mine > theirs else "not proven",
            explanation="Better than the champion.",
            figure=float(mine),
            low=float(mine) - 0.1,
            high=float(mine) + 0.1,
            threshold=float(theirs),
        )
    ]


def export(checkpoint: Path) -> None:
    (checkpoint / "serving.txt").write_text("what serving needs")


def load_policy(kind: str, folder: Path | None) -> str:
    return f"{kind} from {folder}"


def count_new_feedback(since: datetime | None) -> int:
    return 300 if since is None else 10


def guard_metrics(version_id: int, since: datetime) -> Mapping[str, float]:
    return {"plays": 1000, "skip_rate": 0.2, "coverage": 0.5, "disliked_served": 0}


def replay_logged_requests(count: int) -> Mapping[str, float]:
    return {"requests": float(count), "largest_difference": 0.0}


def wants_nothing() -> Mapping[str, Any] | None:
    return None


COUNTING = SlotFunctions(
    name=SLOT,
    title="Counting",
    configuration=CountingConfiguration,
    count_new_feedback=count_new_feedback,
    build_replay_dataset=build,
    train=train,
    judge=judge,
    export=export,
    load_policy=load_policy,
    guard_metrics=guard_metrics,
    replay_logged_requests=replay_logged_requests,
    wanted_run=wants_nothing,
    first_kind=None,
)
