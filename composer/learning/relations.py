"""What a token would do to the rules: repeat the highest note, resolve a leap, end the bar. Before: standing. After: advantage.

G adds a gate for each relation that holds, so that what is learned of one note is known of all. Shapes: ... anything, K tokens,
S numbers of `standing.STANDING`, J relations of a pitch, L of a duration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.learning.features import DURATION_TICKS
from composer.learning.standing import STANDING
from composer.rewards import LEAP_SEMITONES, PATIENT_STEPS
from composer.tokens import REST

Related = NDArray[np.float32]
PITCH_RELATIONS = 32
DURATION_RELATIONS = 12
_SIZES = ((1, 2), (3, 4), (5, 6), (7, 99))
_TICKS = np.append(DURATION_TICKS, 0).astype(np.int32)
"""Of each duration token; the escape has none."""


def relate_pitches(token_K: NDArray[Any], standing_S: NDArray[np.int16]) -> Related:
    """J relations of pitch tokens to a line, ...KJ. Before the first note only the rest and the key's degrees speak."""
    at = _standing(standing_S)
    pitch = token_K.astype(np.int32)
    is_rest = pitch == REST
    has = (at["has_note"] > 0) & ~is_rest
    interval = (pitch - at["last"]) * has
    size = np.abs(interval)
    direction = at["leap_direction"]
    is_open, is_leap = (direction != 0) & has, size >= LEAP_SEMITONES
    is_back = direction * interval < 0
    degree = (pitch - 7) % 12
    sizes = [(size >= low) & (size <= high) for low, high in _SIZES]
    is_highest, is_lowest = has & (pitch == at["highest"]), has & (pitch == at["lowest"])
    is_new = has & (pitch != at["last"]) & (pitch != at["before"])
    return _stack(
        [
            is_rest,
            has & (size == 0),
            *(is_size & (interval > 0) for is_size in sizes),
            *(is_size & (interval < 0) for is_size in sizes),
            has & (pitch > at["highest"]),
            np.maximum(pitch - at["highest"], 0) * has / 12,
            is_highest & (at["high_count"] == 1),
            is_highest & (at["high_count"] > 1),
            has & (pitch < at["lowest"]),
            np.maximum(at["lowest"] - pitch, 0) * has / 12,
            is_lowest & (at["low_count"] == 1),
            is_lowest & (at["low_count"] > 1),
            is_open & ~is_leap & (size > 0) & (direction * (pitch - at["leap_left"]) <= 0),
            is_open & is_leap & ~is_back & (interval != 0),
            is_open & is_leap & is_back & (at["leap_steps"] > PATIENT_STEPS),
            is_open & is_leap & is_back & (at["leap_steps"] <= PATIENT_STEPS),
            ~is_open & is_leap,
            has & (pitch == at["before"]),
            has & (pitch == at["before_that"]),
            is_new & (at["last"] != at["before"]),
            has & (interval * (at["last"] - at["before"]) < 0) & (at["before"] >= 0),
            ~is_rest & (degree == 0),
            ~is_rest & (degree == 7),
            ~is_rest & ((degree == 3) | (degree == 4)),
            interval / 12,
            size / 12,
        ]
    )


def relate_durations(token_K: NDArray[Any], standing_S: NDArray[np.int16]) -> Related:
    """L relations of duration tokens to a line, ...KL."""
    at = _standing(standing_S)
    ticks = _TICKS[token_K]
    place, beat, last = at["tick_in_beat"], np.maximum(at["beat_ticks"], 1), at["last_ticks"]
    end = (place + ticks) % beat
    crosses = (place != 0) & (place + ticks > beat)
    return _stack(
        [
            ticks == last,
            ticks > last,
            ticks < last,
            (end == 0) & (ticks > 0),
            ticks == at["ticks_to_bar_line"],
            crosses & (end != 0),
            crosses,
            (ticks > 0) & (ticks % 18 == 0),
            ticks % 3 != 0,
            np.log2(np.maximum(ticks, 6) / 24) / 2,
            (place == 0) & (ticks < beat),
            ticks / np.maximum(at["ticks_to_bar_line"], 1),
        ]
    )


def _standing(standing_S: NDArray[np.int16]) -> dict[str, NDArray[np.int32]]:
    """The numbers by name, each with a place for K."""
    numbers_S = standing_S.astype(np.int32)
    return {name: numbers_S[..., number, None] for number, name in enumerate(STANDING)}


def _stack(columns: list[NDArray[Any]]) -> Related:
    shape = np.broadcast_shapes(*(column.shape for column in columns))
    related = np.empty((*shape, len(columns)), dtype=np.float32)
    for number, column in enumerate(columns):
        related[..., number] = column
    return related
