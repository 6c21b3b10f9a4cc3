"""Logged slates with what was chosen first from each. Before: replay_dataset.py. After: choice.py learns from them.

Letters: J slates, P positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_OFFERS = 20_000
"""The newest slates: a choice model has few weights, and habits change."""
MOST_POSITIONS = 20
"""Further down, hardly anybody looks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One slate of two tracks or more: in a slate of one (radio) nothing is chosen."""

    state: int
    tracks: Sequence[int]
    """Rows of the table, −1 where a track is gone."""
    position: int
    """Of the track that was played first; −1 where none was."""
    followed: int
    """The transition of the chosen track, or of what was played next in the session instead; −1 where nothing was."""
    is_held_out: bool
    plays: int
    """Tracks of the slate that were played."""


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The same as arrays."""

    state_J: NDArray[np.int64]
    track_JP: NDArray[np.int64]
    """Row of the table; −1 where there is no track."""
    position_J: NDArray[np.int64]
    followed_J: NDArray[np.int64]
    is_held_out_J: NDArray[np.bool_]
    plays_J: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.state_J)

    @classmethod
    def of(cls, offers: Iterable[Offer]) -> Offers:
        """Offers whose chosen track is gone, or stood further down than MOST_POSITIONS, say nothing and are left out."""
        kept = [
            each for each in offers if each.position < MOST_POSITIONS and (each.position < 0 or each.tracks[each.position] >= 0)
        ]
        track_JP = np.full((len(kept), MOST_POSITIONS), -1, dtype=np.int64)
        for at, each in enumerate(kept):
            shown = each.tracks[:MOST_POSITIONS]
            track_JP[at, : len(shown)] = shown
        return cls(
            state_J=np.array([each.state for each in kept], dtype=np.int64),
            track_JP=track_JP,
            position_J=np.array([each.position for each in kept], dtype=np.int64),
            followed_J=np.array([each.followed for each in kept], dtype=np.int64),
            is_held_out_J=np.array([each.is_held_out for each in kept], dtype=np.bool_),
            plays_J=np.array([each.plays for each in kept], dtype=np.int64),
        )
