"""What G knows beyond the notes: what is asked for, and how the rules stand. Before: steering, taste. After: network, writing.

Shapes: B lines, R values of the rules' state, C of the condition. Everything is roughly −1 … 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.constraints import Plan
from composer.learning.features import SOURCES, Lines
from composer.rewards import LEAP_SEMITONES, MOTIF_TICKS, STEP_TICKS
from composer.steering import GRADED
from composer.tokens import REST
from music.features import NAMES

Values = NDArray[np.float32]
TASTES = len(NAMES)
CONDITION = 2 * len(GRADED) + 5 + TASTES
TASTE_GAIN = 10.0
"""Weights of a taste are near 0.07 each (0.5 / √49): so they reach the size of the other inputs."""
RULE_VALUES = 20 + SOURCES


def condition(plan: Plan, taste_D: NDArray[np.float64] | None) -> Values:
    """What is asked for, C. Taste strength scales the taste vector: at strength 0 nobody's taste is heard."""
    steering = plan.steering
    values: list[float] = []
    for name in GRADED:
        wish = getattr(steering, name)
        values += [0.0, 0.0] if wish is None else [1.0, 2.0 * wish - 1.0]
    values += [
        min(steering.bars, 32) / 16 - 1,
        float(steering.bars <= 4),
        (steering.lowest - 60) / 12,
        (steering.highest - 80) / 12,
        float(plan.is_on_sixteenths),
    ]
    taste = np.zeros(TASTES) if taste_D is None else np.asarray(taste_D, dtype=np.float64) * steering.taste_strength
    if len(taste) != TASTES:
        raise ValueError(f"the taste has {len(taste)} weights; this version knows {TASTES} features")
    return np.concatenate([values, np.clip(TASTE_GAIN * taste, -3, 3)]).astype(np.float32)


class RuleState:
    """How the rules stand in B growing lines: what a listener would remember, in R numbers."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        count = len(plans)
        self._range_B2 = np.array([[plan.steering.lowest, plan.steering.highest] for plan in plans], dtype=np.float64)
        self.last_B = np.zeros(count)
        self.highest_B, self.lowest_B = np.full(count, -1.0), np.full(count, 999.0)
        self.high_count_B, self.low_count_B = np.zeros(count), np.zeros(count)
        self.direction_B, self.left_B, self.since_B = np.zeros(count), np.zeros(count), np.zeros(count)
        self.notes_B, self.leaps_B, self.pitch_sum_B, self.off_beat_B = (np.zeros(count) for _ in range(4))
        self.repeated_B = np.zeros(count)
        self._recent_B3 = np.full((count, 3), -1.0)

    def observe(self, lines: Lines) -> Values:
        """R values for each line."""
        has_B = self.notes_B > 0
        notes_B = np.maximum(self.notes_B, 1)
        now_B = np.maximum(lines.now_B, 1)
        mean_B = self.pitch_sum_B / notes_B
        left_B = lines.end_B - lines.now_B
        recent = self._recent_B3
        columns = [
            has_B,
            (self.direction_B > 0),
            (self.direction_B < 0),
            np.where(self.direction_B != 0, (self.left_B - self.last_B) / 12, 0),
            np.where(self.direction_B != 0, np.minimum((lines.now_B - self.since_B) / STEP_TICKS / 8, 2), 0),
            np.where(has_B, (self.highest_B - self.last_B) / 12, 0),
            np.where(has_B, (self.last_B - self.lowest_B) / 12, 0),
            self.high_count_B == 1,
            self.low_count_B == 1,
            np.minimum(self.high_count_B, 4) / 4,
            np.minimum(self.low_count_B, 4) / 4,
            (recent[:, 0] != self.last_B) & (recent[:, 1] != self.last_B) & (recent[:, 0] != recent[:, 1]),
            recent[:, 0] != self.last_B,
            np.minimum(self.notes_B / now_B * 48 / 4, 1.5),
            self.leaps_B / notes_B * 3,
            self.off_beat_B / notes_B,
            np.where(has_B, (mean_B - self._range_B2[:, 0]) / np.maximum(self._range_B2[:, 1] - self._range_B2[:, 0], 1), 0.5),
            np.minimum(self.repeated_B / (lines.end_B / STEP_TICKS), 1) * 2,
            left_B / lines.end_B,
            left_B <= lines.bar_B,
        ]
        runs_BS = np.minimum(lines.run_ticks_BS / MOTIF_TICKS, 2.0)
        return np.concatenate([np.stack(columns, axis=1), runs_BS], axis=1).astype(np.float32)

    def append(
        self, lines: Lines, pitch_B: NDArray[np.int64], ticks_B: NDArray[np.int64], is_live_B: NDArray[np.bool_]
    ) -> None:
        """Takes a note in, before the lines do."""
        is_note_B = (pitch_B != REST) & is_live_B
        pitch = pitch_B.astype(np.float64)
        had_B = self.notes_B > 0
        interval_B = np.where(had_B & is_note_B, pitch - self.last_B, 0.0)
        self._follow_leap(interval_B, pitch, lines)
        self.high_count_B = np.where(
            is_note_B, np.where(pitch > self.highest_B, 1, self.high_count_B + (pitch == self.highest_B)), self.high_count_B
        )
        self.low_count_B = np.where(
            is_note_B, np.where(pitch < self.lowest_B, 1, self.low_count_B + (pitch == self.lowest_B)), self.low_count_B
        )
        self.highest_B = np.where(is_note_B, np.maximum(self.highest_B, pitch), self.highest_B)
        self.lowest_B = np.where(is_note_B, np.minimum(self.lowest_B, pitch), self.lowest_B)
        self.leaps_B += np.abs(interval_B) >= 5
        self.notes_B += is_note_B
        # Pitch tokens relative to the tonic: a constant away from MIDI, which the network learns.
        self.pitch_sum_B += np.where(is_note_B, pitch + 53, 0)
        self.off_beat_B += is_note_B & (lines.now_B % 48 != 0)
        self.repeated_B += np.where(lines.run_ticks_BS.max(axis=1) + ticks_B >= MOTIF_TICKS, ticks_B / STEP_TICKS, 0) * (
            lines.run_ticks_BS.max(axis=1) > 0
        )
        self._recent_B3 = np.where(
            is_note_B[:, None], np.concatenate([self.last_B[:, None], self._recent_B3[:, :2]], axis=1), self._recent_B3
        )
        self.last_B = np.where(is_note_B, pitch, self.last_B)

    def _follow_leap(self, interval_B: NDArray[np.float64], pitch_B: NDArray[np.float64], lines: Lines) -> None:
        is_leap_B = np.abs(interval_B) >= LEAP_SEMITONES
        is_closed_B = self.direction_B == 0
        is_back_B = ~is_closed_B & is_leap_B & (self.direction_B * interval_B < 0)
        is_returned_B = ~is_closed_B & ~is_leap_B & (interval_B != 0) & (self.direction_B * (pitch_B - self.left_B) <= 0)
        self.left_B = np.where(is_leap_B & is_closed_B, self.last_B, self.left_B)
        self.since_B = np.where(is_leap_B, lines.now_B, self.since_B)
        self.direction_B = np.where(is_leap_B & is_closed_B, np.sign(interval_B), self.direction_B)
        self.direction_B = np.where(is_back_B | is_returned_B, 0.0, self.direction_B)
