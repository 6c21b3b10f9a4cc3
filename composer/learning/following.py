"""Where growing lines stand in the forms asked for them. Before: forms, features.Lines. After: constraints, standing.

Shapes: B lines, M bars, S sources, 4 numbers of FOLLOWED."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.forms import BACKS, BEGINNING, NEW, WHOLE
from composer.learning.compiled import compiled
from composer.learning.features import LOOKBACK_HALF_BARS, NONE_DURATION, Lines

Whole = NDArray[np.int64]
FOLLOWED = ("source", "letter", "next_letter", "next_pitch")
"""The source that a bar on its way back goes on with; what is asked of this bar and of the next one; and the pitch token that
the next bar begins with, where it comes back. NONE where there is none."""
NONE = -1
IS_NEW, IS_WHOLE, IS_BEGINNING = 0, 1, 2
_SOURCES = [LOOKBACK_HALF_BARS.tolist().index(2 * back) for back in BACKS]


class Following:
    """The forms of B lines."""

    def __init__(self, forms: Sequence[str]) -> None:
        longest = max((len(form) for form in forms), default=0) + 1
        # Of each bar the source, NONE of a new one, and behind the form; and how much of it comes back.
        self._source_BM = np.full((len(forms), longest), NONE, dtype=np.int64)
        self._letter_BM = np.full((len(forms), longest), NONE, dtype=np.int64)
        for row, form in enumerate(forms):
            for number, letter in enumerate(form):
                self._letter_BM[row, number] = IS_WHOLE if letter in WHOLE else IS_BEGINNING if letter in BEGINNING else IS_NEW
                if letter != NEW:
                    self._source_BM[row, number] = _SOURCES[(WHOLE + BEGINNING).index(letter) % len(BACKS)]

    def look(self, lines: Lines) -> Whole:
        """The numbers of FOLLOWED before the next note, B4."""
        followed_B4 = np.full((len(self._source_BM), len(FOLLOWED)), NONE, dtype=np.int64)
        places = (lines.now_B, lines.bar_B, lines.end_B, lines.back_BL)
        notes = (lines.start_BN, lines.pitch_BN, lines.length)
        _look(followed_B4, self._source_BM, self._letter_BM, *places, *notes, lines.sources()[1], lines.run_ticks_BS)
        return followed_B4


@compiled
def _look(
    followed_B4: Whole,
    source_BM: Whole,
    letter_BM: Whole,
    now_B: Whole,
    bar_B: Whole,
    end_B: Whole,
    back_BL: Whole,
    start_BN: Whole,
    pitch_BN: Whole,
    length: int,
    source_duration_BS: Whole,
    run_ticks_BS: Whole,
) -> None:
    for b in range(len(now_B)):
        number, place, bar = now_B[b] // bar_B[b], now_B[b] % bar_B[b], bar_B[b]
        if number >= source_BM.shape[1] or letter_BM[b, number] == NONE or now_B[b] >= end_B[b]:
            continue
        source, letter = source_BM[b, number], letter_BM[b, number]
        is_last = end_B[b] - now_B[b] <= bar
        if source != NONE and run_ticks_BS[b, source] >= place and source_duration_BS[b, source] != NONE_DURATION:
            if is_last and letter == IS_WHOLE:
                # The end of a piece is a tonic; of a bar that ended otherwise only the beginning can come back.
                ending = _note_before(start_BN[b], length, now_B[b] - place - back_BL[b, source] + bar)
                letter = IS_WHOLE if (pitch_BN[b, ending] - 7) % 12 == 0 and pitch_BN[b, ending] > 0 else IS_BEGINNING
            if letter == IS_WHOLE or 2 * place < bar:
                followed_B4[b, 0] = source
        followed_B4[b, 1] = letter
        if not is_last and number + 1 < source_BM.shape[1]:
            followed_B4[b, 2] = letter_BM[b, number + 1]
            coming = source_BM[b, number + 1]
            begins = now_B[b] - place + bar - (back_BL[b, coming] if coming != NONE else 0)
            if coming != NONE and begins <= now_B[b]:
                # The first note of a bar that comes back sounded already; one bar back it is that of this bar.
                first = _note_before(start_BN[b], length, begins + 1)
                if first < length and start_BN[b, first] == begins:
                    followed_B4[b, 3] = pitch_BN[b, first]


@compiled
def _note_before(start_N: Whole, length: int, tick: int) -> int:
    """The last of the notes so far that begins before a tick; `length` where there is none."""
    for n in range(length - 1, -1, -1):
        if start_N[n] < tick:
            return n
    return length
