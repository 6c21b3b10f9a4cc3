"""What a melody is worth: rules, structure, human bands, wishes, taste; in nats. Before: tokens. After: policy_training.

Each rule gives a reward per note, credited to the note that earned it. Shapes: N notes, F features of `music.features`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody

Reward = NDArray[np.float64]
STEP_TICKS = 12
"""A sixteenth: rules of the Sequence Tutor count in it."""
MOTIF_TICKS = 96
LEAP_SEMITONES = 7
PATIENT_STEPS = 6
"""A leap back resolves a leap only after more sixteenths than this."""
BANDED = (
    "notes_per_quarter_over_4",
    "range_over_36_semitones",
    "mean_interval_over_8_semitones",
    "share_of_repeated_pitches",
    "share_of_steps",
    "share_of_thirds",
    "share_of_leaps",
    "share_of_turns",
    "share_of_syncopated_notes",
    "share_of_dotted_notes",
    "share_of_triplet_notes",
    "rest_time_share",
    "pitch_class_entropy_over_log2_12",
    "duration_entropy_over_3_bits",
    "share_of_bars_with_repeated_rhythm",
    "share_of_repeated_bars",
    "share_of_bars_repeated_with_changed_ending",
    "place_of_highest_note",
)
"""Features that should lie where people's do."""
SHORT_BARS = 4
WORN = 3
"""A bar's first half that was heard so often before tires the ear."""
FEWEST_BANDED_BARS = 5
"""Shorter pieces are no tunes: the bands of whole tunes say nothing about them."""
STEERED = {
    "density": "notes_per_quarter_over_4",
    "leaps": "share_of_leaps",
    "syncopation": "share_of_syncopated_notes",
}
"""Graded wishes and the feature that fulfils them; brightness is the mean pitch within the asked range."""
WIDEST_WISH = {"density": 0.6, "leaps": 0.35, "syncopation": 0.25}
"""What a wish of 1 asks of its feature; a wish of 0 asks for the least that people do."""


@dataclass(frozen=True, kw_only=True)
class RuleWeights:
    """What each rule is worth, in nats: a piece e times as likely is worth 1."""

    repeated_motif_step: float = 1.6
    """Per sixteenth inside half a bar that came before."""
    repeated_steps_paid_per_bar: float = 3.5
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
    motif_step: float = 0.12
    """Per sixteenth of the last half bar that holds three pitches or more."""
    unique_highest: float = 5.0
    unique_lowest: float = 5.0
    """At the end; pieces above four bars are paid less for the lowest, which people repeat."""
    open_leap: float = -3.0
    """While a leap of a fifth or more waits for its resolution; given back when it comes."""
    doubled_leap: float = -4.0
    question: float = 0.8
    """Per four bars that end on the second, fifth or seventh of the scale, except the last four."""
    band: float = 2.5
    """Per width of the band of people's 10th to 90th percentile that a feature lies outside, at most 2 widths each."""
    steering: float = -10.0
    """Per unit by which a graded wish is missed."""
    closeness: float = 8.0
    """Per nat that the prior finds a step likelier on average, where the wish is 1; the opposite where it is 0."""
    taste: float = 3.0
    """Times taste · standardised features at the end, within ± 4."""
    copied_note: float = -0.6
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
    """Sixteenths at which the last half bar, of three pitches or more, is one that came before."""
    reward_N = np.zeros(len(line.pitches))
    per_bar = weights.repeated_steps_paid_per_bar if line.is_short else weights.repeated_steps_paid_per_bar_of_tunes
    paid, cap = 0.0, per_bar * len(line.bars)
    for n, run in enumerate(line.repeated_ticks):
        if run < MOTIF_TICKS or distinct_pitches(line, n) < 3:
            continue
        steps = min(line.ticks[n], run - MOTIF_TICKS + STEP_TICKS) / STEP_TICKS
        steps = min(steps, cap - paid)
        paid += steps
        reward_N[n] = weights.repeated_motif_step * steps
    return reward_N


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
    """Sixteenths whose last half bar holds three pitches or more."""
    steps_N = line.ticks / STEP_TICKS
    return np.array([weights.motif_step * steps_N[n] * (distinct_pitches(line, n) >= 3) for n in range(len(line.pitches))])


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
    """One highest and one lowest note: paid as soon as it is so, taken back when it no longer is."""
    count = len(line.pitches)
    low_share = 1.0 if line.is_short else 0.2
    high_share = 1.0 if line.is_short else 0.6
    value_N = np.zeros(count)
    highest, lowest, high_count, low_count = -1, 999, 0, 0
    for n, pitch in enumerate(line.pitches):
        if pitch is not None:
            high_count = 1 if pitch > highest else high_count + (pitch == highest)
            low_count = 1 if pitch < lowest else low_count + (pitch == lowest)
            highest, lowest = max(highest, pitch), min(lowest, pitch)
        value_N[n] = weights.unique_highest * high_share * (high_count == 1) + weights.unique_lowest * low_share * (
            low_count == 1
        )
    reward_N: Reward = np.diff(value_N, prepend=0.0)
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


RULES = (repeated_motif, motif, structure, unique_extrema, leaps, question_and_answer)
"""Every rule; adding one means writing a function like these and its weight."""


