"""What listeners ask for, made up for training. Before: the catalogue's styles, known tastes. After: policy_training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.constraints import Plan
from composer.learning.configuration import ComposerConfiguration
from composer.learning.features import LOOKBACK_HALF_BARS, Lines
from composer.learning.replay_dataset import Tune
from composer.line import SHORT_BARS
from composer.steering import GRADED, HABITS, ImpossibleSteering, Steering
from music.notes import Melody

NOTES_OF_AN_EPISODE = 72
"""Of a tune that the learner takes whole."""
TASTE_SHARE = 0.3
WISH_SHARE = 0.2
"""Share of the rollouts in which each graded wish is made."""
ASKED_SHARE = 0.2
"""Share of the phrases in any style, metre, key and range, as listeners ask for two bars."""
FORMLESS_SHARE = 0.2
"""Share of the tunes that are asked for without a form, as where bars or chords of theirs are given."""
NEW_SHARE = 0.1
"""Share of the rollouts in a metre and mode of another tune than the style's: listeners ask for what nobody wrote, too."""


class Wishes:
    """Draws steerings and tastes as listeners would have them."""

    def __init__(self, styles: Sequence[str], tunes: Sequence[Tune], configuration: ComposerConfiguration) -> None:
        self.configuration = configuration
        self.kinds = [
            (tune.style, tune.melody.metre, tune.melody.mode, _most_bars(tune.melody))
            for tune in tunes
            if 1 <= tune.melody.bar_quarters <= 8 and tune.melody.metre[1] <= 16
        ] or [(style, (4, 4), "major", 8) for style in styles[:8] or ("song",)]

    def draw(
        self, count: int, is_short: bool, generator: np.random.Generator
    ) -> tuple[list[Plan], list[NDArray[np.float64] | None]]:
        """Plans, and a taste for some of them."""
        from recsys.taste_population import population

        known = population()
        plans: list[Plan] = []
        tastes: list[NDArray[np.float64] | None] = []
        while len(plans) < count:
            try:
                plans.append(self._short(generator) if is_short else self._usual(generator))
            except ImpossibleSteering:
                continue
            has_taste = not is_short and generator.random() < TASTE_SHARE
            tastes.append(known.draw(generator) if has_taste else None)
        return plans, tastes

    def _short(self, generator: np.random.Generator) -> Plan:
        if generator.random() < ASKED_SHARE:
            return self._usual(generator, lengths=(2,))
        style = self.kinds[generator.integers(len(self.kinds))][0]
        return short_plan(style[:40])

    def _usual(self, generator: np.random.Generator, lengths: Sequence[int] = (4, 8, 16)) -> Plan:
        style, metre, mode, most_bars = self.kinds[generator.integers(len(self.kinds))]
        if generator.random() < NEW_SHARE:
            style = self.kinds[generator.integers(len(self.kinds))][0]
        wishes = {wish: float(generator.random()) for wish in GRADED if generator.random() < WISH_SHARE}
        lowest = int(generator.integers(55, 65))
        bars = min(int(generator.choice(lengths)), most_bars)
        return Plan(
            form="" if bars > SHORT_BARS and generator.random() < FORMLESS_SHARE else None,
            steering=Steering(
                style=style[:40],
                tonic=int(generator.integers(12)),
                mode=mode,
                metre=metre,
                bars=bars,
                tempo=HABITS.get(style, ((4, 4), 120.0))[1],
                lowest=lowest,
                highest=lowest + int(generator.integers(14, 28)),
                **wishes,  # type: ignore[arg-type]
            ),
        )


def _most_bars(melody: Melody) -> int:
    """How many bars like this tune's fit into an episode: 16 of a hymn, 8 of a reel."""
    notes_per_bar = len(melody.notes) / max(float(melody.quarters / melody.bar_quarters), 1.0)
    return next((bars for bars in (16, 8) if bars * notes_per_bar <= NOTES_OF_AN_EPISODE), 4)


def short_plan(style: str) -> Plan:
    """Two bars of 4/4 in C major on the sixteenths grid, from middle C: the task of the Sequence Tutor."""
    steering = Steering(style=style, tonic=0, mode="major", metre=(4, 4), bars=2, lowest=48, highest=83)
    return Plan(steering=steering, is_on_sixteenths=True, longest_ticks=72, opening=60)


class CopyGuide:
    """Makes some phrases copy what was half a bar or a bar ago for a while: found by chance, copying is too rare. Of tunes the
    form says what comes back."""

    def __init__(self, plans: Sequence[Plan], share: float, generator: np.random.Generator) -> None:
        count = len(plans)
        bar_B = np.array([plan.bar_ticks for plan in plans])
        self.is_forced_B = (generator.random(count) < share) & np.array([plan.steering.bars <= SHORT_BARS for plan in plans])
        self.source_B = generator.integers(0, 2, count)
        start_B = bar_B * np.array(LOOKBACK_HALF_BARS)[self.source_B] // 2
        # Two bars have room for one copy, and only half a bar or more is a motif that came again.
        end_B = start_B + (bar_B // 2 * generator.uniform(1.0, 1.75, count)).astype(np.int64)
        self.places_B2 = np.stack([start_B, end_B], axis=1)
        """Ticks at which copying begins and ends."""
        self._rows = np.arange(count)

    def __call__(self, lines: Lines, open_BA: NDArray[np.bool_], kind: str) -> NDArray[np.int64]:
        """The token to force, −1 where the policy chooses."""
        source_BS = lines.sources()[0 if kind == "pitch" else 1]
        wanted_B = source_BS[self._rows, self.source_B]
        is_on_B = self.is_forced_B & (lines.now_B >= self.places_B2[:, 0]) & (lines.now_B < self.places_B2[:, 1])
        size = open_BA.shape[1]
        is_open_B = is_on_B & (wanted_B < size) & open_BA[self._rows, np.minimum(wanted_B, size - 1)]
        return np.where(is_open_B, wanted_B, -1)
