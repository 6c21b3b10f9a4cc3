"""What a listener likes about music itself, with its uncertainty. Before: taste_answers.py. After: pages, composing, learning.

A track's preference is o + w·z: z its standardised features, o how generous the listener is. Before any answer (o, w) is drawn
from the population; answers update it in closed form. Shapes: n tracks, F features, D = F weights, P = 1 + D with o first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from accounts.models import Listener
from music.features import NAMES
from recsys.taste_answers import Answers, Vector, posterior, said_by, standardise, with_offset
from recsys.taste_features import scale_of
from recsys.taste_population import Population, population

__all__ = ["Answers", "Liking", "Population", "Profile", "Taste", "profile", "standardise", "taste_from", "taste_of"]

LEAST_CERTAINTY = 0.03
"""Below this share of the listener's own variance explained, a taste abstains."""
LEAST_ANSWERS = 5


@dataclass(frozen=True, kw_only=True)
class Taste:
    """The distribution of a listener's (o, w) after their answers."""

    joint_mean_P: Vector
    joint_covariance_PP: Vector
    answers: int
    """Opinions, plays and choices it rests on."""
    population: Population

    @property
    def mean_D(self) -> Vector:
        """Weights of the standardised features: what the composer is conditioned on."""
        return self.joint_mean_P[1:]

    @property
    def covariance_DD(self) -> Vector:
        """Covariance of the weights."""
        return self.joint_covariance_PP[1:, 1:]

    @property
    def own_D(self) -> Vector:
        """How the weights differ from everybody's."""
        return self.mean_D - self.population.mean_P[1:]

    @cached_property
    def certainty(self) -> float:
        """0 … 1: the share of what makes listeners differ that is known about this one."""
        before = float(np.trace(self.population.covariance_PP[1:, 1:]))
        return 1.0 - float(np.trace(self.covariance_DD)) / before

    @property
    def abstains(self) -> bool:
        """Whether too little is known to speak of this listener's own taste; `score` then is mostly everybody's."""
        return self.answers < LEAST_ANSWERS or self.certainty < LEAST_CERTAINTY

    def score(self, features: ArrayLike) -> tuple[float, float]:
        """Expected preference of a track with these raw features, and its standard deviation, in units of reward."""
        means, deviations = self.scores(np.asarray(features, dtype=np.float64)[None])
        return float(means[0]), float(deviations[0])

    def scores(self, features_nF: ArrayLike) -> tuple[Vector, Vector]:
        """`score` of many tracks at once."""
        x_nP = with_offset(standardise(features_nF))
        variance_n = np.einsum("np,pq,nq->n", x_nP, self.joint_covariance_PP, x_nP)
        return np.asarray(x_nP @ self.joint_mean_P), np.sqrt(np.maximum(variance_n, 0.0))

    def draw(self, generator: np.random.Generator) -> Vector:
        """Weights (D) that this listener may have, as likely as they are: what Thompson sampling acts on."""
        drawn: Vector = generator.multivariate_normal(self.mean_D, self.covariance_DD, method="eigh")
        return drawn

    def after(self, answers: Answers) -> Taste:
        """The taste after further answers, which must not be among those it rests on already."""
        mean_P, covariance_PP = posterior(self.joint_mean_P, self.joint_covariance_PP, answers.scattered(self.population.noise))
        return Taste(
            joint_mean_P=mean_P,
            joint_covariance_PP=covariance_PP,
            answers=self.answers + len(answers),
            population=self.population,
        )


def taste_of(listener: Listener, moment: datetime | None = None) -> Taste:
    """The listener's taste from what was received until the moment: three queries and a millisecond of arithmetic."""
    return taste_from(said_by(listener.pk, moment))


def taste_from(answers: Answers, known: Population | None = None) -> Taste:
    """The taste of a listener of this population (the stored one where none is given) who gave these answers."""
    known = known or population()
    return Taste(joint_mean_P=known.mean_P, joint_covariance_PP=known.covariance_PP, answers=0, population=known).after(answers)


@dataclass(frozen=True, kw_only=True)
class Liking:
    """One line of a taste, for people."""

    name: str
    """As in `music.features.NAMES`."""
    words: str
    """What it is about, as in “you like …”."""
    mean: float
    """What one standard deviation more of it is worth to this listener, in units of reward; below 0 for a dislike."""
    standard_deviation: float
    own: float
    """How far that is from everybody's."""

    @property
    def is_certain(self) -> bool:
        """Whether its sign is known: 0 lies outside the 90 % interval."""
        return abs(self.mean) > 1.645 * self.standard_deviation


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A taste that can be shown."""

    abstains: bool
    answers: int
    certainty: float
    likings: tuple[Liking, ...]
    """The surest first."""

    @property
    def sentence(self) -> str:
        """What is known, in one sentence."""
        if self.abstains:
            return f"Too early to say what you like: so far it rests on {self.answers} answers. Rate a few more tracks."
        liked = [each.words for each in self.likings if each.is_certain and each.mean > 0][:3]
        disliked = [each.words for each in self.likings if each.is_certain and each.mean < 0][:3]
        said = ((verb, words) for verb, words in (("you like", liked), ("you avoid", disliked)) if words)
        text = "; ".join(f"{verb} {_listed(words)}" for verb, words in said) or "no single trait decides what you like"
        return f"{text[0].upper()}{text[1:]}."


def profile(listener: Listener, moment: datetime | None = None) -> Profile:
    """The listener's taste, readable."""
    return profile_of(taste_of(listener, moment))


def profile_of(taste: Taste) -> Profile:
    """A taste, readable."""
    deviations = np.sqrt(np.maximum(np.diag(taste.covariance_DD), 1e-12))
    likings = [
        Liking(
            name=name,
            words=scale_of(name).words,
            mean=float(taste.mean_D[index]),
            standard_deviation=float(deviations[index]),
            own=float(taste.own_D[index]),
        )
        for index, name in enumerate(NAMES)
    ]
    likings.sort(key=lambda each: -abs(each.mean) / each.standard_deviation)
    return Profile(abstains=taste.abstains, answers=taste.answers, certainty=taste.certainty, likings=tuple(likings))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
