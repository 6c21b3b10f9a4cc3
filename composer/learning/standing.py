"""How the rules stand in growing lines: what a listener would remember. Before: features.Lines. After: relations, network.

Shapes: B lines, R values for the networks' input (roughly −1 … 1), S whole numbers that `relations` compares tokens with,
X numbers, Y tallies and P degrees remembered of each line, C sixteenths of it, E figures of `bands.EARLY`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.bands import CELL_TICKS, EARLY, GROOVE, LEAST_WIDTH, Bands, early_edges
from composer.constraints import Plan, cadence_ticks
from composer.learning.compiled import compiled
from composer.learning.features import SOURCES, TICKS_PER_QUARTER, Lines
from composer.learning.following import IS_BEGINNING, IS_NEW, IS_WHOLE, Following
from composer.rewards import LEAP_SEMITONES, MOTIF_TICKS, STEP_TICKS
from composer.tokens import REST, pitch_token

Values = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
STANDING = (
    "has_note",
    "last",
    "before",
    "before_that",
    "highest",
    "high_count",
    "lowest",
    "low_count",
    "leap_direction",
    "leap_left",
    "leap_steps",
    "beat_ticks",
    "tick_in_beat",
    "ticks_to_bar_line",
    "last_ticks",
    "widest",
    "rhythm_before",
    "degrees",
    "ticks_to_cadence",
    "next_pitch",
)
"""Names of the S numbers; pitches are tokens. `widest` is the range that people keep to. `rhythm_before` has a bit for each of
the next sixteenths, 1 where a note began in the bar before, and `degrees` one for each degree that was heard. The last note
begins at the cadence at the latest. `next_pitch` begins the next bar, where it comes back; NONE where it doesn't."""
NO_LIMIT = 999
"""Of the range, where any will do."""
NO_BAR_BEFORE = -1
FAR_TICKS = 9999
"""Until the cadence, and more."""
_RANGE, _GROOVE = EARLY.index("range_over_36_semitones"), EARLY.index(GROOVE)
AHEAD = 15
"""Sixteenths of the bar before that are looked at."""
AGES = 5
"""Half bars since the highest (lowest) note, counted up to here: a copy of what holds it would repeat it."""
TALLIES = (
    "repeats",
    "steps",
    "thirds",
    "leaps",
    "rises",
    "turns",
    "off_beat",
    "syncopated",
    "dotted",
    "triplets",
    "pitch_sum",
)
"""Counted over the notes so far: what the final features will mostly be made of."""
RULE_VALUES = 21 + SOURCES + 2 * AGES + 2 * len(TALLIES) + 1 + 12 + 2 * len(EARLY) + 4

NUMBERS = (
    "notes",
    "last",
    "before",
    "before_that",
    "highest",
    "high_count",
    "high_at",
    "lowest",
    "low_count",
    "low_at",
    "direction",
    "left",
    "since",
    "repeated_steps",
    "rest_ticks",
    "last_ticks",
    "moved",
    "cells",
    "differing",
    "full_bars",
    "rhythms_again",
)
"""What is remembered of each line beside tallies and its degrees; pitches are tokens, moments are ticks."""
_N = {name: number for number, name in enumerate(NUMBERS)}
_NOTES, _LAST, _BEFORE, _BEFORE_THAT = (_N[name] for name in ("notes", "last", "before", "before_that"))
_HIGHEST, _HIGH_COUNT, _HIGH_AT = (_N[name] for name in ("highest", "high_count", "high_at"))
_LOWEST, _LOW_COUNT, _LOW_AT = (_N[name] for name in ("lowest", "low_count", "low_at"))
_DIRECTION, _LEFT, _SINCE = (_N[name] for name in ("direction", "left", "since"))
_REPEATED, _REST_TICKS, _LAST_TICKS = (_N[name] for name in ("repeated_steps", "rest_ticks", "last_ticks"))
_MOVED, _CELLS, _DIFFERING = (_N[name] for name in ("moved", "cells", "differing"))
_FULL_BARS, _RHYTHMS_AGAIN = _N["full_bars"], _N["rhythms_again"]
_HASH_FACTOR = 1_000_003
_PITCH_SUM = TALLIES.index("pitch_sum")
_SHARES = len(TALLIES) - 1


