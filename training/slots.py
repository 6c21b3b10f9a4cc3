"""What a slot offers to training. Before: recsys and composer register here when ready. After: runs.py, gate.py, dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from training.models import PolicyVersion


class RunContext(Protocol):
    """What a training may ask of the run it belongs to; made by runs.py, and by tests without a database."""

    configuration: Any
    """An instance of the slot's `configuration` class."""
    seed: int
    device: str
    """`cpu` or `cuda`."""
    folder: Path
    """The run's own folder; what lies here survives a crash and is there at resume. A `dataset.json` here – which rows the
    replay dataset was read from – outlives the run, and a repeat of the run finds it in its own folder."""
    parent_folder: Path | None
    """The checkpoint folder of the champion or parent run to start from, if any."""

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Adds points to the run's curves. Raises `StopRequested` when a person stopped the run, `LeaseLost` when another
        worker holds it: then write nothing more."""

    def log(self, text: str) -> None:
        """Adds a line to the run's log."""


class StopRequested(Exception):  # noqa: N818 – a request, not an error
    """A person stopped the run: save a checkpoint and leave."""


class LeaseLost(Exception):  # noqa: N818
    """Another worker holds the run now: leave at once and write nothing."""


class NotEnoughToLearnFrom(Exception):  # noqa: N818
    """The log or the catalogue is too small to train on; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training made: one or more checkpoints that can serve, in the order in which they became ready."""

    kind: str
    checkpoint: Path
    figures: Mapping[str, Any]
    """Evaluation on held-out sessions or melodies, JSON."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More about it than fits into a table of figures, JSON; shown by the slot's panels on the version's page."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of a verdict."""

    name: str
    outcome: str
    """`pass`, `fail`, `not proven`, or `not counted`: too little was seen for it yet, so it decides nothing."""
    explanation: str
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    predicts_lift: bool = False
    """Whether the figure is what the version is expected to gain over the champion, in units of `observed_lift`."""
    histogram: tuple[tuple[float, float], ...] = ()
    """(where, share) bars that belong to the figure, for the dashboard."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What one version served within a time."""

    version_id: int
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class ObservedLift:
    """Reward of one version less that of another, as listeners gave it, with its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    """None where too few listeners were seen for an interval."""
    listeners: int
    previous_listeners: int


def nothing_observed(new: Served, old: Served) -> ObservedLift | None:
    """A slot whose rewards nobody compares."""
    return None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A part of a page that a slot adds to the dashboard, which knows nothing of music."""

    template: str
    context: Mapping[str, Any]


def no_panels(of: Any = None) -> Sequence[Panel]:
    """A slot that has nothing to add."""
    return ()


def never(new_kind: str, champion_kind: str) -> bool:
    """Nothing replaces a champion without a proof."""
    return False


@dataclass(frozen=True, kw_only=True)
class SlotFunctions:
    """The functions of one slot. One frozen dataclass of functions instead of a base class: nothing is inherited."""

    name: str
    title: str
    configuration: type
    """Frozen dataclass with a default for every field; its fields make the dashboard's form."""
    count_new_feedback: Callable[[datetime | None], int]
    """Feedback rows received after the moment that training could learn from."""
    build_replay_dataset: Callable[[RunContext], Any]
    """The replay dataset; has `fingerprint: str` (64 hex digits) and `description: dict`. Raises NotEnoughToLearnFrom."""
    train: Callable[[RunContext, Any], Trained]
    """Trains on the dataset; resumes from what an earlier attempt left in `context.folder`."""
    judge: Callable[[Path, Path | None, Any], Sequence[Check]]
    """Checks of the promotion gate: (the new checkpoint, the champion's checkpoint or None, dataset)."""
    export: Callable[[Path], None]
    """Writes beside the checkpoint's weights what serving without torch needs."""
    load_policy: Callable[[str, Path | None], Any]
    """The policy of (kind, checkpoint folder). Loads no torch."""
    guard_metrics: Callable[[int, datetime], Mapping[str, float]]
    """What listeners did with one policy version (id) since a moment: skip rate, coverage, disliked served …"""
    replay_logged_requests: Callable[[int], Mapping[str, float]]
    """Re-runs the last N logged requests and gives the largest difference to the logged scores."""
    wanted_run: Callable[[], Mapping[str, Any] | None]
    """Fields of the configuration of a run that the slot wants right now by itself – the first start: a prior from what
    is there, then from everything, then the policy –, None where it waits for the schedule."""
    first_kind: str | None
    """Kind of the version that serves before anything was trained (`popularity`), None where nothing can."""
    observed_lift: Callable[[Served, Served], ObservedLift | None] = nothing_observed
    """What the first version gained over the second in the unit of the check that predicts it; None where there is nothing."""
    starts_anew: bool = False
    """Whether a training begins with new weights, whatever version serves."""
    promote_first: Callable[[str, str], bool] = never
    """Whether a new version of the first kind may replace a champion of the second kind without a proof, for example a
    prior of the whole catalogue the prior of its first tunes. Never asked when the gate refuses."""

    panels: Callable[[], Sequence[Panel]] = no_panels
    """What the slot adds to its page."""
    version_panels: Callable[[PolicyVersion], Sequence[Panel]] = no_panels
    """What the slot adds to the page of one version."""


_slots: dict[str, SlotFunctions] = {}


def register(functions: SlotFunctions) -> None:
    """Makes a slot known. Called once per slot from an `AppConfig.ready()`."""
    _slots[functions.name] = functions


def registered() -> tuple[SlotFunctions, ...]:
    """Every slot, by name."""
    return tuple(_slots[name] for name in sorted(_slots))


def functions_of(name: str) -> SlotFunctions:
    """The functions of one slot; KeyError names the slots there are."""
    if name not in _slots:
        raise KeyError(f"there is no slot {name!r}; there are {', '.join(sorted(_slots)) or 'none'}")
    return _slots[name]
