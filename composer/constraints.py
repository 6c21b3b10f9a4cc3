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
from composer.learning.compiled import compiled
from composer.learning.features import DURATION_TICKS, NONE_DURATION, SOURCES, TICKS_PER_QUARTER, Lines, in_ticks
from composer.learning.following import NONE, Following
from composer.line import SHORT_BARS
from composer.steering import Steering
from composer.tokens import DURATION_COUNT, PITCH_COUNT, REST, pitch_token
from music.notes import Note

Mask = NDArray[np.bool_]
Whole = NDArray[np.int64]
SIXTEENTH_TICKS = TICKS_PER_QUARTER // 4
MAXIMUM_SAME_PITCH = 4
"""Notes of one pitch in a row; the next one must be another."""
_TICKS = np.append(DURATION_TICKS, 1 << 30)
"""Of each duration token; the escape fits nowhere."""
RELAXED = ("key", "repetition", "anchors", "grid")
"""What is given up where no token would be open, in this order: the key, or the tonic at an end, where an anchor stands; a note
too often in a row, or a second copy from the same distance; an anchor that no note can reach; the grid, behind given notes that
end beside it: one note fills the bar. The beginning of a chord is an anchor, too; for it a second copy is given up first."""
_KEY, _REPETITION, _ANCHORS, _GRID = range(len(RELAXED))
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
    form: str | None = None
    """Which bars come back from where (forms.py); None lets the policy draw one, and a gamut; empty asks for none."""
    gamut: frozenset[int] | None = None
    """Degrees that are used, in semitones above the tonic (gamuts.py); None leaves all of the scale open."""
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

    @property
    def takes_form(self) -> bool:
        """Whether a form and a gamut may be drawn for it. Where bars, chords or kept notes are given, those say what a tune is;
        a primer says how it begins."""
        steering = self.steering
        is_given = bool(self.anchors or steering.locked_bars or steering.chord_bars)
        return steering.bars > SHORT_BARS and not is_given and not self.is_free

    def pitches(self) -> Mask:
        """Pitch tokens of the key within the range, P; the rest is not among them."""
        open_P = np.zeros(PITCH_COUNT, dtype=bool)
        tonic, scale = self.steering.tonic, self.steering.scale
        if self.gamut is not None:
            scale = frozenset(pitch for pitch in scale if (pitch - tonic) % 12 in self.gamut)
        for pitch in range(self.steering.lowest, self.steering.highest + 1):
            if self.is_free or pitch % 12 in scale:
                open_P[pitch_token(pitch, tonic)] = True
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

    def wanted(self) -> dict[int, Mask]:
        """Pitch tokens, P, of which one begins at these ticks: the anchor's, or the chord's within key and range."""
        masks = {}
        for _, start, chord in self.steering.chord_places():
            classes = self.steering.classes_of(chord)
            # Token 1 is pitch −6 after the tonic was moved to C. A chord without any of them was refused before.
            in_chord_P = [token != REST and (token - 7 + self.steering.tonic) % 12 in classes for token in range(PITCH_COUNT)]
            if (open_P := self.pitches() & np.array(in_chord_P)).any():
                masks[in_ticks(start)] = open_P
        for tick, pitch in self.anchors:
            masks[tick] = np.arange(PITCH_COUNT) == pitch_token(pitch, self.steering.tonic)
        return masks

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
        self._is_free_B = np.array([plan.is_free for plan in plans])
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
        self._anchors = Anchors(plans)
        self._following = Following([plan.form or "" for plan in plans])
        self._source_B = np.full(len(plans), NONE, dtype=np.int64)
        self.kept_B = np.full(len(plans), NONE, dtype=np.int64)
        """The token that the form left open alone in the newest mask, which is no choice."""
        self._has_chords_B = [bool(plan.steering.chord_bars) for plan in plans]
        self.relaxed_B4 = np.zeros((len(plans), len(RELAXED)), dtype=np.int64)
        """How often each of RELAXED was given up."""
        self._last_pitch_B = np.full(len(plans), -1, dtype=np.int64)
        self._same_B = np.zeros(len(plans), dtype=np.int64)

    @property
    def is_done_B(self) -> Mask:
        """Lines that are full."""
        return self.lines.now_B >= self.lines.end_B

    def pitches(self) -> Mask:
        """Open pitches, BP. A line that is full, and only it, has just the rest."""
        lines = self.lines
        open_BP = self._pitches_BP.copy() if lines.length else self._openings_BP.copy()
        places = (lines.now_B, lines.bar_B, lines.end_B, self._is_free_B)
        # Before the first note the newest one stands behind the end.
        excess = (self._last_pitch_B, self._same_B, lines.pitch_BN[:, lines.length - 1].copy())
        _close_pitches(
            open_BP,
            self._pitches_BP,
            self._tonics_BP,
            self._durations_B2TD,
            *places,
            *excess,
            lines.length == 0,
            self.relaxed_B4,
        )
        self._source_B = self._following.look(lines)[:, 0]
        _keep_copying(open_BP, self.kept_B, self._source_B, *lines.sources())
        for row, wanted_P in self._anchors.close_pitches(lines.now_B, open_BP):
            is_excess = self._same_B[row] >= MAXIMUM_SAME_PITCH and wanted_P[self._last_pitch_B[row]]
            if is_excess or not (self._tonics_BP[row] & wanted_P).any():  # another tonic than the nearest breaks nothing
                self.relaxed_B4[row, _REPETITION if is_excess else _KEY] += 1
        return open_BP

    def durations(self, pitch_B: NDArray[np.int64]) -> Mask:
        """Open durations of these pitches, BD."""
        lines = self.lines
        open_BD = np.empty((len(pitch_B), DURATION_COUNT), dtype=bool)
        places = (lines.now_B, lines.bar_B, lines.end_B, self._is_free_B)
        copies = (*lines.sources(), lines.run_ticks_BS, lines.back_BL)
        _open_durations(
            open_BD, pitch_B, self._tonics_BP, self._durations_B2TD, *places, self._source_B, *copies, self.relaxed_B4
        )
        _keep_lengths(open_BD, self.kept_B, pitch_B, self._source_B, *lines.sources())
        for row, left in self._anchors.close_durations(lines.now_B, open_BD, _TICKS):
            place = lines.now_B[row] % lines.bar_B[row]
            is_last_bar = lines.end_B[row] - lines.now_B[row] <= lines.bar_B[row]
            short_D = self._durations_B2TD[row, int(is_last_bar), place] & (left >= _TICKS)
            if self._has_chords_B[row] and short_D.any():
                open_BD[row] = short_D
                self.relaxed_B4[row, _REPETITION] += 1
            else:
                self.relaxed_B4[row, _ANCHORS] += 1
        return open_BD

    def append(self, pitch_B: NDArray[np.int64]) -> None:
        """Notes what was played, for excess."""
        _count_same(pitch_B, self._last_pitch_B, self._same_B)


