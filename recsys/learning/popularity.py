"""What everybody liked, with no training. Before: feedback.py. After: policy.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from django.db.models import Case, Count, F, FloatField, Q, Sum, Value, When
from django.db.models.functions import Least
from numpy.typing import NDArray

from recsys.models import Feedback

SHRINKAGE_PLAYS = 5.0
"""A track counts as if it had been played this often with the average outcome."""


@dataclass(frozen=True, kw_only=True)
class Popularity:
    """Bayesian shrunken mean outcome of each track: (Σ outcome + m·μ) / (plays + m)."""

    means: dict[int, float]
    overall: float

    @classmethod
    def of_sums(cls, sums: dict[int, tuple[float, float]]) -> Popularity:
        """From track id → (sum of outcomes, plays)."""
        total, plays = (sum(pair[at] for pair in sums.values()) for at in (0, 1))
        overall = total / plays if plays else 0.0
        return cls(
            means={track: (s + SHRINKAGE_PLAYS * overall) / (n + SHRINKAGE_PLAYS) for track, (s, n) in sums.items()},
            overall=overall,
        )

    def of(self, track_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
        """The shrunken means of the listed tracks."""
        return np.array([self.means.get(int(track), self.overall) for track in track_ids], dtype=np.float64)


@lru_cache(maxsize=4)
def popularity_as_of(moment: datetime, simulated: bool, newest_before: int) -> Popularity:
    """Popularity from rows received before a moment. `newest_before` (the newest such row) only keys the cache."""
    completion = Case(
        When(kind="play", then=Least(F("value") / F("track__duration_seconds"), Value(1.0))),
        When(kind__in=("like", "undislike"), then=Value(1.0)),
        When(kind__in=("dislike", "unlike"), then=Value(-1.0)),
        When(kind="rate", then=(F("value") - 3.0) / 2.0),
        default=Value(0.0),
        output_field=FloatField(),
    )
    sums = (
        Feedback.objects.filter(received_at__lt=moment, listener__is_simulated=simulated)
        .values("track_id")
        .annotate(outcome=Sum(completion), plays=Count("id", filter=Q(kind="play")))
        .values_list("track_id", "outcome", "plays")
    )
    return Popularity.of_sums({track: (outcome or 0.0, float(plays)) for track, outcome, plays in sums})
