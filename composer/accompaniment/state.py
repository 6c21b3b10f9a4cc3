"""What the policy sees before each chord, and which chords are open. Before: half_bars.py. After: network.py, rewards.py.

Shapes: T half bars, A chords, P pitch classes above the tonic, F numbers that don't depend on the chords chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import CHORDS, COUNT, HOLDS_AP, tonic_triads
from composer.accompaniment.half_bars import HalfBar, Heard, beat_quarters, half_bars, hear
from composer.accompaniment.symbols import Bars, of_half_bars
from music.notes import MODES, Melody

Floats = NDArray[np.float64]
DIALS = ("motion", "colour")
"""What a listener may ask for, −1 … 1: chords that change seldom … often, plain triads … sevenths and chromatic chords."""
_WINDOW = (-1, 0, 1, 2)
"""Half bars whose melody is seen: the one before, this one and the next two."""
PLACES = 13
_ACCENTS = (-1, 0, 1, 2)
"""Half bars whose first note is seen,"""
_MIDDLES = (-1, 0, 1)
"""and those whose note in the middle is."""
FEATURES = 12 * (len(_WINDOW) + len(_ACCENTS) + len(_MIDDLES)) + PLACES + len(MODES) + 4
LONGEST_HELD = 4


@dataclass(frozen=True, kw_only=True)
class Task:
    """One melody to be accompanied, as the networks see it."""

    melody: Melody
    cut: tuple[HalfBar, ...]
    heard: Heard
    features_TF: Floats
    open_TA: NDArray[np.bool_]
    relaxed: tuple[str, ...]
    """Which masks were lifted, and where, because they left nothing open or other chords were given."""


def observe(melody: Melody, given: Bars = ()) -> Task:
    """The half bars of a melody with what is seen and open in each; nothing but the chords that are given for its bars."""
    cut = half_bars(melody)
    heard = hear(melody, cut)
    open_TA, relaxed = open_chords(heard, melody, of_half_bars(given, cut))
    return Task(
        melody=melody,
        cut=tuple(cut),
        heard=heard,
        features_TF=_features(melody, cut, heard),
        open_TA=open_TA,
        relaxed=tuple(relaxed),
    )


def open_chords(heard: Heard, melody: Melody, given_T: Sequence[int | None]) -> tuple[NDArray[np.bool_], list[str]]:
    """Open chords, TA: each shares a note with its half bar, the last one is a tonic triad. A given one alone is open.

    Where that leaves nothing, the masks are lifted in this order: the shared note, then the tonic at the end."""
    is_silent_T1 = heard.weights_TP.sum(axis=1, keepdims=True) == 0
    open_TA = (heard.weights_TP @ HOLDS_AP.T > 0) | is_silent_T1
    relaxed = []
    ending_A = np.zeros(COUNT, dtype=bool)
    ending_A[list(tonic_triads(melody.mode))] = True
    if given_T[-1] is not None:
        if not ending_A[given_T[-1]]:
            relaxed.append("the last chord is no tonic triad: another one was given")
    elif (open_TA[-1] & ending_A).any():
        open_TA[-1] &= ending_A
    else:
        relaxed.append("the last chord is no tonic triad: it would share no note with the melody")
    for number, chord in enumerate(given_T):
        if chord is not None:
            if not open_TA[number, chord]:
                symbol = CHORDS[chord].symbol(melody.tonic, melody.mode)
                relaxed.append(f"half bar {number + 1} has the chord that was given, {symbol}, which holds none of its notes")
            open_TA[number] = np.arange(COUNT) == chord
    for half in np.flatnonzero(~open_TA.any(axis=1)):
        open_TA[half] = True
        relaxed.append(f"half bar {half + 1} is open to every chord: none of the vocabulary holds its notes")
    return open_TA, relaxed


def _features(melody: Melody, cut: list[HalfBar], heard: Heard) -> Floats:
    """The F numbers of each half bar."""
    count = len(cut)
    seen = [_shifted(heard.weights_TP, offset) for offset in _WINDOW]
    seen += [_shifted(heard.accented_TP, offset) for offset in _ACCENTS]
    seen += [_shifted(heard.middle_TP, offset) for offset in _MIDDLES]
    places_T = np.zeros((count, PLACES))
    bar, beat = melody.bar_quarters, beat_quarters(melody.metre)
    ends_T = heard.is_phrase_end_T.astype(float)
    for number, half in enumerate(cut):
        left = count - number
        places_T[number] = [
            half.is_strong,
            half.bar < 0,
            ends_T[number],
            ends_T[number + 1] if left > 1 else 0.0,
            ends_T[number - 1] if number else 1.0,
            bar / beat % 2 == 1,
            beat.denominator == 2,
            left == 1,
            left == 2,
            left == 3,
            left <= 8,
            number == 0,
            float(min(half.quarters / 4, Fraction(2))),
        ]
    bars_T = np.eye(4)[[half.bar % 4 for half in cut]]
    modes_T = np.tile(np.eye(len(MODES))[MODES.index(melody.mode)], (count, 1))
    return np.concatenate([*seen, places_T, bars_T, modes_T], axis=1)


def _shifted(values_TP: Floats, offset: int) -> Floats:
    """Row t holds what stood at t + offset; zeros beyond the ends."""
    rows = np.arange(len(values_TP)) + offset
    inside = (rows >= 0) & (rows < len(values_TP))
    shifted: Floats = np.where(inside[:, None], values_TP[rows.clip(0, len(values_TP) - 1)], 0.0)
    return shifted