@compiled
def _close_pitches(
    open_BP: Mask,
    pitches_BP: Mask,
    tonics_BP: Mask,
    durations_B2TD: Mask,
    now_B: Whole,
    bar_B: Whole,
    end_B: Whole,
    is_free_B: Mask,
    last_pitch_B: Whole,
    same_B: Whole,
    newest_B: Whole,
    is_first: bool,
    relaxed_B4: Whole,
) -> None:
    """Leaves the nearest tonic where only the end fits, and no pitch that came too often in a row if another one is open."""
    for b in range(len(open_BP)):
        left, open_P = end_B[b] - now_B[b], open_BP[b]
        if left <= 0:
            open_P[:] = False
            open_P[REST] = True
            continue
        if is_free_B[b]:
            open_P[:] = pitches_BP[b]
            open_P[REST] = True
        if is_first or is_free_B[b]:
            continue
        is_last_bar = left <= bar_B[b]
        open_P[REST] = not is_last_bar and newest_B[b] != REST
        if is_last_bar:
            fitting_D = durations_B2TD[b, 1, now_B[b] % bar_B[b]]
            if not (fitting_D & (left > _TICKS)).any():
                _open_nearest(open_P, tonics_BP[b], last_pitch_B[b], same_B[b] >= MAXIMUM_SAME_PITCH)
        last = last_pitch_B[b]
        if same_B[b] >= MAXIMUM_SAME_PITCH:
            if open_P.sum() > int(open_P[REST]) + int(open_P[last]):
                open_P[REST] = open_P[last] = False
            else:
                relaxed_B4[b, _REPETITION] += 1


