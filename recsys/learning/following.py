"""How often tracks were played after others, as tables. Before: replay_dataset.py. After: next_tracks.py, next_choices.py.

Letters: J steps from one track to another, P tracks of the log, E entries, R rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_LISTED = 64
"""Entries that are kept of one track: the most frequent ones."""
LEAST = 1e-6
"""A difference of sums below it is a rounding error."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Weights summed by key."""

    key_E: Rows
    """Ascending."""
    sum_E: Floats

    @classmethod
    def of(cls, key_J: Rows, weight_J: Floats) -> Self:
        """Equal keys are added up."""
        key_E, place_J = np.unique(key_J, return_inverse=True)
        return cls(key_E=key_E, sum_E=np.bincount(place_J, weight_J, len(key_E)).astype(np.float64))

    def place_of(self, key: Rows) -> Rows:
        """Where each key stands in `key_E`, −1 where it does not; any shape."""
        if not len(self.key_E):
            return np.full(key.shape, -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.key_E, key), len(self.key_E) - 1)
        return np.where(self.key_E[place] == key, place, -1)

    def at(self, key: Rows) -> Floats:
        """The sum of each key, 0 where it has none."""
        place = self.place_of(key)
        found: Floats = np.where(place >= 0, np.append(self.sum_E, 0.0)[place], 0.0)
        return found


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Steps between keys, with what each session gave beside, so that it can be left out."""

    all: Sums
    all_from: Sums
    own: Sums
    own_from: Sums
    width: int

    @classmethod
    def of(cls, session_J: Rows, from_J: Rows, to_J: Rows, weight_J: Floats, width: int) -> Self:
        """`from_J` and `to_J` are below `width`."""
        every = Sums.of(from_J * width + to_J, weight_J)
        place_J = every.place_of(from_J * width + to_J)
        return cls(
            all=every,
            all_from=Sums.of(from_J, weight_J),
            own=Sums.of(session_J * len(every.key_E) + place_J, weight_J),
            own_from=Sums.of(session_J * width + from_J, weight_J),
            width=width,
        )

    def without(self, session: Rows, from_: Rows, to: Rows) -> tuple[Floats, Floats]:
        """(share of the steps from `from_` that led to `to`, number of those steps), as all other sessions tell it."""
        place = self.all.place_of(from_ * self.width + to)
        own = np.where(place >= 0, self.own.at(session * len(self.all.key_E) + place), 0.0)
        count = np.where(place >= 0, np.append(self.all.sum_E, 0.0)[place], 0.0) - own
        total = self.all_from.at(from_) - self.own_from.at(session * self.width + from_)
        total = np.where(total > LEAST, total, 0.0)
        return np.where((total > 0) & (count > LEAST), count / np.maximum(total, LEAST), 0.0), total

    def table(self) -> Table:
        """As serving reads it."""
        from_E = self.all.key_E // self.width
        order_E = np.lexsort((-self.all.sum_E, from_E))
        start_P = np.searchsorted(from_E[order_E], np.arange(self.width + 1))
        order_E = order_E[np.arange(len(order_E)) - start_P[from_E[order_E]] < MOST_LISTED]
        total_P = self.all_from.at(np.arange(self.width))
        from_E = from_E[order_E]
        return Table(
            start_P=np.searchsorted(from_E, np.arange(self.width + 1)).astype(np.int64),
            track_E=(self.all.key_E[order_E] % self.width).astype(np.int32),
            share_E=(self.all.sum_E[order_E] / total_P[from_E]).astype(np.float32),
            total_P=total_P.astype(np.float32),
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """For each track those that were played after it, with their share of the steps."""

    start_P: Rows
    track_E: NDArray[np.int32]
    share_E: NDArray[np.float32]
    total_P: NDArray[np.float32]
    """Steps that were counted from it."""

    def of_rows(self, track_R: Rows) -> tuple[Rows, Rows, Floats]:
        """(place in `track_R`, track, share) of all that follows these tracks."""
        first_R, end_R = self.start_P[track_R], self.start_P[track_R + 1]
        place = np.repeat(np.arange(len(track_R)), end_R - first_R)
        ends_R = np.cumsum(end_R - first_R)
        entry = np.arange(len(place)) + (end_R - ends_R)[place]
        return place, self.track_E[entry].astype(np.int64), self.share_E[entry].astype(np.float64)


def steps_within(
    session_N: Rows, track_N: Rows, counts_N: NDArray[np.bool_], distance: int, *, both_ways: bool, tracks: int
) -> Counted:
    """Steps of at most so many plays inside sessions, of weight 1/√distance, to plays that count. Oldest plays first."""
    first, then, weight = [], [], []
    for apart in range(1, min(distance, len(track_N) - 1) + 1):
        earlier = np.flatnonzero(session_N[apart:] == session_N[:-apart])
        for one, other in ((earlier, earlier + apart), (earlier + apart, earlier))[: 1 + both_ways]:
            kept = counts_N[other] & (track_N[one] != track_N[other])
            first.append(one[kept])
            then.append(other[kept])
            weight.append(np.full(int(kept.sum()), apart**-0.5))
    from_J, to_J = (np.concatenate([np.zeros(0, dtype=np.int64), *steps]) for steps in (first, then))
    weight_J = np.concatenate([np.zeros(0), *weight])
    return Counted.of(session_N[from_J], track_N[from_J], track_N[to_J], weight_J, tracks)
