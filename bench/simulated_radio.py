"""Simulated listeners of a radio (slates of one), and what each track would bring them. After: simulated_policies.py.

Letters: n candidates, D decisions, T tracks. The listeners are those of recsys/simulation.py; nothing they do is stored."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn.policy import draw_sequentially

Floats = NDArray[np.float64]
CANDIDATES = 32
EPSILON = 0.2


@dataclass(kw_only=True)
class Asked:
    """One request: who asked when, what was open, what was drawn, and what each candidate would have brought."""

    listener_id: int
    state: Any
    rows_n: NDArray[np.int64]
    pick: int
    probability: float
    worth_n: Floats
    """Exact expected reward of each candidate at this moment."""
    reward: float = 0.0


@dataclass(kw_only=True)
class Radio:
    """Serves one track at a time by scores, and keeps what was asked and played."""

    population: Any
    table: Any
    score: Callable[[int, NDArray[np.int64]], Floats]
    """(listener, rows of the catalogue) to scores_n."""
    temperature: float
    duration_seconds_T: Floats
    styles: dict[int, tuple[str, ...]]
    reckons_worth: bool
    """Whether the truth about each candidate is wanted; it takes longer than serving."""
    asked: list[Asked] = field(default_factory=list)
    feedback: defaultdict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def serve(self, listener: Any, moment: datetime, seed: int) -> Any:
        """A slate of one out of tracks that the listener has not heard."""
        from recsys.learning.features import state_of_rows
        from recsys.models import Recommendation

        generator = np.random.default_rng(seed)
        heard = {row.track_id for row in self.feedback[listener.pk]}
        open_T = ~np.isin(self.table.ids_T, list(heard))
        rows_n = np.sort(generator.choice(np.flatnonzero(open_T), CANDIDATES, replace=False))
        scores_n = self.score(listener.pk, rows_n)
        drawn = draw_sequentially(lambda picks: scores_n, 1, epsilon=EPSILON, temperature=self.temperature, generator=generator)
        state = state_of_rows(
            listener.pk, moment, self.feedback[listener.pk], zone=listener.time_zone, styles=self.styles.get(listener.pk, ())
        )
        who = self.population.who[listener.pk]
        self.asked.append(
            Asked(
                listener_id=listener.pk,
                state=state,
                rows_n=rows_n,
                pick=drawn.picks[0],
                probability=drawn.probabilities[0],
                worth_n=self._worth(who, rows_n, moment) if self.reckons_worth else np.zeros(0),
            )
        )
        track = int(self.table.ids_T[rows_n[drawn.picks[0]]])
        return Recommendation(pk=len(self.asked), listener=listener, tracks=[track])

    def _worth(self, who: Any, rows_n: NDArray[np.int64], moment: datetime) -> Floats:
        appeal_n = np.array([who.appeal(self.population.catalogue, int(row), moment) for row in rows_n])
        return expected_reward(appeal_n, self.duration_seconds_T[rows_n])

    def record(self, listener: Any, rows: Sequence[Any], moment: datetime) -> None:
        """Feedback as learning reads it."""
        for row in rows:
            self.feedback[listener.pk].append(row.as_row(len(self.feedback[listener.pk]), moment))

    def reward_everybody(self, weights: Any) -> None:
        """Credits each request with what its track brought, by the rewards of the service."""
        from recsys.rewards import rewards_of

        durations = dict(zip(self.table.ids_T.tolist(), self.duration_seconds_T.tolist(), strict=True))
        for rows in self.feedback.values():
            for session in rewards_of(rows, durations, weights):
                for transition in session:
                    assert transition.play.recommendation_id is not None
                    self.asked[transition.play.recommendation_id - 1].reward = transition.reward


@dataclass(kw_only=True)
class Crowd:
    """A population that can live the same days again under another policy."""

    population: Any

    def __post_init__(self) -> None:
        self.who = {each.listener.pk: each for each in self.population.listeners}
        self.catalogue = self.population.catalogue

    def again(self, count: int) -> Crowd:
        """The first `count` listeners as they are now; what they live through leaves this crowd as it is."""
        twin = copy.copy(self.population)
        twin.listeners = copy.deepcopy(self.population.listeners[:count])
        twin.due = [visit for visit in self.population.due if visit[1] < count]
        twin.visits = []
        return Crowd(population=twin)


def expected_reward(appeal_n: Floats, duration_seconds_n: Floats) -> Floats:
    """Mean reward of offering one track, by the dice of recsys/simulation.py: taken or not, left early, heard out, judged.

    Integrals over normal noise by Gauss-Hermite quadrature; what follows in the session is worth nothing here."""
    noise, mass = np.polynomial.hermite_e.hermegauss(21)
    mass = mass / mass.sum()
    taken_n = (_sigmoid(0.7 * appeal_n[:, None] + 0.5 * noise + 0.6) * mass).sum(axis=1)
    joy_nq = appeal_n[:, None] + 0.3 * noise
    early_nq = _sigmoid(-2.0 * joy_nq - 1.2)
    whole_nq = _sigmoid(1.5 * joy_nq + 0.5)
    early_share_n = _mean_of_the_smaller(0.2 * duration_seconds_n) / duration_seconds_n
    heard_nq = early_nq * (early_share_n[:, None] - 0.5) + (1 - early_nq) * (whole_nq + (1 - whole_nq) * 0.65)
    like_nq = 0.5 * _sigmoid(3.0 * (joy_nq - 1.0))
    dislike_nq = (1 - like_nq) * 0.4 * _sigmoid(-3.0 * (joy_nq + 1.2))
    worth_nq = heard_nq + like_nq - dislike_nq + 0.2 * 0.5 * (_mean_stars(joy_nq) - 3.0)
    worth: Floats = taken_n * (worth_nq * mass).sum(axis=1)
    return worth


def _mean_of_the_smaller(limit_n: Floats) -> Floats:
    """E min(U, limit) of seconds U uniform between 3 and 15."""
    low, high = 3.0, 15.0
    inside_n = np.clip(limit_n, low, high)
    mean_n = ((inside_n**2 - low**2) / 2 + inside_n * (high - inside_n)) / (high - low)
    return np.where(limit_n < low, limit_n, mean_n)


def _mean_stars(joy: Floats) -> Floats:
    """E clip(round(3 + 1.1·joy + 0.4·noise), 1, 5)."""
    edges = np.array([1.5, 2.5, 3.5, 4.5])
    reached = 0.5 * (1 + np.vectorize(math.erf)((3 + 1.1 * joy[..., None] - edges) / (0.4 * math.sqrt(2))))
    stars: Floats = 1 + reached.sum(axis=-1)
    return stars


def _sigmoid(x: Floats) -> Floats:
    clipped: Floats = 1.0 / (1.0 + np.exp(-np.clip(x, -30, 30)))
    return clipped