def rules(line: Line, weights: RuleWeights) -> Reward:
    """Sum of all rules, N."""
    reward_N: Reward = np.sum([rule(line, weights) for rule in RULES], axis=0)
    return reward_N


@dataclass(frozen=True)
class Bands:
    """People's 10th and 90th percentile of each feature, by style; the key "" holds all styles together."""

    of_style: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    @classmethod
    def measure(cls, features_nF: NDArray[np.float64], styles_n: Sequence[str], fewest: int = 30) -> Bands:
        """The bands of a catalogue; styles with fewer tunes than `fewest` share the bands of all."""
        found: dict[str, tuple[list[float], list[float]]] = {}
        for style in ["", *sorted(set(styles_n))]:
            chosen = features_nF if style == "" else features_nF[[name == style for name in styles_n]]
            if style == "" or len(chosen) >= fewest:
                low_F, high_F = np.percentile(chosen, [10, 90], axis=0)
                found[style] = (low_F.tolist(), high_F.tolist())
        return cls(found)

    def of(self, style: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high edge of each feature, F."""
        low, high = self.of_style.get(style) or self.of_style[""]
        return np.array(low), np.array(high)


_BANDED = np.array([NAMES.index(name) for name in BANDED])


def band_miss(phi_F: NDArray[np.float64], bands: Bands, style: str) -> float:
    """How far the features lie outside people's bands: sum of widths, at most 2 each."""
    low_F, high_F = (edge[_BANDED] for edge in bands.of(style))
    width_F = np.maximum(high_F - low_F, 0.04)
    outside_F = np.maximum(low_F - phi_F[_BANDED], 0) + np.maximum(phi_F[_BANDED] - high_F, 0)
    return float(np.minimum(outside_F / width_F, 2.0).sum())


def graded(phi_F: NDArray[np.float64], melody: Melody, steering: Steering) -> dict[str, float]:
    """How much of each graded wish a melody shows, on the scale of the wish, 0 … 1."""
    shown = {wish: float(np.clip(phi_F[NAMES.index(feature)] / WIDEST_WISH[wish], 0, 1)) for wish, feature in STEERED.items()}
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    room = max(steering.highest - steering.lowest, 1)
    shown["brightness"] = float(np.clip((np.mean(pitches) - steering.lowest) / room, 0, 1)) if pitches else 0.5
    return shown


def steering_miss(phi_F: NDArray[np.float64], melody: Melody, steering: Steering) -> float:
    """By how much the graded wishes are missed in all."""
    shown = graded(phi_F, melody, steering)
    asked = {wish: getattr(steering, wish) for wish in shown}
    return float(sum(abs(shown[wish] - value) for wish, value in asked.items() if value is not None))


class CatalogueIndex:
    """Runs of notes of the catalogue, to tell a copy: intervals and lengths of any `order` notes in a row."""

    def __init__(self, melodies: Sequence[Melody], order: int = 10) -> None:
        self.order = order
        self._hashes: set[int] = set()
        for melody in melodies:
            self._hashes.update(self._grams(melody))

    def longest_shared(self, melody: Melody) -> int:
        """Notes of the longest run whose every `order` notes stand in the catalogue; below `order` counts as 0."""
        longest = run = 0
        for gram in self._grams(melody):
            run = run + 1 if gram in self._hashes else 0
            longest = max(longest, run)
        return longest + self.order - 1 if longest else 0

    def _grams(self, melody: Melody) -> list[int]:
        notes = [note for note in melody.notes if note.pitch is not None]
        steps = [
            ((after.pitch or 0) - (before.pitch or 0), after.quarters.numerator, after.quarters.denominator)
            for before, after in pairwise(notes)
        ]
        # Python's hash of whole numbers is the same in every process, unlike that of texts.
        return [hash(tuple(steps[start : start + self.order - 1])) for start in range(len(steps) - self.order + 2)]


@dataclass(frozen=True)
class Judge:
    """Gives every note of a finished piece its reward."""

    weights: RuleWeights
    bands: Bands
    catalogue: CatalogueIndex | None = None

    def rewards(
        self, melody: Melody, steering: Steering, taste_D: NDArray[np.float64] | None, *, log_prior_per_step: float = 0.0
    ) -> Reward:
        """Rewards per note, N; what concerns the whole piece is credited to the last note."""
        line = Line(melody)
        reward_N = rules(line, self.weights)
        phi_F = features(melody)
        reward_N[-1] += self.weights.steering * steering_miss(phi_F, melody, steering)
        if steering.bars >= FEWEST_BANDED_BARS:
            reward_N[-1] -= self.weights.band * band_miss(phi_F, self.bands, steering.style)
        if steering.closeness is not None:
            reward_N[-1] += self.weights.closeness * (2 * steering.closeness - 1) * log_prior_per_step
        if taste_D is not None:
            reward_N[-1] += self.weights.taste * taste_liking(phi_F, taste_D)
        if self.catalogue is not None:
            beyond = self.catalogue.longest_shared(melody) - self.weights.longest_shared_notes
            reward_N[-1] += self.weights.copied_note * max(0, beyond)
        return reward_N


def taste_liking(phi_F: NDArray[np.float64], taste_D: NDArray[np.float64]) -> float:
    """How much a listener with these weights likes these features, within ± 4."""
    from recsys.taste_answers import standardise

    return float(np.clip(standardise(phi_F) @ taste_D, -4.0, 4.0))
