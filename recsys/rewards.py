"""Turns logged feedback into rewards. Before: feedback.py stores raw signals. After: learning/replay_dataset.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import IntegrityError, transaction

from accounts.models import Account
from recsys.feedback import FeedbackRow, split_into_sessions
from recsys.models import Feedback, RewardVersion

Kind = Feedback.Kind


@dataclass(frozen=True, kw_only=True)
class RewardWeights:
    """What each raw signal is worth. Changing a weight makes a new version; old runs keep theirs."""

    completion: float = 1.0
    """Per fraction of the track heard, 0 to 1."""
    early_leave: float = -0.5
    """Once, when the listener leaves early."""
    early_leave_seconds: float = 30.0
    """Leaving is early within so many seconds …"""
    early_leave_share: float = 0.25
    """… or within this share of the track, whichever is shorter."""
    like: float = 1.0
    dislike: float = -1.0
    rating: float = 0.5
    """Per star above three: (stars − 3) · 0.5."""
    session_goes_on: float = 0.1
    """When another track follows in the same session."""
    return_visit: float = 0.5
    """Once, on the last transition of a session, when the listener comes back in time."""
    return_within_days: float = 3.0

    def __post_init__(self) -> None:
        """Refuses what would make no sense as a reward."""
        for name, weight in asdict(self).items():
            if not isinstance(weight, int | float) or not math.isfinite(weight) or abs(weight) > 100:
                raise ValueError(f"{name} is {weight!r}; it must be a number between -100 and 100")
        if self.early_leave_seconds < 0 or self.return_within_days < 0:
            raise ValueError("early_leave_seconds and return_within_days must not be negative")
        if not 0 <= self.early_leave_share <= 1:
            raise ValueError(f"early_leave_share is {self.early_leave_share}; it must lie between 0 and 1")

    @classmethod
    def from_json(cls, weights: Mapping[str, Any]) -> Self:
        """The weights that were stored; those that came later have their first value."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: weight for name, weight in weights.items() if name in known})

    def is_left_early(self, heard_seconds: float, duration_seconds: float) -> bool:
        """Whether so little was heard of a track of this length."""
        return heard_seconds < min(self.early_leave_seconds, self.early_leave_share * duration_seconds)


@dataclass(kw_only=True, slots=True)
class Transition:
    """One consumed track inside a session with what it was worth."""

    play: FeedbackRow
    parts: dict[str, float] = field(default_factory=dict)
    """Reward by the name of its weight, for people who want to see why."""

    @property
    def reward(self) -> float:
        """The sum of the parts."""
        return math.fsum(self.parts.values())


def rewards_of(
    rows: Sequence[FeedbackRow], duration_seconds: Mapping[int, float], weights: RewardWeights
) -> list[list[Transition]]:
    """All sessions of one listener as transitions with rewards; rows oldest first, durations by track id.

    A like, dislike or rating is credited to the last play of that track before it, in whichever session that was; one
    that was taken back or changed counts no more. What concerns a track that was never played is credited to nothing.
    """
    credits = _Credits(weights)
    split = split_into_sessions(rows)
    result = []
    for session in split:
        transitions = []
        for row in session:
            if row.kind == Kind.PLAY:
                transition = Transition(play=row, parts=_worth_of_play(row, duration_seconds[row.track_id], weights))
                transitions.append(transition)
                credits.last_play[row.track_id] = transition
            else:
                credits.take(row)
        for transition in transitions[:-1]:
            transition.parts["session_goes_on"] = weights.session_goes_on
        result.append(transitions)
    _credit_return_visits(split, result, weights)
    return result


def _worth_of_play(row: FeedbackRow, duration_seconds: float, weights: RewardWeights) -> dict[str, float]:
    heard_seconds = row.value or 0.0
    parts = {"completion": weights.completion * min(1.0, heard_seconds / duration_seconds)}
    if weights.is_left_early(heard_seconds, duration_seconds):
        parts["early_leave"] = weights.early_leave
    return parts


class _Credits:
    """Opinions on their way to the play they belong to; remembers each, so that taking it back finds it."""

    def __init__(self, weights: RewardWeights) -> None:
        self.weights = weights
        self.last_play: dict[int, Transition] = {}
        self.given: dict[tuple[int, str], Transition] = {}

    def take(self, row: FeedbackRow) -> None:
        """Credits an opinion, or takes an earlier one back."""
        for part in _TAKES_BACK.get(row.kind, ()):
            before = self.given.pop((row.track_id, part), None)
            if before is not None:
                before.parts.pop(part, None)
        transition = self.last_play.get(row.track_id)
        if transition is None:
            return
        if row.kind in (Kind.LIKE, Kind.DISLIKE):
            self._give(transition, row.kind, getattr(self.weights, row.kind))
        elif row.kind == Kind.RATE and row.value is not None:
            self._give(transition, "rating", (row.value - 3) * self.weights.rating)

    def _give(self, transition: Transition, part: str, worth: float) -> None:
        transition.parts[part] = worth
        self.given[transition.play.track_id, part] = transition


_TAKES_BACK: Mapping[str, tuple[str, ...]] = {
    Kind.LIKE: ("like", "dislike"),
    Kind.UNLIKE: ("like",),
    Kind.DISLIKE: ("like", "dislike"),
    Kind.UNDISLIKE: ("dislike",),
    Kind.RATE: ("rating",),
    Kind.UNRATE: ("rating",),
}


def _credit_return_visits(
    split: Sequence[Sequence[FeedbackRow]], sessions: Sequence[Sequence[Transition]], weights: RewardWeights
) -> None:
    within = timedelta(days=weights.return_within_days)
    for rows, transitions, next_rows in zip(split, sessions, split[1:], strict=False):
        if transitions and next_rows[0].started_at - rows[-1].occurred_at <= within:
            transitions[-1].parts["return_visit"] = weights.return_visit


def weights_of(version: RewardVersion) -> RewardWeights:
    """The weights of a version."""
    return RewardWeights.from_json(version.weights)


def active_version() -> RewardVersion:
    """The version that training uses now; the first one is made when nobody made one."""
    version = RewardVersion.objects.filter(is_active=True).first()
    if version is not None:
        return version
    try:
        with transaction.atomic():
            return RewardVersion.objects.create(weights=asdict(RewardWeights()), is_active=True)
    except IntegrityError:  # another process was first: its row counts
        return RewardVersion.objects.get(is_active=True)


def active_weights() -> RewardWeights:
    """The weights that training uses now."""
    return weights_of(active_version())


def weights_as_of(moment: datetime) -> RewardWeights:
    """The weights that were active just before a moment."""
    version = RewardVersion.objects.filter(created_at__lt=moment).order_by("-created_at", "-id").first()
    return RewardWeights() if version is None else weights_of(version)


def activate(weights: RewardWeights, by: Account | None = None) -> RewardVersion:
    """Makes a new version the active one. Equal weights change nothing."""
    with transaction.atomic():
        before = RewardVersion.objects.select_for_update().get(pk=active_version().pk)
        if weights_of(before) == weights:
            return before
        before.is_active = False
        before.save(update_fields=["is_active"])
        return RewardVersion.objects.create(weights=asdict(weights), is_active=True, created_by=by)


def returns_within(moment: datetime, weights: RewardWeights) -> datetime:
    """Until when a return visit after the moment counts: transitions younger than this may still gain it."""
    return moment + timedelta(days=weights.return_within_days)
