"""What a token would do to the rules: repeat the highest note, resolve a leap, end the bar. Before: standing. After: advantage.

G adds a gate for each relation that holds, so that what is learned of one note is known of all. Shapes: ... anything, K tokens,
S numbers of `standing.STANDING`, J relations of a pitch, L of a duration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.bands import CELL_TICKS
from composer.learning.compiled import compiled
from composer.learning.features import DURATION_TICKS
from composer.learning.following import NONE
from composer.learning.standing import AHEAD, STANDING
from composer.rewards import LEAP_SEMITONES, PATIENT_STEPS
from composer.tokens import REST

Related = NDArray[np.float32]
Whole = NDArray[np.int64]
PITCH_RELATIONS = 38
DURATION_RELATIONS = 17
_SIZES = ((1, 2), (3, 4), (5, 6), (7, 99))
_TICKS = np.append(DURATION_TICKS, 0)
"""Of each duration token; the escape has none."""


def relate_pitches(token_K: NDArray[Any], standing_S: NDArray[np.int16]) -> Related:
    """J relations of pitch tokens to a line, ...KJ. Before the first note only the rest and the key's degrees speak."""
    return _relate(token_K, standing_S, PITCH_RELATIONS, _relate_pitches)


def relate_durations(token_K: NDArray[Any], standing_S: NDArray[np.int16]) -> Related:
    """L relations of duration tokens to a line, ...KL."""
    return _relate(token_K, standing_S, DURATION_RELATIONS, _relate_durations)


def _relate(token_K: NDArray[Any], standing_S: NDArray[np.int16], relations: int, relate: Callable[..., None]) -> Related:
    """Of every line with every token it is asked about; the tokens of one row are those of all lines."""
    lines, tokens = standing_S.shape[:-1], token_K.shape[-1]
    token_BK = np.ascontiguousarray(token_K, dtype=np.int64).reshape(-1, tokens)
    standing_BS = np.ascontiguousarray(standing_S).reshape(-1, len(STANDING))
    related_BKJ = np.zeros((len(standing_BS), tokens, relations), dtype=np.float32)
    relate(related_BKJ, token_BK, standing_BS)
    return related_BKJ.reshape(*lines, tokens, relations)


@compiled
def _relate_pitches(related_BKJ: Related, token_BK: Whole, standing_BS: NDArray[np.int16]) -> None:
    for b in range(len(standing_BS)):
        token_K = token_BK[b % len(token_BK)]
        has_note, last, before, before_that = standing_BS[b, 0], standing_BS[b, 1], standing_BS[b, 2], standing_BS[b, 3]
        highest, high_count, lowest, low_count = standing_BS[b, 4], standing_BS[b, 5], standing_BS[b, 6], standing_BS[b, 7]
        direction, leap_left, leap_steps = standing_BS[b, 8], standing_BS[b, 9], standing_BS[b, 10]
        allowed = max(standing_BS[b, 15], highest - lowest)
        # In the last beat of a bar, the pitch that the next one comes back with.
        coming = standing_BS[b, 19] if standing_BS[b, 13] <= standing_BS[b, 11] else NONE
        for k in range(len(token_K)):
            pitch, is_so = token_K[k], related_BKJ[b, k]
            if pitch == REST:
                is_so[0] = 1.0
                continue
            degree = (pitch - 7) % 12
            is_so[27], is_so[28], is_so[29] = degree == 0, degree == 7, degree == 3 or degree == 4
            # From a fourth or fifth of the scale the last note is a leap.
            is_so[35] = 5 <= degree <= 7 and standing_BS[b, 18] < standing_BS[b, 13]
            if has_note == 0:
                continue
            if coming > REST:
                is_so[36], is_so[37] = pitch == coming, abs(pitch - coming) / 12
            interval = pitch - last
            size = abs(interval)
            is_so[1] = size == 0
            for number in range(len(_SIZES)):
                is_size = _SIZES[number][0] <= size <= _SIZES[number][1]
                is_so[2 + number], is_so[6 + number] = is_size and interval > 0, is_size and interval < 0
            is_so[10], is_so[11] = pitch > highest, max(pitch - highest, 0) / 12
            is_so[12], is_so[13] = pitch == highest and high_count == 1, pitch == highest and high_count > 1
            is_so[14], is_so[15] = pitch < lowest, max(lowest - pitch, 0) / 12
            is_so[16], is_so[17] = pitch == lowest and low_count == 1, pitch == lowest and low_count > 1
            is_leap, is_back = size >= LEAP_SEMITONES, direction * interval < 0
            if direction != 0:
                is_so[18] = not is_leap and size > 0 and direction * (pitch - leap_left) <= 0
                is_so[19] = is_leap and not is_back and interval != 0
                is_so[20] = is_leap and is_back and leap_steps > PATIENT_STEPS
                is_so[21] = is_leap and is_back and leap_steps <= PATIENT_STEPS
            else:
                is_so[22] = is_leap
            is_so[23], is_so[24] = pitch == before, pitch == before_that
            is_so[25] = pitch != last and pitch != before and last != before
            is_so[26] = interval * (last - before) < 0 and before >= 0
            is_so[30], is_so[31] = interval / 12, size / 12
            beyond = max(highest, pitch) - min(lowest, pitch) - allowed
            is_so[32], is_so[33] = beyond > 0, max(beyond, 0) / 12
            is_so[34] = (standing_BS[b, 17] >> degree) & 1 == 0


@compiled
def _relate_durations(related_BKL: Related, token_BK: Whole, standing_BS: NDArray[np.int16]) -> None:
    for b in range(len(standing_BS)):
        token_K = token_BK[b % len(token_BK)]
        beat, place = max(standing_BS[b, 11], 1), standing_BS[b, 12]
        bar_left, last, rhythm = standing_BS[b, 13], standing_BS[b, 14], standing_BS[b, 16]
        for k in range(len(token_K)):
            ticks, is_so = _TICKS[token_K[k]], related_BKL[b, k]
            end = (place + ticks) % beat
            crosses = place != 0 and place + ticks > beat
            is_so[0], is_so[1], is_so[2] = ticks == last, ticks > last, ticks < last
            is_so[3], is_so[4] = end == 0 and ticks > 0, ticks == bar_left
            is_so[5], is_so[6] = crosses and end != 0, crosses
            is_so[7], is_so[8] = ticks > 0 and ticks % 18 == 0, ticks % 3 != 0
            is_so[9] = np.log2(max(ticks, 6) / 24) / 2
            is_so[10], is_so[11] = place == 0 and ticks < beat, ticks / max(bar_left, 1)
            is_so[16] = ticks > 0 and ticks == standing_BS[b, 18]
            if rhythm < 0 or ticks == 0:
                continue
            cells, passed = ticks // CELL_TICKS, 0
            for ahead in range(1, min(cells, AHEAD)):
                passed += (rhythm >> ahead) & 1
            is_new = ticks % CELL_TICKS != 0 or cells >= AHEAD or (rhythm >> cells) & 1 == 0
            is_so[12], is_so[13], is_so[14], is_so[15] = not is_new, is_new, passed > 0, passed / 4
