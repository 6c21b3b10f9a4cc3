"""What no piece may break: key, range, bar lines, length, tonic at both ends, excess. Before: steering. After: writing.

The masks close tokens for the prior and for G alike, in acting and in the learner's target. Shapes: learning/network.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from composer.anchors import Anchors
from composer.learning.features import DURATION_TICKS, SOURCES, TICKS_PER_QUARTER, Lines, in_ticks
from composer.steering import Steering
from composer.tokens import DURATION_COUNT, PITCH_COUNT, REST, pitch_token
from music.notes import Note

Mask = NDArray[np.bool_]
SIXTEENTH_TICKS = TICKS_PER_QUARTER // 4
MAXIMUM_SAME_PITCH = 4
"""Notes of one pitch in a row; the next one must be another."""
NEVER_COMPOSED = frozenset({4})
"""Ticks of durations that people write and the composer leaves alone: it would have to leave the grid for them."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One piece to write: the steering in ticks and tokens."""

    steering: Steering
    is_on_sixteenths: bool = False
    """No triplets and nothing shorter than a sixteenth."""
    longest_ticks: int | None = None
    """Longest note allowed; None allows a whole bar."""
    opening: int | None = None
    """MIDI pitch of the first note; None lets it be any tonic within the range."""
    anchors: tuple[tuple[int, int], ...] = ()
    """(tick, MIDI pitch): a note of this pitch begins there (anchors.py)."""
    is_free: bool = False
    """Only range, grid and bar lines are obeyed: the bare prior, to measure what the other constraints do."""

    @property
    def bar_ticks(self) -> int:
        """Length of a bar."""
        return in_ticks(self.steering.bar_quarters)

    @property
    def end_ticks(self) -> int:
        """Length of the piece."""
        return self.bar_ticks * self.steering.bars

    def pitches(self) -> Mask:
        """Pitch tokens of the key within the range, P; the rest is not among them."""
        open_P = np.zeros(PITCH_COUNT, dtype=bool)
        scale = self.steering.scale
        for pitch in range(self.steering.lowest, self.steering.highest + 1):
            if self.is_free or pitch % 12 in scale:
                open_P[pitch_token(pitch, self.steering.tonic)] = True
        return open_P

    def tonics(self) -> Mask:
        """Pitch tokens of the tonic within the range, P."""
        open_P = self.pitches()
        for token in np.flatnonzero(open_P):
            # Token 1 is pitch −6 after the tonic was moved to C.
            open_P[token] = (token - 7) % 12 == 0
        return open_P

    def openings(self) -> Mask:
        """Pitch tokens of the first note, P."""
        if self.opening is None:
            return self.tonics()
        open_P = np.zeros(PITCH_COUNT, dtype=bool)
        open_P[pitch_token(self.opening, self.steering.tonic)] = True
        return open_P

    def given(self) -> dict[int, Note]:
        """Notes of primer and locked bars by the tick at which they begin."""
        notes: dict[int, Note] = {}
        bar = self.steering.bar_quarters
        for start, line in [
            (Fraction(0), self.steering.primer or ()),
            *((bar * (n - 1), line) for n, line in self.steering.locked_bars),
        ]:
            now = start
            for note in line:
                notes[in_ticks(now)] = note
                now += note.quarters
        return notes


def may_stand(place: int, ticks: int) -> bool:
    """Whether a duration may begin at this tick of the bar: triplets on the beat and until it is full, 32nds in pairs."""
    if ticks % 6 == 0:
        return place % 6 == 0 and (place % 12 == 0 or ticks % 12 != 0)
    unit = 8 if ticks == 8 else 16
    room = unit * 3
    return place % unit == 0 and place % room + ticks <= room


@lru_cache(maxsize=256)
def open_durations(bar_ticks: int, is_on_sixteenths: bool, longest_ticks: int | None, is_last_bar: bool) -> Mask:
    """Durations that may begin at each tick of a bar so that its end can be reached exactly: [bar_ticks, D].

    In the last bar the note that ends the piece lasts a quarter note at least, an eighth in short metres: a cadence needs time.
    """
    open_TD = np.zeros((bar_ticks, DURATION_COUNT), dtype=bool)
    reaches = np.zeros(bar_ticks + 1, dtype=bool)
    reaches[bar_ticks] = True
    latest = bar_ticks - cadence_ticks(bar_ticks) if is_last_bar else bar_ticks
    for place in range(latest if is_last_bar else bar_ticks - 1, -1, -1):
        for number, ticks in enumerate(DURATION_TICKS.tolist()):
            end = place + ticks
            is_left_alone = ticks in NEVER_COMPOSED or (is_on_sixteenths and ticks % SIXTEENTH_TICKS != 0)
            if is_left_alone or end > bar_ticks or (longest_ticks is not None and ticks > longest_ticks):
                continue
            open_TD[place, number] = may_stand(place, ticks) and reaches[end] and (end <= latest or end == bar_ticks)
        reaches[place] = open_TD[place].any()
    return open_TD


def cadence_ticks(bar_ticks: int) -> int:
    """Shortest last note of a piece."""
    return TICKS_PER_QUARTER if bar_ticks >= 2 * TICKS_PER_QUARTER else TICKS_PER_QUARTER // 2


