"""What is measured of a melody: single figures and profiles. Before: music/features.py, rewards.py. After: comparison.py.

Pure functions of melodies. Shapes: n melodies, k classes of a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from composer.line import Line
from composer.rewards import RuleWeights, leaps_of, rules
from music.counted import Counted
from music.features import NAMES, features
from music.keys import SCALE_STEPS, pitch_class_profile
from music.notes import Melody

Floats = NDArray[np.float64]
SIXTEENTHS_PER_QUARTER = 4
WIDEST_INTERVAL = 12
DURATIONS = tuple(Fraction(text) for text in ("1/4", "1/3", "1/2", "2/3", "3/4", "1", "3/2", "2", "3", "4"))
"""Quarter notes; what lasts otherwise is counted as other."""


def pitch_class_entropy(melody: Melody) -> float:
    """Bits of the histogram of pitch classes, over notes: 0 for one class, log₂ 12 for all alike (Wu and Yang 2020, H)."""
    return _bits(np.bincount(_pitches(melody) % 12, minlength=12))


def scale_consistency(melody: Melody) -> float:
    """Share of the notes in the major or minor scale that holds most of them (Mogren 2016, arXiv 1611.09904)."""
    classes = _pitches(melody) % 12
    scales = [sorted(SCALE_STEPS[mode]) for mode in ("major", "minor")]
    return max(float(np.isin((classes - root) % 12, scale).mean()) for scale in scales for root in range(12))


def groove_consistency(melody: Melody) -> float:
    """1 less the share of sixteenths at which a bar and the next one differ in whether a note begins (Wu and Yang 2020, GS)."""
    counted = Counted.of(melody)
    is_inside_N = counted.sounds_N & (counted.bar_N >= 0)
    bar_N, place_N = counted.bar_N[is_inside_N], counted.place_N[is_inside_N]
    bars: list[set[int]] = [set() for _ in range(int(bar_N.max(initial=0)) + 1)]
    for bar, place in zip(bar_N.tolist(), place_N.tolist(), strict=True):
        bars[bar].add(SIXTEENTHS_PER_QUARTER * place // counted.per_quarter)
    differing = [len(one ^ other) for one, other in pairwise(bars)]
    # Of two bars the longer one has places for the onsets of both.
    places = [max(lengths) for lengths in pairwise(counted.length_M[: len(bars)].tolist())]
    sixteenths = SIXTEENTHS_PER_QUARTER * sum(places) / counted.per_quarter
    return 1 - sum(differing) / sixteenths if differing else 1.0


def interval_profile(melody: Melody) -> Floats:
    """How many intervals of −12 … +12 semitones, wider ones at the ends; 25 counts."""
    steps = np.clip(np.diff(_pitches(melody)), -WIDEST_INTERVAL, WIDEST_INTERVAL) + WIDEST_INTERVAL
    return np.bincount(steps, minlength=2 * WIDEST_INTERVAL + 1).astype(np.float64)


def duration_profile(melody: Melody) -> Floats:
    """How many notes of each of DURATIONS, and of others; 11 counts."""
    counts = np.zeros(len(DURATIONS) + 1)
    for note in melody.notes:
        if note.pitch is not None:
            counts[DURATIONS.index(note.quarters) if note.quarters in DURATIONS else -1] += 1
    return counts


def opening_again(melody: Melody) -> float:
    """Of the first and second bar of each eight, the share that the fifth and sixth repeat: a b c d a b …; nan below five
    bars."""
    bars = Counted.of(melody).bars()
    return _share([bars[number] == bars[number - 4] for number in range(4, len(bars)) if number % 8 in (4, 5)])


def ending_again(melody: Melody) -> float:
    """Of the sixth and seventh bar of each eight, the share that was heard eight bars before: two parts that end alike; nan
    below fourteen bars."""
    bars = Counted.of(melody).bars()
    return _share([bars[number] == bars[number - 8] for number in range(8, len(bars)) if number % 8 in (5, 6)])


def degree_profile(melody: Melody) -> Floats:
    """Share of the sounding time of each pitch class, counted from the tonic; 12 shares."""
    return np.roll(pitch_class_profile(melody.notes), -melody.tonic)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a melody."""

    title: str
    of: Callable[[Melody, Floats], float]
    """Of the melody and its φ (`music.features`), which many measures read."""
    is_rule: bool = False
    """A statistic of the rules of melody: the composer is asked for more of it than people do, so no band is aimed at."""


def _feature(name: str, times: float = 1.0) -> Callable[[Melody, Floats], float]:
    place = NAMES.index(name)
    return lambda _, phi_F: float(phi_F[place]) * times


def _open_leaps(melody: Melody, _: Floats) -> float:
    found = leaps_of(Line(melody))
    return float(found.is_open_N[-1]) + found.doubled


def _one_highest(melody: Melody, _: Floats) -> float:
    pitches = _pitches(melody)
    return float((pitches == pitches.max()).sum() == 1)


def _rules_per_bar(melody: Melody, _: Floats) -> float:
    line = Line(melody)
    return float(rules(line, RuleWeights()).sum()) / len(line.bars)


