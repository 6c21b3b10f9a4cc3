"""What everybody liked, and what a listener's own rows say beside it, with no training. Before: features.py. After: policy.py.

Letters: N states, L rows of a state, S signals of a row, C styles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

import numpy as np
from django.db.models import Case, Count, F, FloatField, Q, Sum, Value, When
from django.db.models.functions import Least
from numpy.typing import NDArray

from recsys.learning.features import ListenerState, TrackTable, encode_without
from recsys.learning.tastes import added_by_signals
from recsys.learning.windows import KIND_INDEX, SIGNAL_NAMES
from recsys.models import Feedback
from recsys.rewards import RewardWeights, weights_as_of

SHRINKAGE_PLAYS = 5.0
"""A track counts as if it had been played this often with the average outcome, a style of one's own likewise."""


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Bayesian shrunken mean outcome of each track: (Σ outcome + m·μ) / (plays + m)."""

    means: dict[int, float]
    overall: float
    weights: RewardWeights = field(default_factory=RewardWeights)
    """What outcomes were counted by."""

    @classmethod
    def of_sums(cls, sums: dict[int, tuple[float, float]], weights: RewardWeights | None = None) -> Popularity:
        """From track id → (sum of outcomes, plays)."""
        total, plays = (sum(pair[at] for pair in sums.values()) for at in (0, 1))
        overall = total / plays if plays else 0.0
        return cls(
            means={track: (s + SHRINKAGE_PLAYS * overall) / (n + SHRINKAGE_PLAYS) for track, (s, n) in sums.items()},
            overall=overall,
            weights=weights or RewardWeights(),
        )

    def of(self, track_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """The shrunken means of the listed tracks."""
        return np.array([self.means.get(int(track), self.overall) for track in track_ids], dtype=np.float64)


@lru_cache(maxsize=4)
def popularity_as_of(moment: datetime, simulated: bool, newest_before: int) -> Popularity:
    """Popularity from rows received before a moment, by the reward weights of then. `newest_before` (the newest such row) only
    keys the cache."""
    weights = weights_as_of(moment)
    outcome = Case(
        When(kind="play", then=weights.completion * Least(F("value") / F("track__duration_seconds"), Value(1.0))),
        When(kind="like", then=Value(weights.like)),
        When(kind="unlike", then=Value(-weights.like)),
        When(kind="dislike", then=Value(weights.dislike)),
        When(kind="undislike", then=Value(-weights.dislike)),
        When(kind="rate", then=weights.rating * (F("value") - 3.0)),
        default=Value(0.0),
        output_field=FloatField(),
    )
    sums = (
        Feedback.objects.filter(received_at__lt=moment, listener__is_simulated=simulated)
        .values("track_id")
        .annotate(outcome=Sum(outcome), plays=Count("id", filter=Q(kind="play")))
        .values_list("track_id", "outcome", "plays")
    )
    return Popularity.of_sums({track: (total or 0.0, float(plays)) for track, total, plays in sums}, weights)


@dataclass(frozen=True, kw_only=True)
class OwnRows:
    """What a listener's rows say beyond popularity, each track for all of its style."""

    table: TrackTable
    track_NL: NDArray[np.int64]
    """Row of the table."""
    tells_NL: NDArray[np.float64]
    """1 where the row is a play, or an opinion that stands."""
    said_NL: NDArray[np.float64]
    """What it adds to its track's outcome; of plays, above the mean that everybody's have."""

    @classmethod
    def of(
        cls, state: ListenerState, table: TrackTable, popularity: Popularity, without: Sequence[Collection[int]] = ((),)
    ) -> OwnRows:
        """The state as it were, had each of these sets of tracks left no row."""
        arrays = encode_without(state, table, without, popularity.weights)
        signal_NLS = arrays["row_signal_LS"].astype(np.float64)
        track_NL = arrays["row_track_L"]
        is_play_NL = signal_NLS[:, :, KIND_INDEX["play"]]
        tells_NL = np.maximum(is_play_NL, signal_NLS[:, :, SIGNAL_NAMES.index("speaks")])
        usual_NL = np.zeros(track_NL.shape)
        played_NL = is_play_NL > 0
        usual_NL[played_NL] = popularity.of(table.ids_T[track_NL[played_NL]])
        said_NL = tells_NL * (signal_NLS @ added_by_signals(popularity.weights)) - usual_NL
        return cls(table=table, track_NL=track_NL, tells_NL=tells_NL, said_NL=said_NL)

    def by_style(self) -> NDArray[np.float64]:
        """added_NC: the shrunken mean of what is said of a style's tracks, Σ said / (rows + m)."""
        if not len(self.table):
            return np.zeros((len(self.track_NL), 0))
        one_NLC = np.eye(len(self.table.styles))[self.table.style_T[self.track_NL]]
        said_NC, rows_NC = (np.einsum("nl,nlc->nc", each, one_NLC) for each in (self.said_NL, self.tells_NL))
        return np.asarray(said_NC / (rows_NC + SHRINKAGE_PLAYS))

    def tracks_by_style(self) -> dict[int, tuple[int, ...]]:
        """Style → the tracks that tell, of the first state, newest first."""
        telling = self.track_NL[0, self.tells_NL[0] > 0][::-1]
        rows = list(dict.fromkeys(telling.tolist()))
        found: dict[int, tuple[int, ...]] = {}
        for row in rows:
            style = int(self.table.style_T[row])
            found[style] = (*found.get(style, ()), int(self.table.ids_T[row]))
        return found
