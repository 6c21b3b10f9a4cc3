"""What a token would do to the rules: repeat the highest note, resolve a leap, cross a beat. Before: standing. After: network.

G adds a gate for each relation that holds, so that what is learned of one note is known of all. Shapes: ... anything, K tokens,
S numbers of `standing.STANDING`, J relations of a pitch, L of a duration."""

from __future__ import annotations

import torch
from torch import Tensor

from composer.learning.features import DURATION_TICKS
from composer.learning.standing import STANDING
from composer.rewards import LEAP_SEMITONES, PATIENT_STEPS
from composer.tokens import REST

PITCH_RELATIONS = 32
DURATION_RELATIONS = 12
_SIZES = ((1, 2), (3, 4), (5, 6), (7, 99))
_TICKS = torch.from_numpy(DURATION_TICKS.copy()).float()


def relate_pitches(token_K: Tensor, standing_S: Tensor) -> Tensor:
    """J relations of pitch tokens to a line: float, ...KJ. Before the first note only the rest and the key's degrees speak."""
    at = {name: standing_S[..., number, None].float() for number, name in enumerate(STANDING)}
    pitch = token_K.float()
    is_rest = token_K == REST
    has = (at["has_note"] > 0) & ~is_rest
    interval = torch.where(has, pitch - at["last"], 0.0)
    size = interval.abs()
    direction = at["leap_direction"]
    is_open, is_leap = (direction != 0) & has, size >= LEAP_SEMITONES
    is_back = direction * interval < 0
    degree = torch.remainder(token_K - 7, 12)
    shape = (token_K + standing_S[..., :1]).shape
    found = [
        is_rest,
        has & (size == 0),
        *((size >= low) & (size <= high) & (interval > 0) for low, high in _SIZES),
        *((size >= low) & (size <= high) & (interval < 0) for low, high in _SIZES),
        has & (pitch > at["highest"]),
        torch.where(has, (pitch - at["highest"]).clamp(min=0) / 12, 0.0),
        has & (pitch == at["highest"]) & (at["high_count"] == 1),
        has & (pitch == at["highest"]) & (at["high_count"] > 1),
        has & (pitch < at["lowest"]),
        torch.where(has, (at["lowest"] - pitch).clamp(min=0) / 12, 0.0),
        has & (pitch == at["lowest"]) & (at["low_count"] == 1),
        has & (pitch == at["lowest"]) & (at["low_count"] > 1),
        is_open & ~is_leap & (size > 0) & (direction * (pitch - at["leap_left"]) <= 0),
        is_open & is_leap & ~is_back & (interval != 0),
        is_open & is_leap & is_back & (at["leap_steps"] > PATIENT_STEPS),
        is_open & is_leap & is_back & (at["leap_steps"] <= PATIENT_STEPS),
        ~is_open & is_leap,
        has & (pitch == at["before"]),
        has & (pitch == at["before_that"]),
        has & (pitch != at["last"]) & (pitch != at["before"]) & (at["last"] != at["before"]),
        has & (interval * (at["last"] - at["before"]) < 0) & (at["before"] >= 0),
        ~is_rest & (degree == 0),
        ~is_rest & (degree == 7),
        ~is_rest & ((degree == 3) | (degree == 4)),
        torch.where(has, interval / 12, 0.0),
        torch.where(has, size / 12, 0.0),
    ]
    return torch.stack([each.float().expand(shape) for each in found], dim=-1)


def relate_durations(token_K: Tensor, standing_S: Tensor) -> Tensor:
    """L relations of duration tokens to a line: float, ...KL. The escape has none."""
    at = {name: standing_S[..., number, None].float() for number, name in enumerate(STANDING)}
    ticks_all = torch.cat([_TICKS, _TICKS.new_zeros(1)])
    ticks = ticks_all[token_K.long()]
    place, beat, last = at["tick_in_beat"], at["beat_ticks"].clamp(min=1), at["last_ticks"]
    shape = (token_K + standing_S[..., :1]).shape
    end = torch.remainder(place + ticks, beat)
    found = [
        ticks == last,
        ticks > last,
        ticks < last,
        (end == 0) & (ticks > 0),
        ticks == at["ticks_to_bar_line"],
        (place != 0) & (place + ticks > beat) & (end != 0),
        (place != 0) & (place + ticks > beat),
        (ticks > 0) & (torch.remainder(ticks, 18) == 0),
        torch.remainder(ticks, 3) != 0,
        (torch.log2(ticks.clamp(min=6) / 24)) / 2,
        (place == 0) & (ticks < beat),
        ticks / at["ticks_to_bar_line"].clamp(min=1),
    ]
    return torch.stack([each.float().expand(shape) for each in found], dim=-1)