class Constraints:
    """The masks of B plans while their lines grow."""

    def __init__(self, plans: Sequence[Plan], lines: Lines) -> None:
        self.lines = lines
        self._rows = np.arange(len(plans))
        self._free = np.flatnonzero([plan.is_free for plan in plans])
        self._pitches_BP = np.stack([plan.pitches() for plan in plans])
        self._openings_BP = np.stack([plan.openings() for plan in plans])
        self._tonics_BP = np.stack([plan.tonics() for plan in plans])
        longest = max(plan.bar_ticks for plan in plans)
        # The second table is that of the last bar.
        self._durations_B2TD = np.zeros((len(plans), 2, longest, DURATION_COUNT), dtype=bool)
        for row, plan in enumerate(plans):
            for is_last in (False, True):
                table_TD = open_durations(plan.bar_ticks, plan.is_on_sixteenths, plan.longest_ticks, is_last)
                self._durations_B2TD[row, int(is_last), : plan.bar_ticks] = table_TD
        self._ticks_D = np.append(DURATION_TICKS, 1 << 30)
        self._anchors = Anchors(plans)
        self._last_pitch_B = np.full(len(plans), -1)
        self._same_B = np.zeros(len(plans), dtype=np.int64)

    @property
    def is_done_B(self) -> Mask:
        """Lines that are full."""
        return self.lines.now_B >= self.lines.end_B

    def _fitting(self) -> Mask:
        """Durations that fit at this place of the bar, BD."""
        lines = self.lines
        is_last_B = (lines.end_B - lines.now_B <= lines.bar_B).astype(np.int64)
        is_last_B[self._free] = 0
        fitting_BD: Mask = self._durations_B2TD[self._rows, is_last_B, lines.now_B % lines.bar_B]
        return fitting_BD

    def pitches(self) -> Mask:
        """Open pitches, BP. A line that is full, and only it, has just the rest."""
        lines = self.lines
        left_B = lines.end_B - lines.now_B
        if lines.length:
            open_BP = self._pitches_BP.copy()
            open_BP[:, REST] = (left_B > lines.bar_B) & (lines.pitch_BN[:, lines.length - 1] != REST)
            is_last_B = left_B <= lines.bar_B
            if is_last_B.any():
                # Where nothing but the end fits, the note is the last one: the tonic.
                must_end_B = is_last_B & ~(self._fitting() & (self._ticks_D < left_B[:, None])).any(axis=1)
                open_BP = np.where(must_end_B[:, None], self._tonics_BP, open_BP)
            self._close_excess(open_BP)
        else:
            open_BP = self._openings_BP.copy()
        self._anchors.close_pitches(lines.now_B, open_BP)
        open_BP[self._free] = self._pitches_BP[self._free]
        open_BP[self._free, REST] = True
        done_B = left_B <= 0
        open_BP[done_B] = False
        open_BP[done_B, REST] = True
        return open_BP

    def _close_excess(self, open_BP: Mask) -> None:
        """Closes a pitch that came too often in a row, where another one is open."""
        for row in np.flatnonzero(self._same_B >= MAXIMUM_SAME_PITCH):
            pitch = self._last_pitch_B[row]
            if open_BP[row].sum() > open_BP[row, [REST, pitch]].sum():
                open_BP[row, [REST, pitch]] = False

    def durations(self, pitch_B: NDArray[np.int64]) -> Mask:
        """Open durations of these pitches, BD."""
        lines = self.lines
        left_B = lines.end_B - lines.now_B
        open_BD = self._fitting().copy()
        is_tonic_B = self._tonics_BP[self._rows, pitch_B]
        open_BD &= is_tonic_B[:, None] | (self._ticks_D < left_B[:, None])
        self._close_third_copies(open_BD, pitch_B)
        self._anchors.close_durations(lines.now_B, open_BD, self._ticks_D)
        open_BD[self._free] = self._fitting()[self._free]
        done_B = left_B <= 0
        open_BD[done_B] = False
        open_BD[done_B, 0] = True
        return open_BD

    def _close_third_copies(self, open_BD: Mask, pitch_B: NDArray[np.int64]) -> None:
        """Closes the duration that would complete a second copy from the same distance, where another one is open."""
        sources = slice(0, SOURCES - 1)
        pitch_BS, duration_BS = self.lines.sources()
        ends_BS = self.lines.run_ticks_BS[:, sources] + self._ticks_D[np.minimum(duration_BS[:, sources], DURATION_COUNT - 1)]
        is_third_BS = (pitch_BS[:, sources] == pitch_B[:, None]) & (ends_BS >= 2 * self.lines.back_BL)
        is_third_BS &= duration_BS[:, sources] < DURATION_COUNT
        for row, source in zip(*np.nonzero(is_third_BS), strict=True):
            duration = duration_BS[row, source]
            if open_BD[row, duration] and open_BD[row].sum() > 1:
                open_BD[row, duration] = False

    def append(self, pitch_B: NDArray[np.int64]) -> None:
        """Notes what was played, for excess."""
        is_note_B = pitch_B != REST
        is_same_B = is_note_B & (pitch_B == self._last_pitch_B)
        self._same_B = np.where(is_same_B, self._same_B + 1, np.where(is_note_B, 1, self._same_B))
        self._last_pitch_B = np.where(is_note_B, pitch_B, self._last_pitch_B)
