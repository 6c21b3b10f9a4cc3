"""How the rules stand in growing lines: what a listener would remember. Before: features.Lines. After: relations, network.

Shapes: B lines, R values for the networks' input (roughly −1 … 1), S whole numbers that `relations` compares tokens with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.constraints import Plan
from composer.learning.features import SOURCES, TICKS_PER_QUARTER, Lines
from composer.rewards import LEAP_SEMITONES, MOTIF_TICKS, STEP_TICKS
from composer.tokens import REST, pitch_token

Values = NDArray[np.float32]
Floats = NDArray[np.float64]
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
)
"""Names of the S numbers; pitches are tokens."""
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
RULE_VALUES = 21 + SOURCES + 2 * AGES + 2 * len(TALLIES) + 1 + 12


class RuleState:
    """B growing lines as the rules see them."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        count = len(plans)
        self._range_B2 = np.array([_range(plan) for plan in plans], dtype=np.float64)
        self._beat_B = np.array([72 if _is_compound(plan.steering.metre) else TICKS_PER_QUARTER for plan in plans])
        self.last_B, self.before_B, self.before_that_B = (np.full(count, -1.0) for _ in range(3))
        self.highest_B, self.lowest_B = np.full(count, -1.0), np.full(count, 999.0)
        self.high_count_B, self.low_count_B, self.high_at_B, self.low_at_B = (np.zeros(count) for _ in range(4))
        self.direction_B, self.left_B, self.since_B = np.zeros(count), np.zeros(count), np.zeros(count)
        self.notes_B, self.repeated_B, self.rest_ticks_B, self.last_ticks_B = (np.zeros(count) for _ in range(4))
        self.tally = {name: np.zeros(count) for name in TALLIES}
        self.profile_BP = np.zeros((count, 12))

    def standing(self, lines: Lines) -> NDArray[np.int16]:
        """The S numbers of each line, BS."""
        has_B = self.notes_B > 0
        columns = [
            has_B,
            self.last_B,
            self.before_B,
            self.before_that_B,
            np.where(has_B, self.highest_B, 0),
            self.high_count_B,
            np.where(has_B, self.lowest_B, 0),
            self.low_count_B,
            self.direction_B,
            self.left_B,
            np.minimum((lines.now_B - self.since_B) // STEP_TICKS, 99),
            self._beat_B,
            lines.now_B % self._beat_B,
            lines.bar_B - lines.now_B % lines.bar_B,
            self.last_ticks_B,
        ]
        standing_BS = np.empty((len(has_B), len(STANDING)), dtype=np.int16)
        for number, column_B in enumerate(columns):
            standing_BS[:, number] = column_B
        return standing_BS

    def observe(self, lines: Lines) -> Values:
        """R values of each line, BR."""
        has_B = self.notes_B > 0
        notes_B, now_B = np.maximum(self.notes_B, 1), np.maximum(lines.now_B, 1)
        mean_B = self.tally["pitch_sum"] / notes_B
        left_B = lines.end_B - lines.now_B
        is_open_B = self.direction_B != 0
        room_B = np.maximum(self._range_B2[:, 1] - self._range_B2[:, 0], 1)
        columns = [
            has_B,
            self.direction_B > 0,
            self.direction_B < 0,
            np.where(is_open_B, (self.left_B - self.last_B) / 12, 0),
            np.where(is_open_B, np.minimum((lines.now_B - self.since_B) / STEP_TICKS / 8, 2), 0),
            np.where(has_B, (self.highest_B - self.last_B) / 12, 0),
            np.where(has_B, (self.last_B - self.lowest_B) / 12, 0),
            np.where(has_B, (self.highest_B - self.lowest_B) / 24, 0),
            self.high_count_B == 1,
            self.low_count_B == 1,
            np.minimum(self.high_count_B, 4) / 4,
            np.minimum(self.low_count_B, 4) / 4,
            (self.before_B != self.last_B) & (self.before_that_B != self.last_B) & (self.before_B != self.before_that_B),
            self.before_B != self.last_B,
            np.minimum(self.notes_B / now_B * TICKS_PER_QUARTER / 4, 1.5),
            np.where(has_B, (mean_B - self._range_B2[:, 0]) / room_B, 0.5),
            np.minimum(self.repeated_B / (lines.end_B / STEP_TICKS), 1) * 2,
            self.rest_ticks_B / now_B,
            left_B / lines.end_B,
            left_B <= lines.bar_B,
            np.minimum(left_B / lines.bar_B, 2) / 2,
        ]
        runs_BS = np.minimum(lines.run_ticks_BS / MOTIF_TICKS, 2.0)
        shares = [2 * self.tally[name] / notes_B for name in TALLIES[:-1]]
        ages = [_age(lines, self.high_at_B), _age(lines, self.low_at_B)]
        elapsed_B = 1 - left_B / lines.end_B
        # What is certain of the finished piece already: counts over its whole length.
        settled = [self.notes_B / lines.end_B * TICKS_PER_QUARTER / 4, *(share_B * elapsed_B for share_B in shares)]
        counted = [np.log1p(self.notes_B) / 4, *shares, np.where(has_B, mean_B / 12 - 5.5, 0), *settled]
        profile_BP = 4 * self.profile_BP / now_B[:, None]
        values_BR = np.empty((len(now_B), RULE_VALUES), dtype=np.float32)
        # One by one: stacking dozens of short arrays takes longer than computing them.
        place = 0
        for values in (*columns, runs_BS, *ages, *counted, profile_BP):
            width = 1 if values.ndim == 1 else values.shape[1]
            values_BR[:, place : place + width] = values.reshape(-1, width)
            place += width
        return values_BR

    def append(
        self, lines: Lines, pitch_B: NDArray[np.int64], ticks_B: NDArray[np.int64], is_live_B: NDArray[np.bool_]
    ) -> None:
        """Takes a note in, before the lines do."""
        is_note_B = (pitch_B != REST) & is_live_B
        pitch = pitch_B.astype(np.float64)
        interval_B = np.where((self.notes_B > 0) & is_note_B, pitch - self.last_B, 0.0)
        self._follow_leap(interval_B, pitch, lines)
        self._follow_extremes(is_note_B, pitch, lines)
        self._count(is_note_B, pitch, interval_B, ticks_B, lines)
        run_B = lines.run_ticks_BS.max(axis=1)
        self.repeated_B += np.where((run_B > 0) & (run_B + ticks_B >= MOTIF_TICKS), ticks_B / STEP_TICKS, 0)
        self.rest_ticks_B += np.where(is_note_B | ~is_live_B, 0, ticks_B)
        self.notes_B += is_note_B
        self.before_that_B = np.where(is_note_B, self.before_B, self.before_that_B)
        self.before_B = np.where(is_note_B, self.last_B, self.before_B)
        self.last_B = np.where(is_note_B, pitch, self.last_B)
        self.last_ticks_B = np.where(is_live_B, ticks_B, self.last_ticks_B)

    def _follow_extremes(self, is_note_B: NDArray[np.bool_], pitch_B: Floats, lines: Lines) -> None:
        is_higher_B, is_lower_B = is_note_B & (pitch_B > self.highest_B), is_note_B & (pitch_B < self.lowest_B)
        is_highest_B, is_lowest_B = is_note_B & (pitch_B == self.highest_B), is_note_B & (pitch_B == self.lowest_B)
        self.high_count_B = np.where(is_higher_B, 1, self.high_count_B + is_highest_B)
        self.low_count_B = np.where(is_lower_B, 1, self.low_count_B + is_lowest_B)
        self.high_at_B = np.where(is_higher_B | is_highest_B, lines.now_B, self.high_at_B)
        self.low_at_B = np.where(is_lower_B | is_lowest_B, lines.now_B, self.low_at_B)
        self.highest_B = np.where(is_higher_B, pitch_B, self.highest_B)
        self.lowest_B = np.where(is_lower_B, pitch_B, self.lowest_B)

    def _count(
        self, is_note_B: NDArray[np.bool_], pitch_B: Floats, interval_B: Floats, ticks_B: NDArray[np.int64], lines: Lines
    ) -> None:
        size_B, has_B = np.abs(interval_B), (self.notes_B > 0) & is_note_B
        place_B = lines.now_B % self._beat_B
        found = {
            "repeats": has_B & (size_B == 0),
            "steps": (size_B >= 1) & (size_B <= 2),
            "thirds": (size_B >= 3) & (size_B <= 4),
            "leaps": size_B >= 5,
            "rises": interval_B > 0,
            "turns": (interval_B * (self.last_B - self.before_B) < 0) & (self.notes_B > 1),
            "off_beat": is_note_B & (place_B != 0),
            "syncopated": is_note_B & (place_B != 0) & (place_B + ticks_B > self._beat_B),
            "dotted": is_note_B & (ticks_B % 18 == 0),
            "triplets": is_note_B & (ticks_B % 3 != 0),
            "pitch_sum": np.where(is_note_B, pitch_B, 0),
        }
        for name, each_B in found.items():
            self.tally[name] += each_B
        # Token 1 is pitch −6 after the tonic was moved to C.
        rows = np.flatnonzero(is_note_B)
        self.profile_BP[rows, (pitch_B[rows].astype(np.int64) - 7) % 12] += ticks_B[rows]

    def _follow_leap(self, interval_B: Floats, pitch_B: Floats, lines: Lines) -> None:
        is_leap_B = np.abs(interval_B) >= LEAP_SEMITONES
        is_closed_B = self.direction_B == 0
        is_back_B = ~is_closed_B & is_leap_B & (self.direction_B * interval_B < 0)
        is_returned_B = ~is_closed_B & ~is_leap_B & (interval_B != 0) & (self.direction_B * (pitch_B - self.left_B) <= 0)
        self.left_B = np.where(is_leap_B & is_closed_B, self.last_B, self.left_B)
        self.since_B = np.where(is_leap_B, lines.now_B, self.since_B)
        self.direction_B = np.where(is_leap_B & is_closed_B, np.sign(interval_B), self.direction_B)
        self.direction_B = np.where(is_back_B | is_returned_B, 0.0, self.direction_B)


def _range(plan: Plan) -> tuple[int, int]:
    """Lowest and highest pitch as tokens."""
    steering = plan.steering
    return pitch_token(steering.lowest, steering.tonic), pitch_token(steering.highest, steering.tonic)


def _is_compound(metre: tuple[int, int]) -> bool:
    return metre[0] > 3 and metre[0] % 3 == 0 and metre[1] >= 8


def _age(lines: Lines, at_B: Floats) -> NDArray[np.bool_]:
    """One-hot half bars since a moment, counted up to the last column."""
    half_bars_B = ((lines.now_B - at_B) // (lines.bar_B // 2)).astype(np.int64).clip(0, AGES - 1)
    is_age_B5: NDArray[np.bool_] = np.eye(AGES, dtype=bool)[half_bars_B]
    return is_age_B5
