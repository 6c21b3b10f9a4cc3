"""What everybody liked, and what a listener's own rows say beside it, with no training. Before: features.py. After: policy.py.

Letters: N states, L rows of a state, S signals of a row, C styles, K tracks that were counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

import numpy as np
from django.db.models import Case, Count, F, FloatField, QuerySet, Sum, Value, When
from django.db.models.functions import Least
from numpy.typing import NDArray

from recsys.feedback import FeedbackRow
from recsys.learning.features import ListenerState, TrackTable, encode_rows, places_without
from recsys.learning.tastes import added_by_signals
from recsys.learning.windows import KIND_INDEX, SIGNAL_NAMES, RowColumns
from recsys.models import Feedback
from recsys.rewards import RewardWeights, weights_as_of
from recsys.standing import OPINION_KINDS, standing_of

SHRINKAGE_PLAYS = 5.0
"""A track counts as if it had been played this often with the average outcome, a style of one's own likewise."""

Sums = Mapping[int, tuple[float, float]]
"""Track id → (sum of outcomes, plays)."""


def _none() -> NDArray[np.float64]:
    return np.zeros(0)


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Bayesian shrunken mean outcome of each track: (Σ outcome + m·μ) / (plays + m)."""

    overall: float
    """μ: the average outcome of a play."""
    ids_K: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Ascending."""
    outcome_K: NDArray[np.float64] = field(default_factory=_none)
    plays_K: NDArray[np.float64] = field(default_factory=_none)
    weights: RewardWeights = field(default_factory=RewardWeights)
    """What outcomes were counted by."""
    before: datetime | None = None
    """Rows received before it were counted."""

    @classmethod
    def of_sums(cls, sums: Sums, weights: RewardWeights | None = None, before: datetime | None = None) -> Popularity:
        """Of everybody."""
        ids = sorted(sums)
        outcome_K, plays_K = np.array([sums[track] for track in ids], dtype=np.float64).reshape(-1, 2).T
        return cls(
            overall=float(outcome_K.sum() / plays_K.sum()) if plays_K.any() else 0.0,
            ids_K=np.array(ids, dtype=np.int64),
            outcome_K=outcome_K,
            plays_K=plays_K,
            weights=weights or RewardWeights(),
            before=before,
        )

    def without(self, sums: Sums) -> Popularity:
        """That of the others, had one listener not brought these. μ stays where the others played nothing."""
        if not sums or not len(self.ids_K):
            return self
        tracks = np.fromiter(sums, dtype=np.int64)
        place, is_known = self._places(tracks)
        outcome, plays = np.array(list(sums.values()), dtype=np.float64)[is_known].T
        place = place[is_known]
        outcome_K, plays_K = self.outcome_K.copy(), self.plays_K.copy()
        outcome_K[place] -= outcome
        plays_K[place] = np.maximum(plays_K[place] - plays, 0.0)
        overall = float(outcome_K.sum() / plays_K.sum()) if plays_K.any() else self.overall
        return replace(self, overall=overall, outcome_K=outcome_K, plays_K=plays_K)

    def of(self, track_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """The shrunken means of the listed tracks."""
        wanted = np.asarray(track_ids, dtype=np.int64)
        if not len(self.ids_K):
            return np.full(wanted.shape, self.overall)
        place, is_known = self._places(wanted)
        beyond = self.outcome_K[place] - self.plays_K[place] * self.overall
        return np.asarray(self.overall + is_known * beyond / (self.plays_K[place] + SHRINKAGE_PLAYS))

    def _places(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where each of these stands among the counted ones, and whether it does."""
        place = np.minimum(np.searchsorted(self.ids_K, tracks), len(self.ids_K) - 1)
        return place, self.ids_K[place] == tracks


@lru_cache(maxsize=4)
def popularity_as_of(moment: datetime, simulated: bool, newest_before: int) -> Popularity:
    """Popularity from rows received before a moment, by the reward weights of then. `newest_before` (the newest such row) only
    keys the cache."""
    weights = weights_as_of(moment)
    rows = Feedback.objects.filter(received_at__lt=moment, listener__is_simulated=simulated)
    plays = rows.filter(kind="play").values("track_id").annotate(outcome=Sum(_outcome_of_play(weights)), plays=Count("id"))
    sums = {track: (total, float(count)) for track, total, count in plays.values_list("track_id", "outcome", "plays")}
    for track, outcome in _opinions(rows, weights):
        total, count = sums.get(track, (0.0, 0.0))
        sums[track] = (total + outcome, count)
    return Popularity.of_sums(sums, weights, moment)


def _outcome_of_play(weights: RewardWeights) -> Case:
    """What a play adds to its track's outcome."""
    early = Least(Value(weights.early_leave_seconds), weights.early_leave_share * F("track__duration_seconds"))
    completion = weights.completion * Least(F("value") / F("track__duration_seconds"), Value(1.0))
    return Case(When(value__lt=early, then=completion + weights.early_leave), default=completion, output_field=FloatField())


def _opinions(rows: QuerySet[Feedback], weights: RewardWeights) -> Iterator[tuple[int, float]]:
    """Tracks, and what each opinion adds that stands, as `OwnRows` takes it from a state. Read in order and told listener by
    listener: a look at later rows for each row took four times as long."""
    added = dict(zip(SIGNAL_NAMES, added_by_signals(weights).tolist(), strict=True))
    in_order = rows.filter(kind__in=OPINION_KINDS).order_by("listener_id", "occurred_at", "id")
    told = in_order.values_list("listener_id", "track_id", "kind", "value").iterator()
    for _, each in groupby(told, key=itemgetter(0)):
        standing = standing_of(row[1:] for row in each)
        yield from ((track, added["like"]) for track in standing.liked)
        yield from ((track, added["dislike"]) for track in standing.disliked)
        yield from ((track, added["rating"] * (stars - 3.0) / 2.0) for track, stars in standing.ratings.items())


@dataclass(frozen=True, kw_only=True)
class RowOutcomes:
    """What rows of N states add to the outcomes of their tracks: the same, row by row, as `popularity_as_of` sums up."""

    track_NL: NDArray[np.int64]
    """Row of the table."""
    is_play_NL: NDArray[np.bool_]
    tells_NL: NDArray[np.bool_]
    """Whether the row is a play, or an opinion that stands."""
    outcome_NL: NDArray[np.float64]

    @classmethod
    def of(
        cls, state: ListenerState, columns: RowColumns, table: TrackTable, at_NL: NDArray[np.int64], weights: RewardWeights
    ) -> RowOutcomes:
        """Of the rows at these places."""
        arrays = encode_rows(state, columns, table, at_NL, weights)
        signal_NLS = arrays["row_signal_LS"].astype(np.float64)
        is_play_NL = signal_NLS[:, :, KIND_INDEX["play"]] > 0
        tells_NL = is_play_NL | (signal_NLS[:, :, SIGNAL_NAMES.index("speaks")] > 0)
        outcome_NL = tells_NL * (signal_NLS @ added_by_signals(weights))
        return cls(track_NL=arrays["row_track_L"], is_play_NL=is_play_NL, tells_NL=tells_NL, outcome_NL=outcome_NL)

    def sums(self, at: int, table: TrackTable) -> Sums:
        """Of one state."""
        found: dict[int, tuple[float, float]] = {}
        for place in np.flatnonzero(self.tells_NL[at]):
            track = int(table.ids_T[self.track_NL[at, place]])
            outcome, plays = found.get(track, (0.0, 0.0))
            found[track] = (outcome + self.outcome_NL[at, place], plays + self.is_play_NL[at, place])
        return found


@dataclass(frozen=True, kw_only=True)
class OwnRows:
    """What a listener's rows say beyond what the others say, each track for all of its style."""

    table: TrackTable
    told: RowOutcomes
    said_NL: NDArray[np.float64]
    """Outcome; of plays, above the mean that the others have."""
    others_N: tuple[Popularity, ...]
    """Popularity without what these rows brought to it: each row counts once."""

    @classmethod
    def of(
        cls, state: ListenerState, table: TrackTable, popularity: Popularity, without: Sequence[Collection[int]] = ((),)
    ) -> OwnRows:
        """The state as it were, had each of these sets of tracks left no row."""
        rows = (*state.earlier, *state.rows)
        columns, at_NL = RowColumns.of(rows), places_without(rows, without)
        told = RowOutcomes.of(state, columns, table, at_NL, popularity.weights)
        others = (popularity,) * len(at_NL)
        is_counted_R = np.array([_is_counted(row, state, popularity) for row in rows] + [False])
        if is_counted_R.any():
            # What stood when it was counted may have been taken back since.
            then = RowOutcomes.of(state, columns, table, np.where(is_counted_R[at_NL], at_NL, len(rows)), popularity.weights)
            others = tuple(popularity.without(then.sums(at, table)) for at in range(len(at_NL)))
        said_NL = told.outcome_NL.copy()
        for at, each in enumerate(others):
            played_L = told.is_play_NL[at]
            said_NL[at, played_L] -= each.of(table.ids_T[told.track_NL[at, played_L]])
        return cls(table=table, told=told, said_NL=said_NL, others_N=others)

    def by_style(self) -> NDArray[np.float64]:
        """added_NC: the shrunken mean of what is said of a style's tracks, Σ said / (rows + m)."""
        if not len(self.table):
            return np.zeros((len(self.said_NL), 0))
        one_NLC = np.eye(len(self.table.styles))[self.table.style_T[self.told.track_NL]]
        said_NC, rows_NC = (np.einsum("nl,nlc->nc", each, one_NLC) for each in (self.said_NL, self.told.tells_NL))
        return np.asarray(said_NC / (rows_NC + SHRINKAGE_PLAYS))

    def tracks_by_style(self) -> dict[int, tuple[int, ...]]:
        """Style → the tracks that tell, of the first state, newest first."""
        telling = self.told.track_NL[0, self.told.tells_NL[0]][::-1]
        rows = list(dict.fromkeys(telling.tolist()))
        found: dict[int, tuple[int, ...]] = {}
        for row in rows:
            style = int(self.table.style_T[row])
            found[style] = (*found.get(style, ()), int(self.table.ids_T[row]))
        return found


def _is_counted(row: FeedbackRow, state: ListenerState, popularity: Popularity) -> bool:
    return state.is_counted and popularity.before is not None and row.received_at < popularity.before
