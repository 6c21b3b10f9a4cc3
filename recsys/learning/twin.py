"""Does looking ahead pay? Trains a bandit (discount 0) beside each policy, keeps both. Before: slot.py. After: evaluation.py.

The one that the log prefers is the checkpoint; the other lies inside it, so that anyone can compare them again."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recsys.learning.replay_dataset import ReplayDataset
from training.slots import RunContext, Trained

FOLDER = "twin"
NOTE = "twin.json"


@dataclass(frozen=True, kw_only=True)
class Twin:
    """The other one of the two that were trained together."""

    folder: Path
    serves_bandit: bool
    """Whether the checkpoint around it is the bandit, and this the one that looks ahead."""


def read_twin(checkpoint: Path) -> Twin | None:
    """None where nothing was trained beside."""
    note = checkpoint / NOTE
    if not note.exists():
        return None
    return Twin(folder=checkpoint / FOLDER, serves_bandit=bool(json.loads(note.read_text())["serves_bandit"]))


@dataclass(kw_only=True)
class Part:
    """`RunContext` of one of the two trainings of a run: a folder, a share of the progress, and names of its own."""

    whole: RunContext
    configuration: Any
    folder: Path
    first: float
    share: float
    prefix: str

    def __post_init__(self) -> None:
        self.seed, self.device, self.parent_folder = self.whole.seed, self.whole.device, self.whole.parent_folder

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Curves of the run, named apart."""
        shown = None if progress is None else self.first + self.share * progress
        self.whole.report(step, progress=shown, **{self.prefix + name: value for name, value in metrics.items()})

    def log(self, text: str) -> None:
        """A line of the run's log."""
        self.whole.log(text)


def train_both(context: RunContext, dataset: ReplayDataset) -> Trained:
    """The policy as configured and the same with discount 0; the checkpoint is the one with more reward per session."""
    from recsys.learning import training  # torch

    configuration = context.configuration
    if configuration.discount == 0 or not configuration.compare_with_bandit:
        return training.train(context, dataset)
    known = training.known_of(configuration, dataset, context.seed)
    ahead = training.train(
        Part(whole=context, configuration=configuration, folder=context.folder, first=0.0, share=0.5, prefix=""), dataset, known
    )
    myopic = replace(configuration, discount=0.0)
    context.log("The bandit: the same with discount 0.")
    bandit = training.train(
        Part(whole=context, configuration=myopic, folder=context.folder / "bandit", first=0.5, share=0.5, prefix="bandit_"),
        dataset,
        known,
    )
    gain = gain_of(ahead.checkpoint, bandit.checkpoint, dataset)
    serves_bandit = gain is not None and gain <= 0
    context.log(_words(gain))
    chosen, other = (bandit, ahead) if serves_bandit else (ahead, bandit)
    beside = "ahead" if serves_bandit else "bandit"
    figures = {**chosen.figures, beside: other.figures.get("ours", {}), "serves_bandit": serves_bandit}
    checkpoint = _keep_both(context.folder / "both", chosen.checkpoint, other.checkpoint, serves_bandit)
    return Trained(kind=chosen.kind, checkpoint=checkpoint, figures=figures)


def gain_of(ahead: Path, bandit: Path, dataset: ReplayDataset) -> float | None:
    """Estimated reward to the session's end of looking ahead less that of the bandit; None where the log can't say: nothing is
    held out, its choices could not have gone otherwise, or neither policy would have made any of them."""
    from recsys.learning.checks import enough_explored
    from recsys.learning.evaluation import gain_of_looking_ahead
    from recsys.learning.held_out import HeldOutLog
    from recsys.learning.policy import load_policy

    log = HeldOutLog.of(dataset)
    if not log.decisions or enough_explored(log.probability_R).outcome != "pass":
        return None
    found = gain_of_looking_ahead(log, log.judge(load_policy("dqn", ahead)), log.judge(load_policy("dqn", bandit))).value
    return found if math.isfinite(found) else None


def _words(gain: float | None) -> str:
    if gain is None:
        return "This log can't say whether looking ahead pays: the policy that does is kept without a proof."
    pays = "pays: it is kept" if gain > 0 else "does not pay: the bandit is kept"
    return f"Looking ahead {pays} ({gain:+.4f} reward to the session's end on held-out slates)."


def _keep_both(place: Path, chosen: Path, other: Path, serves_bandit: bool) -> Path:
    """One folder with both, complete before it has its name: a kill in between leaves nothing half."""
    if not place.exists():
        beside = place.with_name(f".{place.name}")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(chosen, beside)
        shutil.copytree(other, beside / FOLDER)
        (beside / NOTE).write_text(json.dumps({"serves_bandit": serves_bandit}))
        beside.rename(place)
    return place
