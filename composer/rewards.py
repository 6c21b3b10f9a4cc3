"""What a melody is worth by rules of melody and structure, in nats. Before: tokens. After: judging.py, the learner.

Each rule gives a reward per note, credited to the note that earned it. Shapes: N notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

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
SHORT_BARS = 4
WORN = 3
"""A bar's first half that was heard so often before tires the ear."""
MOTIF_PITCHES, MOTIF_PITCHES_OF_TUNES = 3, 2
"""Fewer pitches in half a bar are no motif; tunes in quarter notes have two at most."""


@dataclass(frozen=True, kw_only=True)
class RuleWeights:
    """What each rule is worth, in nats: a piece e times as likely is worth 1."""

    repeated_motif_step: float = 1.8
    """Per sixteenth inside half a bar that came before."""
    approach_step: float = 0.4
    """Per sixteenth of a run towards that half bar, lent until it is complete or broken: the way there is seen at once."""
    repeated_steps_paid_per_bar: float = 4.0
    """In pieces of up to four bars; more earns nothing: the optimum would be one cell again and again."""
    repeated_steps_paid_per_bar_of_tunes: float = 1.5
    """The same in longer pieces, where people repeat less densely."""
    paid_repeats_per_bar: float = 0.2
    """Changed endings, and as many copies, that are paid in pieces above four bars: more would be more than people do."""
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
    """Per four bars that end on the second, fifth or seventh of the scale, except the last four."""
    opening_again: float = 1.5
    """Per fifth and sixth bar of eight that is the first and second again, as in two of three dance tunes: a b c d a b …"""
    leapt_ending: float = -4.0
    """Where the last note is reached by more than a third, as it is in one of twenty tunes; one lowest note invites to it."""
    band: float = 10.0
    """Per width of the band of people's 10th to 90th percentile that a figure lies outside, as `bands.band_misses` counts."""
    band_of_tasted: float = 5.0
    """The same where a taste is heard, which may ask for the unusual; a figure that a wish moves costs nothing."""
    steering: float = -10.0
    """Per unit by which a graded wish is missed."""
    copied_note: float = -1.2
    """Per note beyond `longest_shared_notes` of the longest run that a tune of the catalogue has too."""
    longest_shared_notes: int = 14