class RuleState:
    """B growing lines as the rules see them."""

    def __init__(self, plans: Sequence[Plan], bands: Bands | None = None) -> None:
        count = len(plans)
        self._edge_B2E = np.full((count, 2, len(EARLY)), np.nan)
        if bands is not None:
            self._edge_B2E = np.stack([early_edges(bands, plan.steering) for plan in plans])
        longest = max(plan.end_ticks for plan in plans) + max(plan.bar_ticks for plan in plans)
        self._begins_BC = np.zeros((count, longest // CELL_TICKS + AHEAD), dtype=np.bool_)
        self._range_B2 = np.array([_range(plan) for plan in plans], dtype=np.float64)
        self._cadence_B = np.array([plan.end_ticks - cadence_ticks(plan.bar_ticks) for plan in plans])
        self._following = Following([plan.form or "" for plan in plans])
        self._beat_B = np.array([72 if _is_compound(plan.steering.metre) else TICKS_PER_QUARTER for plan in plans])
        self.number_BX = np.zeros((count, len(NUMBERS)))
        self.number_BX[:, [_LAST, _BEFORE, _BEFORE_THAT, _HIGHEST]] = -1.0
        self.number_BX[:, _LOWEST] = 999.0
        self.tally_BY = np.zeros((count, len(TALLIES)))
        bars = max(plan.end_ticks // plan.bar_ticks for plan in plans) + 1
        self._rhythm_BM = np.zeros((count, bars), dtype=np.int64)
        """A hash of the lengths of the notes of each of the M bars of a line."""
        self.profile_BP, self.degree_BP = np.zeros((count, 12)), np.zeros((count, 12))
        """Ticks and notes of each degree."""

    def standing(self, lines: Lines) -> NDArray[np.int16]:
        """The S numbers of each line, BS."""
        standing_BS = np.empty((len(self.number_BX), len(STANDING)), dtype=np.int16)
        remembered = (self.number_BX, self.degree_BP, self._edge_B2E, self._begins_BC, self._beat_B)
        _stand(standing_BS, *remembered, self._cadence_B, lines.now_B, lines.bar_B)
        standing_BS[:, -1] = self._following.look(lines)[:, 3]
        return standing_BS

    def observe(self, lines: Lines) -> Values:
        """R values of each line, BR."""
        values_BR = np.zeros((len(self.number_BX), RULE_VALUES), dtype=np.float32)
        remembered = (self.number_BX, self.tally_BY, self.profile_BP, self.degree_BP, self._range_B2, self._edge_B2E)
        _observe(values_BR, *remembered, lines.now_B, lines.end_B, lines.bar_B, lines.run_ticks_BS)
        _, letter_B, next_letter_B, _ = self._following.look(lines).T
        values_BR[:, -4:] = np.stack(
            [letter_B == IS_NEW, letter_B == IS_WHOLE, letter_B == IS_BEGINNING, next_letter_B > 0], axis=1
        )
        return values_BR

    def append(
        self, lines: Lines, pitch_B: NDArray[np.int64], ticks_B: NDArray[np.int64], is_live_B: NDArray[np.bool_]
    ) -> None:
        """Takes a note in, before the lines do."""
        remembered = (
            self.number_BX,
            self.tally_BY,
            self.profile_BP,
            self.degree_BP,
            self._begins_BC,
            self._rhythm_BM,
            self._beat_B,
        )
        _append(*remembered, pitch_B, ticks_B, is_live_B, lines.now_B, lines.bar_B, lines.run_ticks_BS)


@compiled
def _stand(
    standing_BS: NDArray[np.int16],
    number_BX: Floats,
    degree_BP: Floats,
    edge_B2E: Floats,
    begins_BC: NDArray[np.bool_],
    beat_B: Whole,
    cadence_B: Whole,
    now_B: Whole,
    bar_B: Whole,
) -> None:
    """In the order of STANDING."""
    for b in range(len(now_B)):
        of = number_BX[b]
        has = of[_NOTES] > 0
        standing_BS[b, 0] = has
        standing_BS[b, 1], standing_BS[b, 2], standing_BS[b, 3] = of[_LAST], of[_BEFORE], of[_BEFORE_THAT]
        standing_BS[b, 4], standing_BS[b, 5] = of[_HIGHEST] if has else 0.0, of[_HIGH_COUNT]
        standing_BS[b, 6], standing_BS[b, 7] = of[_LOWEST] if has else 0.0, of[_LOW_COUNT]
        standing_BS[b, 8], standing_BS[b, 9] = of[_DIRECTION], of[_LEFT]
        standing_BS[b, 10] = min((now_B[b] - of[_SINCE]) // STEP_TICKS, 99.0)
        standing_BS[b, 11], standing_BS[b, 12] = beat_B[b], now_B[b] % beat_B[b]
        standing_BS[b, 13], standing_BS[b, 14] = bar_B[b] - now_B[b] % bar_B[b], of[_LAST_TICKS]
        widest = edge_B2E[b, 1, _RANGE] * 36
        standing_BS[b, 15] = int(widest + 1e-6) if widest >= 0 else NO_LIMIT
        standing_BS[b, 16] = NO_BAR_BEFORE
        if edge_B2E[b, 1, _GROOVE] >= 0 and now_B[b] >= bar_B[b]:
            before, bits = (now_B[b] - bar_B[b]) // CELL_TICKS, 0
            for ahead in range(min(AHEAD, begins_BC.shape[1] - before)):
                bits |= int(begins_BC[b, before + ahead]) << ahead
            standing_BS[b, 16] = bits
        heard = 0
        for degree in range(12):
            heard |= int(degree_BP[b, degree] > 0) << degree
        standing_BS[b, 17], standing_BS[b, 18] = heard, min(cadence_B[b] - now_B[b], FAR_TICKS)


@compiled
def _observe(
    values_BR: Values,
    number_BX: Floats,
    tally_BY: Floats,
    profile_BP: Floats,
    degree_BP: Floats,
    range_B2: Floats,
    edge_B2E: Floats,
    now_B: Whole,
    end_B: Whole,
    bar_B: Whole,
    run_ticks_BS: Whole,
) -> None:
    for b in range(len(now_B)):
        of, values = number_BX[b], values_BR[b]
        has, notes, now, left = of[_NOTES] > 0, max(of[_NOTES], 1.0), max(now_B[b], 1), end_B[b] - now_B[b]
        last, highest, lowest, direction = of[_LAST], of[_HIGHEST], of[_LOWEST], of[_DIRECTION]
        mean = tally_BY[b, _PITCH_SUM] / notes
        values[0], values[1], values[2] = has, direction > 0, direction < 0
        if direction != 0:
            values[3] = (of[_LEFT] - last) / 12
            values[4] = min((now_B[b] - of[_SINCE]) / STEP_TICKS / 8, 2.0)
        if has:
            values[5], values[6], values[7] = (highest - last) / 12, (last - lowest) / 12, (highest - lowest) / 24
        values[8], values[9] = of[_HIGH_COUNT] == 1, of[_LOW_COUNT] == 1
        values[10], values[11] = min(of[_HIGH_COUNT], 4.0) / 4, min(of[_LOW_COUNT], 4.0) / 4
        values[12] = of[_BEFORE] != last and of[_BEFORE_THAT] != last and of[_BEFORE] != of[_BEFORE_THAT]
        values[13] = of[_BEFORE] != last
        values[14] = min(of[_NOTES] / now * TICKS_PER_QUARTER / 4, 1.5)
        room = max(range_B2[b, 1] - range_B2[b, 0], 1.0)
        values[15] = (mean - range_B2[b, 0]) / room if has else 0.5
        values[16] = min(of[_REPEATED] / (end_B[b] / STEP_TICKS), 1.0) * 2
        values[17] = of[_REST_TICKS] / now
        values[18] = left / end_B[b]
        values[19] = left <= bar_B[b]
        values[20] = min(left / bar_B[b], 2.0) / 2
        at = 21
        for s in range(SOURCES):
            values[at + s] = min(run_ticks_BS[b, s] / MOTIF_TICKS, 2.0)
        at += SOURCES
        # One-hot half bars since the highest and the lowest note, counted up to the last column.
        for since in (of[_HIGH_AT], of[_LOW_AT]):
            values[at + int(min(max((now_B[b] - since) // (bar_B[b] // 2), 0.0), AGES - 1.0))] = 1.0
            at += AGES
        values[at] = np.log1p(of[_NOTES]) / 4
        values[at + _SHARES + 1] = mean / 12 - 5.5 if has else 0.0
        # What is certain of the finished piece already: counts over its whole length.
        settled = at + _SHARES + 2
        values[settled] = of[_NOTES] / end_B[b] * TICKS_PER_QUARTER / 4
        for y in range(_SHARES):
            share = 2 * tally_BY[b, y] / notes
            values[at + 1 + y] = share
            values[settled + 1 + y] = share * (1 - left / end_B[b])
        at = settled + 1 + _SHARES
        for degree in range(12):
            values[at + degree] = 4 * profile_BP[b, degree] / now
        _observe_bands(values[at + 12 :], of, degree_BP[b], edge_B2E[b], now, bar_B[b])


@compiled
def _observe_bands(values: Values, of: Floats, degree_P: Floats, edge_2E: Floats, now: int, bar: int) -> None:
    """How far above, then how far below people's bands the line is so far, in widths; 0 where there is none: the figures of
    `bands.early_figures`, note by note."""
    if of[_NOTES] == 0:
        return
    compared, bits, bars = of[_CELLS] - bar // CELL_TICKS, 0.0, of[_FULL_BARS] - 1
    for degree in range(12):
        share = degree_P[degree] / of[_NOTES]
        bits -= share * np.log2(share) if share > 0 else 0.0
    figures = (
        (of[_HIGHEST] - of[_LOWEST]) / 36,
        of[_MOVED] / max(of[_NOTES] - 1, 1.0) / 8,
        of[_NOTES] / now * TICKS_PER_QUARTER / 4,
        1 - of[_DIFFERING] / compared if compared > 0 else np.nan,
        bits / np.log2(12),
        of[_RHYTHMS_AGAIN] / bars if bars > 0 else np.nan,
    )
    for e in range(len(figures)):
        low, high, figure = edge_2E[0, e], edge_2E[1, e], figures[e]
        if high >= 0 and not np.isnan(figure):
            width = max(high - low, LEAST_WIDTH)
            values[e] = min(max((figure - high) / width, -1.0), 1.0)
            values[len(figures) + e] = min(max((low - figure) / width, -1.0), 1.0)


@compiled
def _append(
    number_BX: Floats,
    tally_BY: Floats,
    profile_BP: Floats,
    degree_BP: Floats,
    begins_BC: NDArray[np.bool_],
    rhythm_BM: Whole,
    beat_B: Whole,
    pitch_B: Whole,
    ticks_B: Whole,
    is_live_B: NDArray[np.bool_],
    now_B: Whole,
    bar_B: Whole,
    run_ticks_BS: Whole,
) -> None:
    for b in range(len(pitch_B)):
        if not is_live_B[b]:
            continue
        of, ticks, now = number_BX[b], ticks_B[b], now_B[b]
        run = run_ticks_BS[b].max()
        if run > 0 and run + ticks >= MOTIF_TICKS:
            of[_REPEATED] += ticks / STEP_TICKS
        of[_LAST_TICKS] = ticks
        _compare_rhythm(of, begins_BC[b], now, ticks, bar_B[b], pitch_B[b] != REST)
        _compare_bars(of, rhythm_BM[b], now, ticks, bar_B[b])
        if pitch_B[b] == REST:
            of[_REST_TICKS] += ticks
            continue
        pitch = float(pitch_B[b])
        interval = pitch - of[_LAST] if of[_NOTES] > 0 else 0.0
        _follow_leap(of, pitch, interval, now)
        _count(tally_BY[b], of, pitch, interval, now % beat_B[b], ticks, beat_B[b])
        # Token 1 is pitch −6 after the tonic was moved to C.
        profile_BP[b, (pitch_B[b] - 7) % 12] += ticks
        degree_BP[b, (pitch_B[b] - 7) % 12] += 1
        if pitch > of[_HIGHEST]:
            of[_HIGHEST], of[_HIGH_COUNT], of[_HIGH_AT] = pitch, 1.0, now
        elif pitch == of[_HIGHEST]:
            of[_HIGH_COUNT], of[_HIGH_AT] = of[_HIGH_COUNT] + 1, now
        if pitch < of[_LOWEST]:
            of[_LOWEST], of[_LOW_COUNT], of[_LOW_AT] = pitch, 1.0, now
        elif pitch == of[_LOWEST]:
            of[_LOW_COUNT], of[_LOW_AT] = of[_LOW_COUNT] + 1, now
        of[_NOTES] += 1
        of[_MOVED] += abs(interval)
        of[_BEFORE_THAT], of[_BEFORE], of[_LAST] = of[_BEFORE], of[_LAST], pitch


@compiled
def _compare_rhythm(of: Floats, begins_C: NDArray[np.bool_], now: int, ticks: int, bar: int, sounds: bool) -> None:
    """Counts the finished sixteenths that differ from those a bar before in whether a note begins."""
    end = min((now + ticks) // CELL_TICKS, len(begins_C))
    if now // CELL_TICKS < len(begins_C):
        begins_C[now // CELL_TICKS] |= sounds
    for cell in range(int(of[_CELLS]), end):
        before = cell - bar // CELL_TICKS
        if before >= 0 and begins_C[cell] != begins_C[before]:
            of[_DIFFERING] += 1
    of[_CELLS] = end


@compiled
def _compare_bars(of: Floats, rhythm_M: Whole, now: int, ticks: int, bar: int) -> None:
    """Adds a note to its bar; counts a bar that is full as `features` counts those whose rhythm came before."""
    number = min(now // bar, len(rhythm_M) - 1)
    rhythm_M[number] = rhythm_M[number] * _HASH_FACTOR + ticks
    if now % bar + ticks < bar:
        return
    is_again = False
    for before in range(number):
        is_again |= rhythm_M[before] == rhythm_M[number]
    of[_FULL_BARS] += 1
    of[_RHYTHMS_AGAIN] += is_again


@compiled
def _follow_leap(of: Floats, pitch: float, interval: float, now: int) -> None:
    """Opens, keeps or closes the leap that waits for its resolution."""
    if abs(interval) >= LEAP_SEMITONES:
        if of[_DIRECTION] == 0:
            of[_LEFT], of[_DIRECTION] = of[_LAST], np.sign(interval)
        elif of[_DIRECTION] * interval < 0:
            of[_DIRECTION] = 0.0
        of[_SINCE] = now
    elif of[_DIRECTION] != 0 and interval != 0 and of[_DIRECTION] * (pitch - of[_LEFT]) <= 0:
        of[_DIRECTION] = 0.0


@compiled
def _count(tally_Y: Floats, of: Floats, pitch: float, interval: float, place: int, ticks: int, beat: int) -> None:
    """In the order of TALLIES."""
    size = abs(interval)
    tally_Y[0] += of[_NOTES] > 0 and size == 0
    tally_Y[1] += 1 <= size <= 2
    tally_Y[2] += 3 <= size <= 4
    tally_Y[3] += size >= 5
    tally_Y[4] += interval > 0
    tally_Y[5] += of[_NOTES] > 1 and interval * (of[_LAST] - of[_BEFORE]) < 0
    tally_Y[6] += place != 0
    tally_Y[7] += place != 0 and place + ticks > beat
    tally_Y[8] += ticks % 18 == 0
    tally_Y[9] += ticks % 3 != 0
    tally_Y[_PITCH_SUM] += pitch


def _range(plan: Plan) -> tuple[int, int]:
    """Lowest and highest pitch as tokens."""
    steering = plan.steering
    return pitch_token(steering.lowest, steering.tonic), pitch_token(steering.highest, steering.tonic)


def _is_compound(metre: tuple[int, int]) -> bool:
    return metre[0] > 3 and metre[0] % 3 == 0 and metre[1] >= 8
