"""What a melody is worth by rules of melody and structure, in nats. Before: line.py. After: judging.py, the learner.

Each rule gives a reward per note, credited to the note that earned it. Shapes: N notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.forms import BACKS, WHOLE
from composer.line import Events, Line

Reward = NDArray[np.float64]
STEP_TICKS = 12
"""A sixteenth: rules of the Sequence Tutor count in it."""
MOTIF_TICKS = 96
APPROACH_TICKS = 24
"""Shorter runs are everywhere and say nothing."""
LEAP_SEMITONES = 7
THIRD_SEMITONES = 4
PATIENT_STEPS = 6
"""A leap back resolves a leap only after more sixteenths than this."""
WORN = 3
"""A bar's first half that was heard so often before tires the ear."""
MOTIF_PITCHES = 3
"""Fewer pitches in half a bar are no motif."""


@dataclass(frozen=True, kw_only=True)
class RuleWeights:
    """What each rule is worth, in nats: a piece e times as likely is worth 1."""

    repeated_motif_step: float = 1.8
    """Per sixteenth inside half a bar that came before."""
    approach_step: float = 0.4
    """Per sixteenth of a run towards that half bar, lent until it is complete or broken: the way there is seen at once."""
    repeated_steps_paid_per_bar: float = 4.0
    """More earns nothing: the optimum would be one cell again and again."""
    worn_beginning: float = -3.0
    """Per bar whose first half was heard three times before."""
    changed_ending: float = 3.0
    """Per bar that begins like an earlier one and ends otherwise."""
    exact_bar: float = 0.8
    """Per bar that repeats an earlier one: worth less than a changed ending."""
    motif_step: float = 0.25
    """Per sixteenth of the last half bar that holds three pitches or more."""
    unique_highest: float = 8.0
    unique_lowest: float = 8.0
    """At the end of pieces of up to four bars."""
    open_leap: float = -7.0
    """While a leap of a fifth or more waits for its resolution; given back when it comes."""
    doubled_leap: float = -4.0
    question: float = 0.8
    """Where the fourth of eight bars ends on the second, fifth or seventh of the scale."""
    returns_unasked: float = -2.5
    """Per bar of a tune that is an earlier one again though its form asks for a new one; without a form, per bar that is the
    one just heard, as one of fifty is. Lent while it is on the way."""
    leapt_ending: float = -4.0
    """Where the last note of a phrase is reached by more than a third; one lowest note invites to it."""
    leapt_ending_of_tune: float = -6.5
    """The same of a tune, as in one of people's twenty."""
    band: float = 10.0
    """Per width of people's band (`bands.EDGES`) that a figure lies outside, as `bands.band_misses` counts."""
    band_of_tasted: float = 5.0
    """The same where a taste is heard, which may ask for the unusual; a figure that a wish moves costs nothing."""
    steering: float = -10.0
    """Per unit by which a graded wish is missed."""
    copied_note: float = -1.2
    """Per note beyond `longest_shared_notes` of the longest run that a tune of the catalogue has too."""
    longest_shared_notes: int = 14


def repeated_motif(line: Line, weights: RuleWeights) -> Reward:
    """Sixteenths at which the last half bar, of three pitches or more, is one that came before. Tunes would be one bar three
    times and then another one; where theirs come back says `form`."""
    reward_N = np.zeros(len(line.pitches))
    if not line.is_short:
        return reward_N
    paid, cap = 0.0, weights.repeated_steps_paid_per_bar * len(line.bars)
    for n, run in enumerate(line.repeated_ticks):
        if run < MOTIF_TICKS or distinct_pitches(line, n) < MOTIF_PITCHES:
            continue
        steps = min(line.ticks[n], run - MOTIF_TICKS + STEP_TICKS) / STEP_TICKS
        steps = min(steps, cap - paid)
        paid += steps
        reward_N[n] = weights.repeated_motif_step * steps
    lent_N = weights.approach_step * np.clip(line.repeated_ticks - APPROACH_TICKS, 0, MOTIF_TICKS - APPROACH_TICKS) / STEP_TICKS
    lent_N[-1] = 0.0
    return reward_N + np.diff(lent_N, prepend=0.0)


def distinct_pitches(line: Line, last: int) -> int:
    """Different pitches among the notes that begin in the half bar of 4/4 that ends with this note."""
    since = line.starts[last] + line.ticks[last] - MOTIF_TICKS
    found = set()
    n = last
    while n >= 0 and line.starts[n] >= since:
        found.add(line.pitches[n])
        n -= 1
    return len(found - {None})


def motif(line: Line, weights: RuleWeights) -> Reward:
    """Sixteenths whose last half bar holds three pitches or more. In tunes it would pay for running eighths in styles that
    go in quarter notes."""
    if not line.is_short:
        return np.zeros(len(line.pitches))
    steps_N = line.ticks / STEP_TICKS
    return np.array(
        [weights.motif_step * steps_N[n] * (distinct_pitches(line, n) >= MOTIF_PITCHES) for n in range(len(line.pitches))]
    )


def structure(line: Line, weights: RuleWeights) -> Reward:
    """Bars of a phrase that come again: a changed ending is worth more than a copy, a third copy nothing."""
    reward_N = np.zeros(len(line.pitches))
    seen: Counter[Events] = Counter()
    begun: set[Events] = set()
    for bar, whole, beginning in zip(line.bars, line.whole_bars, line.beginnings, strict=True):
        if len(bar) < 2 or not line.is_short:
            continue
        if whole in seen:
            reward_N[bar[-1]] += weights.exact_bar * (seen[whole] == 1)
        elif len(beginning) > 1 and beginning in begun:
            reward_N[bar[-1]] += weights.changed_ending
        seen[whole] += 1
        begun.add(beginning)
    return reward_N