@dataclass(frozen=True)
class Line:
    """A finished melody as the rules read it."""

    melody: Melody

    @cached_property
    def pitches(self) -> list[int | None]:
        """MIDI pitches; None is a rest."""
        return [note.pitch for note in self.melody.notes]

    @cached_property
    def ticks(self) -> NDArray[np.int64]:
        """Length of each note, N."""
        return np.array([round(note.quarters * 48) for note in self.melody.notes], dtype=np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Tick of each note's beginning, N."""
        return np.cumsum(self.ticks) - self.ticks

    @property
    def bar_ticks(self) -> int:
        """Length of a bar."""
        return round(self.melody.bar_quarters * 48)

    @cached_property
    def bars(self) -> list[range]:
        """The notes that begin in each bar."""
        number_N = self.starts // self.bar_ticks
        edges = np.searchsorted(number_N, np.arange(int(number_N[-1]) + 2))
        return [range(int(low), int(high)) for low, high in pairwise(edges)]

    @property
    def is_short(self) -> bool:
        """Up to four bars: a phrase, not a tune."""
        return len(self.bars) <= SHORT_BARS

    def events(self, notes: Sequence[int]) -> tuple[tuple[int | None, int], ...]:
        """Pitch and length of some notes, to compare."""
        return tuple((self.pitches[n], int(self.ticks[n])) for n in notes)

    @cached_property
    def repeated_ticks(self) -> NDArray[np.int64]:
        """For each note, how long the run of notes ending with it is that came before in the same way, N."""
        count = len(self.pitches)
        events = self.events(range(count))
        longest_N = np.zeros(count, dtype=np.int64)
        before = np.zeros(count, dtype=np.int64)
        for t in range(1, count):
            now = np.zeros(count, dtype=np.int64)
            for j in range(t):
                if events[j] == events[t]:
                    now[j] = (before[j - 1] if j else 0) + self.ticks[t]
            longest_N[t] = now.max()
            before = now
        return longest_N


def repeated_motif(line: Line, weights: RuleWeights) -> Reward:
    """Sixteenths at which the last half bar, of three pitches or more (in tunes two), is one that came before."""
    reward_N = np.zeros(len(line.pitches))
    fewest = MOTIF_PITCHES if line.is_short else MOTIF_PITCHES_OF_TUNES
    per_bar = weights.repeated_steps_paid_per_bar if line.is_short else weights.repeated_steps_paid_per_bar_of_tunes
    paid, cap = 0.0, per_bar * len(line.bars)
    for n, run in enumerate(line.repeated_ticks):
        if run < MOTIF_TICKS or distinct_pitches(line, n) < fewest:
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
    """Bars that come again: a changed ending is worth more than a copy, a third copy nothing, a worn beginning costs."""
    reward_N = np.zeros(len(line.pitches))
    seen: dict[Any, int] = {}
    beginnings: dict[Any, int] = {}
    most = len(line.bars) if line.is_short else max(1, round(weights.paid_repeats_per_bar * len(line.bars)))
    copies = changed = 0
    for bar in line.bars:
        if len(bar) < 2:
            continue
        whole = line.events(bar)
        half = [n for n in bar if line.starts[n] % line.bar_ticks < line.bar_ticks / 2]
        beginning = line.events(half)
        if whole in seen:
            copies += seen[whole] == 1
            reward_N[bar[-1]] += weights.exact_bar * (seen[whole] == 1 and copies <= most)
        elif len(half) > 1 and beginning in beginnings:
            changed += 1
            reward_N[bar[-1]] += weights.changed_ending * (changed <= most)
        reward_N[bar[-1]] += weights.worn_beginning * (beginnings.get(beginning, 0) >= WORN)
        seen[whole] = seen.get(whole, 0) + 1
        beginnings[beginning] = beginnings.get(beginning, 0) + 1
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
    """Every four bars but the last end like a question: on the second, fifth or seventh of the scale."""
    reward_N = np.zeros(len(line.pitches))
    for last_bar in range(3, len(line.bars) - 1, 4):
        bar = line.bars[last_bar]
        if len(bar) and (pitch := line.pitches[bar[-1]]) is not None:
            reward_N[bar[-1]] = weights.question * ((pitch - line.melody.tonic) % 12 in (2, 7, 11, 10))
    return reward_N


def period(line: Line, weights: RuleWeights) -> Reward:
    """Of every eight bars the fifth and sixth begin the answer as the question began: the first and second bar again."""
    reward_N = np.zeros(len(line.pitches))
    for number, bar in enumerate(line.bars):
        if number % 8 in (4, 5) and len(bar) > 1:
            reward_N[bar[-1]] = weights.opening_again * (line.events(bar) == line.events(line.bars[number - 4]))
    return reward_N


def cadence(line: Line, weights: RuleWeights) -> Reward:
    """The last note is that of the note before, or a step or a third from it."""
    reward_N = np.zeros(len(line.pitches))
    sounding = [pitch for pitch in line.pitches if pitch is not None]
    if len(sounding) > 1 and abs(sounding[-1] - sounding[-2]) > THIRD_SEMITONES:
        reward_N[-1] = weights.leapt_ending
    return reward_N


RULES = (repeated_motif, motif, structure, unique_extrema, leaps, question_and_answer, period, cadence)
"""Every rule; adding one means writing a function like these and its weight."""


def rules(line: Line, weights: RuleWeights) -> Reward:
    """Sum of all rules, N."""
    reward_N: Reward = np.sum([rule(line, weights) for rule in RULES], axis=0)
    return reward_N
