"""What a whole piece is worth: rules, people's bands, wishes, copies; in nats. Before: rewards.py. After: policy_training.

Shapes: N notes, F features of `music.features`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.bands import EARLY_OF_BANDED, FEWEST_BANDED_BARS, Bands, band_misses, banded, early_figures, left_open
from composer.copies import CatalogueIndex
from composer.line import Line
from composer.rewards import Reward, RuleWeights, rules
from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody

STEERED = {
    "density": "notes_per_quarter_over_4",
    "leaps": "share_of_leaps",
    "syncopation": "share_of_syncopated_notes",
}
"""Graded wishes and the feature that fulfils them; brightness is the mean pitch within the asked range."""
WIDEST_WISH = {"density": 0.6, "leaps": 0.35, "syncopation": 0.25}
"""What a wish of 1 asks of its feature; a wish of 0 asks for the least that people do."""


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

    def _outside_bands(self, line: Line, figures_X: NDArray[np.float64], steering: Steering, *, has_taste: bool) -> Reward:
        """Less for each figure outside its band, N: at the end, but for what is told early, which is lent as a potential that
        grows with the piece and comes to the same at the end."""
        edges_2X = np.stack(self.bands.of(steering.style, steering.metre))
        price_X = (self.weights.band_of_tasted if has_taste else self.weights.band) * ~left_open(steering, line.form)
        miss_NE = np.nan_to_num(band_misses(early_figures(line), edges_2X[:, EARLY_OF_BANDED]))
        lent_N = miss_NE @ price_X[EARLY_OF_BANDED] * (line.starts + line.ticks) / line.ticks.sum()
        lent_N[-1] = 0.0
        reward_N: Reward = -np.diff(lent_N, prepend=0.0)
        reward_N[-1] -= float(band_misses(figures_X, edges_2X) @ price_X)
        return reward_N

    def rewards(
        self,
        melody: Melody,
        steering: Steering,
        phi_F: NDArray[np.float64] | None = None,
        *,
        has_taste: bool = False,
        form: str = "",
    ) -> Reward:
        """Rewards per note, N, of a piece that was asked for in this form; what concerns the whole piece (with features
        `phi_F`) is credited to the last note."""
        line = Line(melody, form)
        reward_N = rules(line, self.weights)
        phi_F = features(melody) if phi_F is None else phi_F
        reward_N[-1] += self.weights.steering * steering_miss(phi_F, melody, steering)
        if steering.bars >= FEWEST_BANDED_BARS:
            reward_N += self._outside_bands(line, banded(melody, phi_F), steering, has_taste=has_taste)
        if self.catalogue is not None:
            beyond = self.catalogue.longest_shared(melody) - self.weights.longest_shared_notes
            reward_N[-1] += self.weights.copied_note * max(0, beyond)
        return reward_N


def taste_liking(phi_F: NDArray[np.float64], taste_D: NDArray[np.float64]) -> float:
    """How much a listener with these weights likes these features, within ± 4."""
    from recsys.taste_answers import standardise

    return float(np.clip(standardise(phi_F) @ taste_D, -4.0, 4.0))
