"""What a chord is worth, in nats: agreement, progression, cadence, harmonic rhythm. Before: state.py. After: training, policy.

Shapes: B melodies, T half bars, A chords. Each rule is one function from chosen chords to a reward per half bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import CHORDS, COUNT, HOLDS_AP, IS_COLOURED_A, NUMBERS, Chord, is_diatonic, tonic_triads
from composer.accompaniment.state import Task

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChordWeights:
    """What each rule is worth, in nats. τ = 1: a nat of reward pays for a nat away from Bach."""

    agreement: float = 2.0
    """Per half bar, times the share of the melody's time that the chord holds less a half."""
    accented_clash: float = 0.6
    """Taken where the chord does not hold the note on the half bar's beginning."""
    progression: float = 0.4
    """Times the worth of the step from chord to chord, −1 … 1."""
    unresolved: float = 1.0
    """Taken where a dominant seventh or a diminished chord does not go where it leads."""
    cadence: float = 1.0
    """Times the worth of the last two chords of a phrase, −1 … 1.5; doubled at the end of the piece."""
    late_change: float = 0.7
    """Taken where a chord that began on the weak half is held over the bar line."""
    fresh_bar: float = 0.15
    """Given where the harmony changes with the bar."""
    held: float = 0.2
    """Taken for each half bar that a chord is held beyond the fourth."""
    out_of_key: float = 0.35
    """Taken for a chord that holds notes outside the mode."""
    motion: float = 0.8
    """Per change, times the dial −1 … 1."""
    colour: float = 1.0
    """Per seventh or chromatic chord, times the dial −1 … 1."""


def agreement(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights) -> Floats:
    """The chord holds the melody."""
    rows = np.arange(len(chords_T))
    share_T = (task.heard.weights_TP @ HOLDS_AP.T)[rows, chords_T]
    is_sounding_T = task.heard.weights_TP.sum(axis=1) > 0
    accented_T = task.heard.accented_TP.sum(axis=1) > 0
    clashes_T = accented_T & ((task.heard.accented_TP @ HOLDS_AP.T)[rows, chords_T] == 0)
    reward_T: Floats = weights.agreement * (share_T - 0.5) * is_sounding_T - weights.accented_clash * clashes_T
    return reward_T


def progression(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights) -> Floats:
    """Roots move as functional harmony moves, and dissonant chords resolve."""
    reward_T = np.zeros(len(chords_T))
    steps_AA, resolves_AA = _progressions()
    before, after = chords_T[:-1], chords_T[1:]
    reward_T[1:] = weights.progression * steps_AA[before, after] - weights.unresolved * ~resolves_AA[before, after]
    return reward_T


def cadence(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights) -> Floats:
    """Phrases end on the tonic, best after the dominant, or half-way on the dominant."""
    reward_T = np.zeros(len(chords_T))
    tonics = tonic_triads(task.melody.mode)
    dominants = (NUMBERS[Chord(7, "major")], NUMBERS[Chord(7, "seventh")])
    for end in np.flatnonzero(task.heard.is_phrase_end_T):
        chord, start = chords_T[end], end
        while start and chords_T[start - 1] == chord:
            start -= 1
        after_dominant = start > 0 and chords_T[start - 1] in (*dominants, NUMBERS[Chord(11, "diminished")])
        worth = 0.5 + after_dominant if chord in tonics else 0.5 if chord == dominants[0] else -1.0 * IS_COLOURED_A[chord]
        reward_T[end] += weights.cadence * worth * (2.0 if end == len(chords_T) - 1 else 1.0)
    return reward_T


def harmonic_rhythm(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights) -> Floats:
    """Chords change with the bar rather than within it, and not too seldom."""
    reward_T = np.zeros(len(chords_T))
    held = 1
    for number in range(1, len(chords_T)):
        is_change, is_strong = chords_T[number] != chords_T[number - 1], task.cut[number].is_strong
        began_weak = held == 1 and not task.cut[number - 1].is_strong and number > 1
        held = 1 if is_change else held + 1
        reward_T[number] += weights.fresh_bar * (is_change and is_strong)
        reward_T[number] -= weights.late_change * (not is_change and is_strong and began_weak)
        reward_T[number] -= weights.held * (held > 4)
        reward_T[number] += weights.motion * dials[0] * is_change
    return reward_T


def colour(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights) -> Floats:
    """Chords stay in the key, and are as plain or as coloured as asked."""
    is_outside_T = ~is_diatonic(task.melody.mode)[chords_T]
    is_coloured_T = IS_COLOURED_A[chords_T] | is_outside_T
    reward_T: Floats = weights.colour * dials[1] * is_coloured_T - weights.out_of_key * is_outside_T
    return reward_T


Rule = Callable[[Task, Whole, Floats, ChordWeights], Floats]
RULES: dict[str, Rule] = {
    "agreement": agreement,
    "progression": progression,
    "cadence": cadence,
    "harmonic rhythm": harmonic_rhythm,
    "colour": colour,
}


def reward(task: Task, chords_T: Whole, dials: Floats, weights: ChordWeights | None = None) -> Floats:
    """Sum of all rules per half bar, T."""
    weights = weights or ChordWeights()
    total_T: Floats = sum((rule(task, chords_T, dials, weights) for rule in RULES.values()), np.zeros(len(chords_T)))
    return total_T


_STEPS = {5: 1.0, 9: 0.4, 8: 0.4, 2: 0.3, 7: 0.2, 10: -0.3, 1: 0.2, 4: -0.2, 3: -0.2, 11: 0.0, 6: -0.4}
"""Worth of a root that moves up by so many semitones: falling fifths lead, falling seconds and rising thirds drift."""


@cache
def _progressions() -> tuple[Floats, NDArray[np.bool_]]:
    """Worth of each step, and whether it leaves a dissonant chord as it should, AA (from, to)."""
    steps_AA, resolves_AA = np.zeros((COUNT, COUNT)), np.ones((COUNT, COUNT), dtype=bool)
    for one, before in enumerate(CHORDS):
        for two, after in enumerate(CHORDS):
            up = (after.root - before.root) % 12
            steps_AA[one, two] = _STEPS.get(up, 0.0)
            if before.root == 7 and before.quality in ("major", "seventh") and after.root in (5, 2):
                steps_AA[one, two] = -1.0
            if before.quality == "seventh":
                resolves_AA[one, two] = up in (0, 5, 2, 1)
            elif before.quality in ("diminished", "half diminished", "diminished seventh"):
                # vii° → I; ii° and iiø7 are minor's subdominants and go to V.
                resolves_AA[one, two] = up in (0, 1, 5, 8)
    return steps_AA, resolves_AA
