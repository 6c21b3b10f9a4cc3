"""What listeners like in general, and how they differ: the prior of every taste. Before: everybody's answers. After: taste.py.

Kept as one file under ENCORE_VAR and refitted by a maintenance task; before, a neutral guess serves. Shapes as in taste.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db.models import Count, Max

from dqn.checkpoint import BrokenCheckpoint, read_state, write_state
from music.features import NAMES
from recsys.models import Choice, Feedback
from recsys.taste_answers import Answers, Vector, posterior, said_by, with_offset

FIRST_GENEROSITY = 0.2
"""Mean of o before anything is known: people rate what they chose above the middle."""
FIRST_GENEROSITY_DEVIATION = 0.4
FIRST_TASTE_DEVIATION = 0.5
"""How much of the preference of a typical track comes from the listener's own weights, before anything is known."""
GUESSED_MEAN_WORTH_LISTENERS = 5
"""The first guess of the mean counts as much as so many listeners …"""
GUESSED_COVARIANCE_WORTH_LISTENERS = 20
"""… and that of the covariance as so many: few people can't say how people differ."""
GUESSED_NOISE_WORTH_ANSWERS = 200
"""The guess of how much answers scatter counts as much as so many answers."""
ROUNDS = 10
"""Of expectation and maximisation; the fit hardly moves afterwards."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """Mean and covariance of (o, w) over listeners."""

    mean_P: Vector
    covariance_PP: Vector
    listeners: int
    """How many it was learnt from; 0 for the first guess."""
    noise: float = 1.0
    """How much more answers scatter around a taste than the first guess of their variances says."""

    def draw(self, generator: np.random.Generator) -> Vector:
        """The weights (D) of a listener made up from this population, for training the composer on tastes."""
        drawn: Vector = generator.multivariate_normal(self.mean_P, self.covariance_PP, method="cholesky")
        return drawn[1:]


def first_guess() -> Population:
    """Nobody's taste is known: weights around 0, equally unsure in all directions."""
    variances = np.full(1 + len(NAMES), FIRST_TASTE_DEVIATION**2 / len(NAMES))
    variances[0] = FIRST_GENEROSITY_DEVIATION**2
    mean = np.zeros(1 + len(NAMES))
    mean[0] = FIRST_GENEROSITY
    return Population(mean_P=mean, covariance_PP=np.diag(variances), listeners=0)


def fit(everybody: Iterable[Answers]) -> Population:
    """Population from the answers of many listeners, by expectation and maximisation with the first guess as prior.

    Empirical Bayes for hierarchical linear regression (Bishop 2006, section 9.4, with an inverse Wishart prior on the
    covariance). Listeners weigh equally, however much they said.
    """
    guess = first_guess()
    told = [answers for answers in everybody if len(answers)]
    mean_P, covariance_PP, noise = guess.mean_P, guess.covariance_PP, guess.noise
    for _ in range(ROUNDS if told else 0):
        posteriors = [posterior(mean_P, covariance_PP, answers.scattered(noise)) for answers in told]
        noise = _noise(told, posteriors)
        means = np.stack([mean for mean, _ in posteriors])
        mean_P = _blend(means.sum(axis=0), len(told), guess.mean_P, GUESSED_MEAN_WORTH_LISTENERS)
        spread_PP = sum(covariance for _, covariance in posteriors) + (means - mean_P).T @ (means - mean_P)
        covariance_PP = _blend(spread_PP, len(told), guess.covariance_PP, GUESSED_COVARIANCE_WORTH_LISTENERS)
    return Population(mean_P=mean_P, covariance_PP=covariance_PP, listeners=len(told), noise=noise)


def _noise(told: Sequence[Answers], posteriors: Sequence[tuple[Vector, Vector]]) -> float:
    """Expected squares of what the tastes leave unexplained, in units of the guessed variances: the M step of noise."""
    total, count = float(GUESSED_NOISE_WORTH_ANSWERS), GUESSED_NOISE_WORTH_ANSWERS
    for answers, (mean_P, covariance_PP) in zip(told, posteriors, strict=True):
        x_nP = with_offset(answers.z_nD)
        square_n = (answers.worth_n - x_nP @ mean_P) ** 2 + ((x_nP @ covariance_PP) * x_nP).sum(axis=1)
        total += float((square_n / answers.variance_n).sum())
        count += len(answers.worth_n)
    return total / count


def _blend(total: Vector, count: int, guess: Vector, worth: int) -> Vector:
    return np.asarray((total + worth * guess) / (count + worth))


def refit_population(least_answers: int = 5, most_listeners: int = 5000) -> Population:
    """Learns the population from the log and keeps it for all processes. The work of the maintenance task."""
    everybody = (said_by(listener_id) for listener_id in _talkative(least_answers, most_listeners))
    fitted = fit(answers for answers in everybody if len(answers) >= least_answers)
    kept = {"mean": fitted.mean_P, "covariance": fitted.covariance_PP}
    write_state(_file(), kept | {"listeners": np.array(fitted.listeners), "noise": np.array(fitted.noise)})
    return fitted


def _talkative(least_rows: int, most_listeners: int) -> list[int]:
    """Listeners with so many rows of feedback or choices, those heard of last first."""
    last: dict[int, datetime] = {}
    for rows in (Feedback.objects, Choice.objects):
        counted = rows.values("listener").annotate(rows=Count("id"), last=Max("received_at")).filter(rows__gte=least_rows)
        for listener_id, newest in counted.order_by("-last").values_list("listener", "last")[:most_listeners]:
            last[listener_id] = max(newest, last.get(listener_id, newest))
    return sorted(last, key=lambda listener_id: last[listener_id], reverse=True)[:most_listeners]


def population() -> Population:
    """The kept population; the first guess where there is none, or none that fits today's features."""
    file = _file()
    try:
        stamp = file.stat().st_mtime_ns
    except FileNotFoundError:
        return _first_guess()
    return _read(file, stamp)


@lru_cache(maxsize=1)
def _first_guess() -> Population:
    return first_guess()


@lru_cache(maxsize=4)
def _read(file: Path, _stamp: int) -> Population:
    try:
        kept = read_state(file)
    except BrokenCheckpoint:
        kept = None
    if kept is None or kept["mean"].shape != (1 + len(NAMES),):
        return _first_guess()
    noise = float(kept["noise"]) if "noise" in kept else 1.0  # a file of an earlier version
    return Population(mean_P=kept["mean"], covariance_PP=kept["covariance"], listeners=int(kept["listeners"]), noise=noise)


def _file() -> Path:
    return Path(settings.ENCORE_VAR) / "taste_population.safetensors"