MEASURES: Mapping[str, Measure] = {
    "pitch_class_entropy": Measure(title="pitch-class entropy, bits", of=lambda melody, _: pitch_class_entropy(melody)),
    "scale_consistency": Measure(title="notes in one scale", of=lambda melody, _: scale_consistency(melody)),
    "groove_consistency": Measure(title="rhythm alike from bar to bar", of=lambda melody, _: groove_consistency(melody)),
    "repeated_bars": Measure(title="bars repeated exactly", of=_feature("share_of_repeated_bars")),
    "changed_endings": Measure(
        title="bars repeated with a changed ending", of=_feature("share_of_bars_repeated_with_changed_ending")
    ),
    "repeated_rhythms": Measure(title="bars whose rhythm came before", of=_feature("share_of_bars_with_repeated_rhythm")),
    "notes_per_quarter": Measure(title="notes per quarter", of=_feature("notes_per_quarter_over_4", 4)),
    "range_semitones": Measure(title="range, semitones", of=lambda melody, _: float(np.ptp(_pitches(melody)))),
    "mean_interval": Measure(
        title="mean interval, semitones", of=lambda melody, _: float(np.abs(np.diff(_pitches(melody))).mean())
    ),
    "steps": Measure(title="steps among the intervals", of=_feature("share_of_steps")),
    "leaps": Measure(title="leaps of a fourth or more", of=_feature("share_of_leaps")),
    "turns": Measure(title="changes of direction", of=_feature("share_of_turns")),
    "syncopation": Measure(title="syncopated notes", of=_feature("share_of_syncopated_notes")),
    "leaps_unresolved": Measure(title="leaps left open or doubled", of=_open_leaps, is_rule=True),
    "unique_highest": Measure(title="one highest note", of=_one_highest, is_rule=True),
    "rules_per_bar": Measure(title="worth by the rules of melody, nats per bar", of=_rules_per_bar, is_rule=True),
}
"""By name; each is defined for a melody of two notes and a bar."""
BANDED = tuple(name for name, each in MEASURES.items() if not each.is_rule)
"""Those in which pieces should be like people's."""


@dataclass(frozen=True, kw_only=True)
class FormMeasure:
    """How often bars come again where they do in two parts of eight."""

    title: str
    of: Callable[[Melody], float]
    """nan where the melody is too short to say."""


FORM: Mapping[str, FormMeasure] = {
    "opening_comes_again_after_four_bars": FormMeasure(title="openings that come again after four bars", of=opening_again),
    "ending_comes_again_after_eight_bars": FormMeasure(title="ends of a second part that are the first’s", of=ending_again),
}
"""Told as a mean over a group: a piece has too few such bars for a band."""


@dataclass(frozen=True, kw_only=True)
class ProfileMeasure:
    """One histogram of a melody."""

    title: str
    labels: tuple[str, ...]
    of: Callable[[Melody], Floats]


PROFILES: Mapping[str, ProfileMeasure] = {
    "intervals": ProfileMeasure(
        title="intervals, semitones",
        labels=tuple(f"{step:+d}" for step in range(-WIDEST_INTERVAL, WIDEST_INTERVAL + 1)),
        of=interval_profile,
    ),
    "durations": ProfileMeasure(
        title="note lengths, quarters", labels=(*(str(length) for length in DURATIONS), "other"), of=duration_profile
    ),
    "degrees": ProfileMeasure(
        title="time on each degree",
        labels=("1", "♭2", "2", "♭3", "3", "4", "♯4", "5", "♭6", "6", "♭7", "7"),
        of=degree_profile,
    ),
}


def measure(melody: Melody) -> dict[str, float]:
    """Every measure of one melody."""
    phi_F = features(melody)
    return {name: each.of(melody, phi_F) for name, each in MEASURES.items()}


@dataclass(frozen=True)
class Measured:
    """Melodies with their figures."""

    styles: tuple[str, ...]
    values: Mapping[str, Floats]
    """Measure → n."""
    profiles: Mapping[str, Floats]
    """Profile → nk."""

    @classmethod
    def of(cls, melodies: Sequence[Melody], styles: Sequence[str]) -> Measured:
        """Measures the melodies, of which there must be one at least."""
        rows = [measure(melody) for melody in melodies]
        values = {name: np.array([row[name] for row in rows]) for name in MEASURES}
        profiles = {name: np.stack([each.of(melody) for melody in melodies]) for name, each in PROFILES.items()}
        return cls(tuple(styles), values, profiles)

    def at(self, rows: NDArray[np.int64]) -> Measured:
        """Those melodies alone."""
        styles = tuple(self.styles[row] for row in rows)
        values = {name: values_n[rows] for name, values_n in self.values.items()}
        return Measured(styles, values, {name: profile_nk[rows] for name, profile_nk in self.profiles.items()})

    def __len__(self) -> int:
        return len(self.styles)


def form_of(melodies: Sequence[Melody]) -> dict[str, float]:
    """Mean of each of FORM over the melodies that are long enough; a measure without any is left out."""
    found = {name: np.array([each.of(melody) for melody in melodies]) for name, each in FORM.items()}
    return {name: float(np.nanmean(share_n)) for name, share_n in found.items() if np.isfinite(share_n).any()}


def distinct_share(melodies: Sequence[Melody]) -> float:
    """Share of melodies that differ from each other, in any key."""
    return len({melody.content_hash() for melody in melodies}) / len(melodies)


def _share(found: list[bool]) -> float:
    return float(np.mean(found)) if found else float("nan")


def _pitches(melody: Melody) -> NDArray[np.int64]:
    return np.array([note.pitch for note in melody.notes if note.pitch is not None], dtype=np.int64)


def _bits(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
