"""SlateQ's world of evolving interests (RecSim; Ie et al. 2019, arXiv 1905.12767). After: interest_evolution.

Letters: U users, T steps, D documents of a step, S of a slate, K topics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

TOPICS, DOCUMENTS, SLATE = 20, 10, 3
QUALITY_K: Floats = np.concatenate([np.linspace(-3, 0, 14), np.linspace(0, 3, 6)])
"""Mean quality of a topic's documents."""
BUDGET_MINUTES, DOCUMENT_MINUTES, NO_CLICK_MINUTES = 200.0, 4.0, 0.5
NO_CLICK_SCORE = 2.0
BONUS_PER_QUALITY = 0.9 / 3.4
"""Share of the minutes watched that a document of quality 1 gives back."""
NOTHING = TOPICS
"""The action of a step without a click; the others are the topic that was clicked."""


@dataclass(kw_only=True)
class Users:
    """Users in the middle of their sessions. What they watched, clicked and left is known to a recommender too."""

    interests_UK: Floats
    budget_U: Floats
    watched_U: Floats
    idle_U: Floats
    """Steps without a click."""
    clicks_UK: Floats
    generator: np.random.Generator

    @classmethod
    def arrive(cls, count: int, seed: int) -> Users:
        """Interests uniform in −1 … 1, the whole budget left."""
        generator = np.random.default_rng(seed)
        return cls(
            interests_UK=generator.uniform(-1, 1, (count, TOPICS)),
            budget_U=np.full(count, BUDGET_MINUTES),
            watched_U=np.zeros(count),
            idle_U=np.zeros(count),
            clicks_UK=np.zeros((count, TOPICS)),
            generator=generator,
        )

    def choose(self, topics_UD: Indices, slates_US: Indices) -> tuple[Indices, Floats]:
        """Shows each user a slate of documents; gives the topic clicked (or NOTHING) and the minutes watched."""
        everybody, random = np.arange(len(self.budget_U)), self.generator
        quality_UD = random.normal(QUALITY_K[topics_UD], 0.1)
        shown_US = np.take_along_axis(topics_UD, slates_US, axis=1)
        scores_US = np.take_along_axis(self.interests_UK, shown_US, axis=1) + 1
        upper_US = np.cumsum(scores_US, axis=1)
        at_U = (random.uniform(0, upper_US[:, -1] + NO_CLICK_SCORE)[:, None] >= upper_US).sum(axis=1)
        clicked_U = (at_U < SLATE) & (self.budget_U > 0)
        place_U = np.minimum(at_U, SLATE - 1)
        topic_U = shown_US[everybody, place_U]
        quality_U = quality_UD[everybody, slates_US[everybody, place_U]]
        watched_U = np.where(clicked_U, np.minimum(self.budget_U, DOCUMENT_MINUTES), 0.0)
        self.budget_U += np.where(clicked_U, watched_U * (BONUS_PER_QUALITY * quality_U - 1), -NO_CLICK_MINUTES)
        self._evolve(everybody[clicked_U], topic_U[clicked_U])
        self.watched_U += watched_U
        self.idle_U += ~clicked_U
        return np.where(clicked_U, topic_U, NOTHING), watched_U

    def _evolve(self, who: Indices, topic: Indices) -> None:
        interest = self.interests_UK[who, topic]
        towards = np.where(self.generator.random(len(who)) < (interest + 1) / 2, 1.0, -1.0)
        moved = interest + towards * 0.3 * (1 - np.abs(interest)) * (1 - interest)
        self.interests_UK[who, topic] = np.clip(moved, -1, 1)
        self.clicks_UK[who, topic] += 1


Recommender = Callable[[Users, Indices], Indices]
"""Users, topics of the documents at hand (U D) → places of the slate's documents (U S)."""
Observe = Callable[[Users], Floats]
"""Users → what is kept of them before each step (U F)."""


@dataclass(kw_only=True)
class Lived:
    """What happened, step after step; a user's steps are open until the budget is gone."""

    seen_TUF: list[Floats] = field(default_factory=list)
    action_TU: list[Indices] = field(default_factory=list)
    minutes_TU: list[Floats] = field(default_factory=list)
    is_open_TU: list[NDArray[np.bool_]] = field(default_factory=list)


def live(count: int, seed: int, recommend: Recommender, observe: Observe | None = None) -> tuple[Floats, Lived]:
    """Whole sessions of `count` users: minutes that each watched, and every step where `observe` says what to keep."""
    users, lived = Users.arrive(count, seed), Lived()
    while (open_U := users.budget_U > 0).any():
        topics_UD = users.generator.integers(TOPICS, size=(count, DOCUMENTS))
        seen_UF = observe(users) if observe is not None else None
        action_U, minutes_U = users.choose(topics_UD, recommend(users, topics_UD))
        if seen_UF is not None:
            lived.seen_TUF.append(seen_UF)
            lived.action_TU.append(action_U)
            lived.minutes_TU.append(minutes_U)
            lived.is_open_TU.append(open_U)
    return users.watched_U, lived


def random_slate(users: Users, topics_UD: Indices) -> Indices:
    """Any three documents."""
    return np.argsort(users.generator.random(topics_UD.shape), axis=1)[:, :SLATE]


def myopic_slate(users: Users, topics_UD: Indices) -> Indices:
    """The three most likely to be clicked: the most minutes of this step."""
    return np.argsort(-np.take_along_axis(users.interests_UK, topics_UD, axis=1), axis=1)[:, :SLATE]