def worn_beginnings(line: Line, weights: RuleWeights) -> Reward:
    """A bar's first half that was heard too often costs."""
    reward_N = np.zeros(len(line.pitches))
    heard: Counter[Events] = Counter()
    for bar, beginning in zip(line.bars, line.beginnings, strict=True):
        if len(bar) > 1:
            reward_N[bar[-1]] += weights.worn_beginning * (heard[beginning] >= WORN)
            heard[beginning] += 1
    return reward_N


def form(line: Line, weights: RuleWeights) -> Reward:
    """Bars of a tune that come back though its form asks for something new cost; where no form was asked for, a bar that is
    heard twice in a row does."""
    reward_N = np.zeros(len(line.pitches))
    for number, bar in enumerate(line.bars):
        if len(bar) < 2 or line.is_short or line.form[number : number + 1] in tuple(WHOLE):
            continue
        lent_n = np.zeros(len(bar))
        for back in BACKS if line.form else BACKS[:1]:
            if back <= number:
                lent_n = np.maximum(lent_n, line.copied_share(number, number - back))
        reward_N[bar.start : bar.stop] += weights.returns_unasked * np.diff(lent_n, prepend=0.0)
    return reward_N


def unique_extrema(line: Line, weights: RuleWeights) -> Reward:
    """One highest and one lowest note: the more is paid, and taken back when it is no longer so, the later it is. Tunes would
    buy them with a wider range than people's; three of ten of people's have them."""
    if not line.is_short:
        return np.zeros(len(line.pitches))
    value_N = np.zeros(len(line.pitches))
    highest, lowest, high_count, low_count = -1, 999, 0, 0
    for n, pitch in enumerate(line.pitches):
        if pitch is not None:
            high_count = 1 if pitch > highest else high_count + (pitch == highest)
            low_count = 1 if pitch < lowest else low_count + (pitch == lowest)
            highest, lowest = max(highest, pitch), min(lowest, pitch)
        value_N[n] = weights.unique_highest * (high_count == 1) + weights.unique_lowest * (low_count == 1)
    # Early on it says little: as a potential that grows with the piece, it is the same at the end and less noise before.
    reward_N: Reward = np.diff(value_N * (line.starts + line.ticks) / line.ticks.sum(), prepend=0.0)
    return reward_N


@dataclass(frozen=True, kw_only=True)
class Leaps:
    """What became of the leaps of a melody."""

    resolved: int
    doubled: int
    is_open_N: NDArray[np.bool_]
    is_doubled_N: NDArray[np.bool_]


def leaps_of(line: Line) -> Leaps:
    """Follows every leap of a fifth or more to its resolution: stepwise to or past the note left, or by a late leap back."""
    count = len(line.pitches)
    is_open_N, is_doubled_N = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    direction, left, resolved = 0, 0, 0
    before: int | None = None
    since = 0
    for n, pitch in enumerate(line.pitches):
        if pitch is not None and before is not None:
            interval = pitch - before
            if abs(interval) >= LEAP_SEMITONES:
                steps = (line.starts[n] - since) / STEP_TICKS
                if direction == 0:
                    direction, left = (1 if interval > 0 else -1), before
                elif direction * interval > 0:
                    is_doubled_N[n] = True
                else:
                    resolved += steps > PATIENT_STEPS
                    direction = 0
                since = int(line.starts[n])
            elif direction and direction * (pitch - left) <= 0:
                resolved += 1
                direction = 0
        before = before if pitch is None else pitch
        is_open_N[n] = direction != 0
    return Leaps(resolved=int(resolved), doubled=int(is_doubled_N.sum()), is_open_N=is_open_N, is_doubled_N=is_doubled_N)


def leaps(line: Line, weights: RuleWeights) -> Reward:
    """Leaps left open or doubled cost."""
    found = leaps_of(line)
    reward_N: Reward = np.diff(found.is_open_N * weights.open_leap, prepend=0.0) + found.is_doubled_N * weights.doubled_leap
    return reward_N


def question_and_answer(line: Line, weights: RuleWeights) -> Reward:
    """The fourth of eight bars ends like a question: on the second, fifth or seventh of the scale. The eighth one answers:
    seven to nine of ten dance tunes are back on the tonic there."""
    reward_N = np.zeros(len(line.pitches))
    for last_bar in range(3, len(line.bars) - 1, 8):
        bar = line.bars[last_bar]
        if len(bar) and (pitch := line.pitches[bar[-1]]) is not None:
            reward_N[bar[-1]] = weights.question * ((pitch - line.melody.tonic) % 12 in (2, 7, 11, 10))
    return reward_N


def cadence(line: Line, weights: RuleWeights) -> Reward:
    """The last note is that of the note before, or a step or a third from it."""
    reward_N = np.zeros(len(line.pitches))
    sounding = [pitch for pitch in line.pitches if pitch is not None]
    if len(sounding) > 1 and abs(sounding[-1] - sounding[-2]) > THIRD_SEMITONES:
        reward_N[-1] = weights.leapt_ending if line.is_short else weights.leapt_ending_of_tune
    return reward_N


RULES = (
    repeated_motif,
    motif,
    structure,
    worn_beginnings,
    form,
    unique_extrema,
    leaps,
    question_and_answer,
    cadence,
)
"""Every rule; adding one means writing a function like these and its weight."""


def rules(line: Line, weights: RuleWeights) -> Reward:
    """Sum of all rules, N."""
    reward_N: Reward = np.sum([rule(line, weights) for rule in RULES], axis=0)
    return reward_N
