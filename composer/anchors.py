"""Keeps strong notes of a melody, or notes of given chords. Before: style_transfer, steering. After: constraints close tokens.

An anchor is a tick and a pitch: a note of this pitch begins there, however long; of a chord, one of its pitches within key and
range. Shapes as in constraints.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from composer.constraints import Plan

Mask = NDArray[np.bool_]


class Anchors:
    """The anchors of B plans. One that can't be reached on the grid is passed over: a note then sounds across it."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._wanted = [{} if plan.is_free else plan.wanted() for plan in plans]
        self._ticks = [np.array(sorted(wanted), dtype=np.int64) for wanted in self._wanted]
        self._rows = [row for row, wanted in enumerate(self._wanted) if wanted]

    def close_pitches(self, now_B: NDArray[np.int64], open_BP: Mask) -> list[tuple[int, Mask]]:
        """Where an anchor stands, its pitches alone are open; gives rows and pitches of those that were closed until then."""
        overruled = []
        for row in self._rows:
            wanted_P = self._wanted[row].get(int(now_B[row]))
            if wanted_P is not None:
                is_open = bool((open_BP[row] & wanted_P).any())
                open_BP[row] = open_BP[row] & wanted_P if is_open else wanted_P
                if not is_open:
                    overruled.append((row, wanted_P))
        return overruled

    def close_durations(self, now_B: NDArray[np.int64], open_BD: Mask, ticks_D: NDArray[np.int64]) -> list[tuple[int, int]]:
        """A note ends where the next anchor begins, or before, as long as any duration does; gives the other rows, and how
        many ticks are left there."""
        passed = []
        for row in self._rows:
            place = int(np.searchsorted(self._ticks[row], now_B[row], side="right"))
            if place < len(self._ticks[row]):
                left = int(self._ticks[row][place] - now_B[row])
                short_D = open_BD[row] & (ticks_D <= left)
                if short_D.any():
                    open_BD[row] = short_D
                else:
                    passed.append((row, left))
        return passed
