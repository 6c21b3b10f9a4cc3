"""A simulated world of policies with known ingredients, under a radio. Before: simulated_radio.py. After: predicted_lift.py."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.simulated_radio import Crowd, Floats, Radio
from bench.site import START

LEARNING_LISTENERS = 60
"""Their plays make the item means; they judge nothing."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """A policy of known ingredients: what each listener likes, what everybody likes, and nothing at all."""

    liking: float
    quality: float
    noise: float
    temperature: float
    seed: int

    @classmethod
    def draw(cls, generator: np.random.Generator, seed: int) -> Mixture:
        """From harmful to clairvoyant."""
        return cls(
            liking=float(generator.uniform(-0.4, 1.0)),
            quality=float(generator.uniform(-0.5, 1.0)),
            noise=float(generator.uniform(0.0, 0.8)),
            temperature=float(generator.uniform(0.5, 1.5)),
            seed=seed,
        )


LOGGING = Mixture(liking=0.15, quality=0.5, noise=0.3, temperature=1.0, seed=0)


@dataclass(kw_only=True)
class World:
    """One catalogue, its listeners, and what they did under the logging policy."""

    crowd: Crowd
    table: Any
    liking: dict[int, Floats]
    """What each listener likes of each track, quality included, when rested."""
    styles: dict[int, tuple[str, ...]]
    options: Namespace

    def scores(self, mixture: Mixture, listener_id: int, rows_n: NDArray[np.int64]) -> Floats:
        """Ingredients, mixed."""
        quality_T = self.crowd.catalogue.quality_T
        chance_T = np.random.default_rng([mixture.seed, 9]).normal(size=len(quality_T))
        own_n = self.liking[listener_id][rows_n] - 0.4 * quality_T[rows_n]
        mixed_n: Floats = mixture.liking * own_n + mixture.quality * quality_T[rows_n] + mixture.noise * chance_T[rows_n]
        return mixed_n

    def live(self, mixture: Mixture, listeners: int, *, reckons_worth: bool = False) -> Radio:
        """What the first listeners do under a policy, from the beginning."""
        crowd = self.crowd.again(listeners)
        radio = Radio(
            population=crowd,
            table=self.table,
            score=lambda listener_id, rows_n: self.scores(mixture, listener_id, rows_n),
            temperature=mixture.temperature,
            duration_seconds_T=self.table.duration_seconds_T,
            styles=self.styles,
            reckons_worth=reckons_worth,
        )
        crowd.population.live(START + timedelta(days=self.options.days), serve=radio.serve, record=radio.record)
        radio.reward_everybody(immediate_rewards())
        return radio


def immediate_rewards() -> Any:
    """The service's rewards without those for what comes after the track."""
    from recsys.rewards import RewardWeights

    return replace(RewardWeights(), session_goes_on=0.0, return_visit=0.0)


def make_world(options: Namespace, seed: int) -> World:
    """Fresh listeners with a seed of their own."""
    from recsys.learning.features import track_table
    from recsys.models import Preferences
    from recsys.simulation import Population

    count = LEARNING_LISTENERS + options.listeners + options.fresh
    crowd = Crowd(population=Population.make(listeners=count, seed=seed, start=START))
    catalogue = crowd.catalogue
    liking = {pk: catalogue.character_TD @ who.taste_D + 0.4 * catalogue.quality_T for pk, who in crowd.who.items()}
    declared = Preferences.objects.filter(listener_id__in=list(liking)).values_list("listener_id", "styles")
    styles = {listener: tuple(listed) for listener, listed in declared}
    return World(crowd=crowd, table=track_table(), liking=liking, styles=styles, options=options)
