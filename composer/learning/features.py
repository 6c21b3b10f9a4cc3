"""What the networks see before each note: one code for training and composing. Before: tokens. After: network.py.

Shapes: B melodies, N notes, F inputs, S sources. Time is counted in ticks, 48 to a quarter note."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.learning.compiled import compiled
from composer.tokens import DURATION_COUNT, DURATIONS, PITCH_COUNT, duration_number, pitch_token
from music.notes import MODES, Melody

Whole = NDArray[np.int64]
TICKS_PER_QUARTER = 48
DURATION_TICKS: Whole = np.array([round(quarters * TICKS_PER_QUARTER) for quarters in DURATIONS], dtype=np.int64)
METRES = ((2, 4), (4, 4), (6, 8), (3, 4), (2, 2), (3, 8), (4, 2), (9, 8), (6, 4), (3, 2), (12, 8), (5, 4))
"""Metres with an input of their own; the others share one."""
MAXIMUM_STYLES = 96
LOOKBACK_HALF_BARS: Whole = np.array([1, 2, 4, 8, 16], dtype=np.int64)
"""The notes ½, 1, 2, 4 and 8 bars ago; the sixth source is the note after the last place that matches what was just played."""
SOURCES = len(LOOKBACK_HALF_BARS) + 1
NONE_PITCH = PITCH_COUNT
NONE_DURATION = DURATION_COUNT
LONGEST_RUN = 8

SIZES: tuple[int, ...] = (
    PITCH_COUNT + 1,  # the note before
    DURATION_COUNT + 1,
    9,  # quarter within the bar
    TICKS_PER_QUARTER,  # tick within the quarter
    34,  # bars left
    9,  # bar within eight, or pickup
    len(METRES) + 1,
    len(MODES),
    MAXIMUM_STYLES,
    *(PITCH_COUNT + 1 for _ in range(SOURCES)),
    *(DURATION_COUNT + 1 for _ in range(SOURCES)),
    *(LONGEST_RUN + 1 for _ in range(SOURCES)),
)
"""Values of each input. All inputs share one table of embeddings, of which each note sums F rows."""
OFFSETS: Whole = np.concatenate([[0], np.cumsum(SIZES)[:-1]]).astype(np.int64)
INPUTS = len(SIZES)
STYLE_INPUT = 8
SOURCE_PITCH = slice(9, 9 + SOURCES)
SOURCE_DURATION = slice(9 + SOURCES, 9 + 2 * SOURCES)
SOURCE_RUN = slice(9 + 2 * SOURCES, 9 + 3 * SOURCES)


def in_ticks(quarters: Fraction) -> int:
    """Quarter notes in ticks, rounded: exact for everything the composer writes."""
    return round(quarters * TICKS_PER_QUARTER)


def metre_number(metre: tuple[int, int]) -> int:
    """Input of a metre."""
    return METRES.index(metre) if metre in METRES else len(METRES)


class Lines:
    """B melodies that grow note by note, and what the network sees before each next one."""

    def __init__(
        self, *, bar_B: Whole, pickup_B: Whole, end_B: Whole, metre_B: Whole, mode_B: Whole, style_B: Whole, capacity: int
    ) -> None:
        count = len(bar_B)
        self.bar_B, self.pickup_B, self.end_B = bar_B, pickup_B, end_B
        self.length = 0
        """Notes so far, the same in all B."""
        self.now_B = np.zeros(count, dtype=np.int64)
        self.pitch_BN = np.full((count, capacity + 1), NONE_PITCH, dtype=np.int64)
        self.duration_BN = np.full((count, capacity + 1), NONE_DURATION, dtype=np.int64)
        self.ticks_BN = np.zeros((count, capacity), dtype=np.int64)
        # A start beyond every melody stands behind the last note, so that pointers stop there.
        self.start_BN = np.full((count, capacity + 1), 1 << 40, dtype=np.int64)
        self.run_ticks_BS = np.zeros((count, SOURCES), dtype=np.int64)
        """For how long the line has been copying each source."""
        self._fixed_B3 = np.stack([metre_B, mode_B, style_B], axis=1)
        self.back_BL = bar_B[:, None] * LOOKBACK_HALF_BARS // 2
        self._pointer_BL = np.zeros((count, len(LOOKBACK_HALF_BARS)), dtype=np.int64)
        self._run_BS = np.zeros((count, SOURCES), dtype=np.int64)
        self._match_BN = np.zeros((count, capacity + 1), dtype=np.int64)
        self._source_pitch_BS = np.full((count, SOURCES), NONE_PITCH, dtype=np.int64)
        self._source_duration_BS = np.full((count, SOURCES), NONE_DURATION, dtype=np.int64)

    def observe(self) -> Whole:
        """The F inputs of the next note, BF."""
        index_BF = np.empty((len(self.now_B), INPUTS), dtype=np.int64)
        # Before the first note the last one stands behind the end: NONE.
        last_B = self.pitch_BN[:, self.length - 1].copy(), self.duration_BN[:, self.length - 1].copy()
        places = (self.now_B, self.pickup_B, self.bar_B, self.end_B)
        _observe(index_BF, *last_B, *places, self._fixed_B3, self._source_pitch_BS, self._source_duration_BS, self._run_BS)
        return index_BF

    def sources(self) -> tuple[Whole, Whole]:
        """Pitch and duration, BS, that a copy of each source would play next; NONE_PITCH, NONE_DURATION where there is none."""
        return self._source_pitch_BS, self._source_duration_BS

    def append(self, pitch_B: Whole, duration_B: Whole, ticks_B: Whole | None = None) -> None:
        """Adds a note to each line; `ticks_B` is needed where durations without a token may occur."""
        ticks_B = DURATION_TICKS[duration_B] if ticks_B is None else ticks_B
        t = self.length
        self.pitch_BN[:, t], self.duration_BN[:, t], self.ticks_BN[:, t] = pitch_B, duration_B, ticks_B
        self.start_BN[:, t] = self.now_B
        sources = (self._source_pitch_BS, self._source_duration_BS)
        _follow_copies(pitch_B, duration_B, ticks_B, *sources, self._run_BS, self.run_ticks_BS)
        self.now_B = self.now_B + ticks_B
        self.length = t + 1
        _look_back(self.now_B, self.back_BL, self._pointer_BL, self.start_BN, self.pitch_BN, self.duration_BN, *sources)
        if t:
            _match(t, self.pitch_BN, self.duration_BN, self._match_BN, *sources, self._run_BS)


@compiled
def _observe(
    index_BF: Whole,
    last_pitch_B: Whole,
    last_duration_B: Whole,
    now_B: Whole,
    pickup_B: Whole,
    bar_B: Whole,
    end_B: Whole,
    fixed_B3: Whole,
    source_pitch_BS: Whole,
    source_duration_BS: Whole,
    run_BS: Whole,
) -> None:
    for b in range(len(now_B)):
        inside = now_B[b] - pickup_B[b]
        place = inside % bar_B[b]
        index_BF[b, 0], index_BF[b, 1] = last_pitch_B[b], last_duration_B[b]
        index_BF[b, 2], index_BF[b, 3] = min(place // TICKS_PER_QUARTER, 8), place % TICKS_PER_QUARTER
        index_BF[b, 4] = min(max((end_B[b] - now_B[b] + bar_B[b] - 1) // bar_B[b], 0), 33)
        index_BF[b, 5] = 8 if inside < 0 else inside // bar_B[b] % 8
        index_BF[b, 6:9] = fixed_B3[b]
        for s in range(SOURCES):
            index_BF[b, 9 + s] = source_pitch_BS[b, s]
            index_BF[b, 9 + SOURCES + s] = source_duration_BS[b, s]
            index_BF[b, 9 + 2 * SOURCES + s] = min(run_BS[b, s], LONGEST_RUN)


@compiled
def _follow_copies(
    pitch_B: Whole,
    duration_B: Whole,
    ticks_B: Whole,
    source_pitch_BS: Whole,
    source_duration_BS: Whole,
    run_BS: Whole,
    run_ticks_BS: Whole,
) -> None:
    """Lengthens the runs of the sources that this note copies, and ends the others."""
    for b in range(len(pitch_B)):
        for s in range(SOURCES):
            is_copied = source_pitch_BS[b, s] == pitch_B[b] and source_duration_BS[b, s] == duration_B[b]
            run_BS[b, s] = run_BS[b, s] + 1 if is_copied else 0
            run_ticks_BS[b, s] = run_ticks_BS[b, s] + ticks_B[b] if is_copied else 0


@compiled
def _look_back(
    now_B: Whole,
    back_BL: Whole,
    pointer_BL: Whole,
    start_BN: Whole,
    pitch_BN: Whole,
    duration_BN: Whole,
    source_pitch_BS: Whole,
    source_duration_BS: Whole,
) -> None:
    """Finds the notes that began ½, 1, 2, 4 and 8 bars before the next one."""
    for b in range(len(now_B)):
        for s in range(SOURCES - 1):
            target, n = now_B[b] - back_BL[b, s], pointer_BL[b, s]
            while start_BN[b, n] < target:
                n += 1
            pointer_BL[b, s] = n
            is_exact = start_BN[b, n] == target
            source_pitch_BS[b, s] = pitch_BN[b, n if is_exact else n - 1] if target >= 0 else NONE_PITCH
            source_duration_BS[b, s] = duration_BN[b, n] if is_exact else NONE_DURATION


@compiled
def _match(
    last: int,
    pitch_BN: Whole,
    duration_BN: Whole,
    match_BN: Whole,
    source_pitch_BS: Whole,
    source_duration_BS: Whole,
    run_BS: Whole,
) -> None:
    """Finds the note after the last place where the longest run of notes was the same as just now."""
    for b in range(len(pitch_BN)):
        best, run = 0, 0
        for n in range(last - 1, -1, -1):
            is_same = pitch_BN[b, n] == pitch_BN[b, last] and duration_BN[b, n] == duration_BN[b, last]
            match_BN[b, n] = (match_BN[b, n - 1] + 1 if n else 1) if is_same else 0
            if match_BN[b, n] > run:
                best, run = n, match_BN[b, n]
        has = run >= 2
        source_pitch_BS[b, SOURCES - 1] = pitch_BN[b, best + 1] if has else NONE_PITCH
        source_duration_BS[b, SOURCES - 1] = duration_BN[b, best + 1] if has else NONE_DURATION
        run_BS[b, SOURCES - 1] = run if has else 0


def observe_melodies(melodies: Sequence[Melody], styles: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Inputs, notes and validity of whole melodies: `index` BNF, `pitch`, `duration` and `valid` BN."""
    count, capacity = len(melodies), max(len(melody.notes) for melody in melodies)
    pitch_BN, duration_BN = np.zeros((count, capacity), dtype=np.int64), np.zeros((count, capacity), dtype=np.int64)
    ticks_BN, valid_BN = np.ones((count, capacity), dtype=np.int64), np.zeros((count, capacity), dtype=bool)
    for row, melody in enumerate(melodies):
        size = len(melody.notes)
        pitch_BN[row, :size] = [pitch_token(note.pitch, melody.tonic) for note in melody.notes]
        duration_BN[row, :size] = [duration_number(note.quarters) for note in melody.notes]
        ticks_BN[row, :size] = [max(1, in_ticks(note.quarters)) for note in melody.notes]
        valid_BN[row, :size] = True
    lines = Lines(
        bar_B=np.array([in_ticks(melody.bar_quarters) for melody in melodies]),
        pickup_B=np.array([in_ticks(melody.pickup) for melody in melodies]),
        end_B=(ticks_BN * valid_BN).sum(axis=1),
        metre_B=np.array([metre_number(melody.metre) for melody in melodies]),
        mode_B=np.array([MODES.index(melody.mode) for melody in melodies]),
        style_B=np.array(styles, dtype=np.int64),
        capacity=capacity,
    )
    index_BNF = np.zeros((count, capacity, INPUTS), dtype=np.int16)
    for note in range(capacity):
        index_BNF[:, note] = lines.observe()
        lines.append(pitch_BN[:, note], duration_BN[:, note], ticks_BN[:, note])
    return {"index": index_BNF, "pitch": pitch_BN, "duration": duration_BN, "valid": valid_BN}