@compiled
def _open_nearest(open_P: Mask, tonics_P: Mask, last: int, is_excess: bool) -> None:
    """Opens the tonics that are nearest to the last pitch, which is none of them where it came too often and there are others;
    all of them where none sounded before."""
    tonic_K = np.flatnonzero(tonics_P)
    if is_excess and len(tonic_K) > 1:
        tonic_K = tonic_K[tonic_K != last]
    open_P[:] = False
    for tonic in tonic_K:
        open_P[tonic] = last < 0 or abs(tonic - last) == np.abs(tonic_K - last).min()


@compiled
def _open_durations(
    open_BD: Mask,
    pitch_B: Whole,
    tonics_BP: Mask,
    durations_B2TD: Mask,
    now_B: Whole,
    bar_B: Whole,
    end_B: Whole,
    is_free_B: Mask,
    source_B: Whole,
    source_pitch_BS: Whole,
    source_duration_BS: Whole,
    run_ticks_BS: Whole,
    back_BL: Whole,
    relaxed_B4: Whole,
) -> None:
    """Those that fit at this place of the bar, end on the tonic, and complete no second copy from the same distance where
    another one is open. A line that is full has just the shortest."""
    for b in range(len(pitch_B)):
        left, pitch, open_D = end_B[b] - now_B[b], pitch_B[b], open_BD[b]
        if left <= 0:
            open_D[:] = False
            open_D[0] = True
            continue
        is_last_bar = left <= bar_B[b] and not is_free_B[b]
        open_D[:] = durations_B2TD[b, 1 if is_last_bar else 0, now_B[b] % bar_B[b]]
        if not is_free_B[b]:
            if not tonics_BP[b, pitch]:
                open_D &= left > _TICKS
            for s in range(SOURCES - 1):
                duration = source_duration_BS[b, s]
                if source_pitch_BS[b, s] != pitch or duration >= DURATION_COUNT:
                    continue
                back = source_B[b]
                if back != NONE and duration == source_duration_BS[b, back] and pitch == source_pitch_BS[b, back]:
                    continue  # the form asks for it
                is_third = run_ticks_BS[b, s] + _TICKS[duration] >= 2 * back_BL[b, s]
                if is_third and open_D[duration]:
                    if open_D.sum() > 1:
                        open_D[duration] = False
                    else:
                        relaxed_B4[b, _REPETITION] += 1
        if not open_D.any():
            # After a primer that ends beside the grid nothing fits: the rest of the bar is one note, written out.
            open_D[DURATION_COUNT - 1] = True
            relaxed_B4[b, _GRID] += 1


@compiled
def _keep_copying(open_BP: Mask, kept_B: Whole, source_B: Whole, source_pitch_BS: Whole, source_duration_BS: Whole) -> None:
    """Leaves the pitch alone open that goes on with a bar on its way back, where it is open."""
    for b in range(len(open_BP)):
        source, kept_B[b] = source_B[b], NONE
        if source != NONE and source_duration_BS[b, source] != NONE_DURATION and open_BP[b, source_pitch_BS[b, source]]:
            kept_B[b] = source_pitch_BS[b, source]
            open_BP[b, :] = False
            open_BP[b, kept_B[b]] = True


@compiled
def _keep_lengths(
    open_BD: Mask, kept_B: Whole, pitch_B: Whole, source_B: Whole, source_pitch_BS: Whole, source_duration_BS: Whole
) -> None:
    """The same of its length. A bar that could not go on so is a new one from there."""
    for b in range(len(open_BD)):
        source, kept_B[b] = source_B[b], NONE
        if source == NONE or source_pitch_BS[b, source] != pitch_B[b]:
            continue
        duration = source_duration_BS[b, source]
        if duration < DURATION_COUNT and open_BD[b, duration]:
            kept_B[b] = duration
            open_BD[b, :] = False
            open_BD[b, duration] = True


@compiled
def _count_same(pitch_B: Whole, last_pitch_B: Whole, same_B: Whole) -> None:
    """How often the last pitch came in a row; rests between count nothing."""
    for b in range(len(pitch_B)):
        if pitch_B[b] != REST:
            same_B[b] = same_B[b] + 1 if pitch_B[b] == last_pitch_B[b] else 1
            last_pitch_B[b] = pitch_B[b]
