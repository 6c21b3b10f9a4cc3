"""What a whole piece is worth: rules, people's bands, wishes, copies; in nats. Before: rewards.py. After: policy_training.

Shapes: N notes, F features of `music.features`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.copies import CatalogueIndex
from composer.rewards import Line, Reward, RuleWeights, rules
from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody

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


@dataclass(frozen=True)
class Judge:
    """Gives every note of a finished piece its reward."""

    weights: RuleWeights
    bands: Bands
    catalogue: CatalogueIndex | None = None

    def rewards(self, melody: Melody, steering: Steering, phi_F: NDArray[np.float64] | None = None) -> Reward:
        """Rewards per note, N; what concerns the whole piece (with features `phi_F`) is credited to the last note."""
        line = Line(melody)
        reward_N = rules(line, self.weights)
        phi_F = features(melody) if phi_F is None else phi_F
        reward_N[-1] += self.weights.steering * steering_miss(phi_F, melody, steering)
        if steering.bars >= FEWEST_BANDED_BARS:
            reward_N[-1] -= self.weights.band * band_miss(phi_F, self.bands, steering.style)
        if self.catalogue is not None:
            beyond = self.catalogue.longest_shared(melody) - self.weights.longest_shared_notes
            reward_N[-1] += self.weights.copied_note * max(0, beyond)
        return reward_N


def taste_liking(phi_F: NDArray[np.float64], taste_D: NDArray[np.float64]) -> float:
    """How much a listener with these weights likes these features, within ± 4."""
    from recsys.taste_answers import standardise

    return float(np.clip(standardise(phi_F) @ taste_D, -4.0, 4.0))
