"""Keeps strong notes of a melody while the rest is written anew. Before: style_transfer. After: constraints close tokens.

An anchor is a tick and a pitch: a note of this pitch begins there, however long. Shapes as in constraints.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from composer.tokens import pitch_token

if TYPE_CHECKING:
    from composer.constraints import Plan

Mask = NDArray[np.bool_]


class Anchors:
    """The anchors of B plans. One that can't be reached on the grid is passed over: a note then sounds across it."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._tokens = [{tick: pitch_token(pitch, plan.steering.tonic) for tick, pitch in plan.anchors} for plan in plans]
        self._ticks = [np.array(sorted(tokens), dtype=np.int64) for tokens in self._tokens]
        self._rows = [row for row, plan in enumerate(plans) if plan.anchors and not plan.is_free]

    def close_pitches(self, now_B: NDArray[np.int64], open_BP: Mask) -> list[tuple[int, int]]:
        """Where an anchor stands, its pitch alone is open; gives rows and tokens of those that were closed until then."""
        overruled = []
        for row in self._rows:
            token = self._tokens[row].get(int(now_B[row]))
            if token is not None:
                if not open_BP[row, token]:
                    overruled.append((row, token))
                open_BP[row] = False
                open_BP[row, token] = True
        return overruled

    def close_durations(self, now_B: NDArray[np.int64], open_BD: Mask, ticks_D: NDArray[np.int64]) -> list[int]:
        """A note ends where the next anchor begins, or before, as long as any duration does; gives the other rows."""
        passed = []
        for row in self._rows:
            place = int(np.searchsorted(self._ticks[row], now_B[row], side="right"))
            if place < len(self._ticks[row]):
                short_D = open_BD[row] & (ticks_D <= self._ticks[row][place] - now_B[row])
                if short_D.any():
                    open_BD[row] = short_D
                else:
                    passed.append(row)
        return passed
