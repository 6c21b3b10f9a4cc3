"""The log of held-out listeners, choice by choice, as estimators read it. Before: replay_dataset.py. After: evaluation.py.

Letters: n candidates, H heads, R choices (one per logged position), K features ψ, N sessions, T steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn.policy import softmax_with_exploration
from recsys.learning.features import TrackTable, track_table
from recsys.learning.logged_choices import (
    at_position,
    discounts_of,
    heard_of,
    number_sessions,
    picks_of,
    ranks_of_hits,
    returns_of,
    reward_means,
    taken_features,
)
from recsys.learning.logged_slates import Decision
from recsys.learning.off_policy import estimators, sequential
from recsys.learning.off_policy.estimators import Estimator, Floats
from recsys.learning.off_policy.overlap import clipped_share, effective_samples
from recsys.learning.policy import RecommenderPolicy
from recsys.learning.popularity import Popularity
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.value_features import NAMES, ValueFeatures
from recsys.slates import slate_gain

MOST_DECISIONS = 1500
MOST_CHOICES = 10_000
"""Where slates are short, more of them are judged, up to so many choices: what was hardly ever tried shows in many."""
LARGEST_WEIGHT = 20.0
"""Importance weights above it are cut; the share that was cut is shown, and effective samples are counted before."""
SEQUENCE_STEPS = 10
"""Choices of a session that carry products of weights; what comes later is the value model's word."""
LEAST_TO_FIT = 30
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One policy on every logged choice."""

    raw_weight_R: Floats
    """π/μ as it is."""
    expected_RK: Floats
    """Σ π(a)·ψ(s, a) over the candidates still open."""
    hit_at_10: float
    ndcg_at_10: float

    @property
    def weight_R(self) -> Floats:
        """π/μ, cut at LARGEST_WEIGHT."""
        return np.minimum(self.raw_weight_R, LARGEST_WEIGHT)

    @property
    def effective_samples(self) -> float:
        """Of the weights before they were cut."""
        return effective_samples(self.raw_weight_R)

    @property
    def clipped_share(self) -> float:
        """Share of the weights that was cut."""
        return clipped_share(self.raw_weight_R, LARGEST_WEIGHT)


@dataclass(frozen=True, kw_only=True)
class HeldOutLog:
    """Logged slates of held-out listeners, in the order of listeners and time."""

    decisions: tuple[Decision, ...]
    left_out: int
    """Slates of which a choice has no chance between 0 and 1: there is nothing to divide by."""
    table: TrackTable
    model: Popularity
    psi: tuple[Floats, ...]
    """ψ_nK of each decision's candidates."""
    taken_RK: Floats
    probability_R: Floats
    reward_R: Floats
    return_R: Floats
    """The reward and what followed it in the session, SLATE_DISCOUNT per slate."""
    position_R: Integers
    listener_R: Integers
    session_R: Integers
    discount_R: Floats
    """To the next choice: 1 within a slate, SLATE_DISCOUNT to the next one, 0 at the session's end."""
    is_played_R: Floats
    is_left_early_R: Floats

    @classmethod
    def of(cls, dataset: ReplayDataset) -> HeldOutLog:
        """The newest slates of the dataset."""
        newest = newest_of(dataset.decisions)
        told = [decision for decision in newest if all(0 < chance <= 1 for chance in decision.probabilities)]
        decisions = tuple(sorted(told, key=lambda each: (each.listener_id, each.state.moment, each.recommendation_id)))
        model, table = reward_means(dataset), track_table()
        features = ValueFeatures.of(table, model)
        psi = tuple(features.of_candidates(each.state, each.candidates) for each in decisions)
        sessions = number_sessions(decisions)
        reward_R = np.array([reward for each in decisions for reward in each.rewards], dtype=np.float64)
        session_R = np.array([at for each, at in zip(decisions, sessions, strict=True) for _ in each.tracks], dtype=np.int64)
        position_R = np.array([at for each in decisions for at in range(len(each.tracks))], dtype=np.int64)
        discount_R = discounts_of(session_R, position_R)
        played, left_early = heard_of(decisions, dataset)
        return cls(
            decisions=decisions,
            left_out=len(newest) - len(told),
            table=table,
            model=model,
            psi=psi,
            taken_RK=taken_features(decisions, psi),
            probability_R=np.array([p for each in decisions for p in each.probabilities], dtype=np.float64),
            reward_R=reward_R,
            return_R=returns_of(reward_R, discount_R),
            position_R=position_R,
            listener_R=np.array([each.listener_id for each in decisions for _ in each.tracks], dtype=np.int64),
            session_R=session_R,
            discount_R=discount_R,
            is_played_R=played,
            is_left_early_R=left_early,
        )

    def judge(self, policy: RecommenderPolicy) -> Judged:
        """Re-runs the policy on each logged request: same candidates, same picks before.

        In the order of time: what a policy makes anew each hour, as popularity does of the whole log, it makes once an hour."""
        in_time = sorted(range(len(self.decisions)), key=lambda at: self.decisions[at].state.moment)
        of_decision = {at: self._chances(policy, self.decisions[at], self.psi[at]) for at in in_time}
        chances = [of_decision[at] for at in range(len(self.decisions))]
        rank = np.array([rank for each in chances for rank in each[2]], dtype=np.float64)
        return Judged(
            raw_weight_R=np.array([chance for each in chances for chance in each[0]], dtype=np.float64) / self.probability_R,
            expected_RK=np.array([psi_K for each in chances for psi_K in each[1]], dtype=np.float64).reshape(-1, len(NAMES)),
            hit_at_10=float((rank < 10).mean()) if len(rank) else 0.0,
            ndcg_at_10=float(np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0).mean()) if len(rank) else 0.0,
        )

    def _chances(
        self, policy: RecommenderPolicy, decision: Decision, psi_nK: Floats
    ) -> tuple[list[float], list[Floats], list[int]]:
        """Per position the chance of what was shown and the expected ψ; the ranks of what was liked."""
        scores_Hn = policy.score(decision.state, decision.candidates)
        gain = slate_gain(
            policy,
            decision.state,
            scores_Hn,
            self.table,
            decision.candidates,
            count=len(decision.tracks),
            diversity=decision.diversity,
        )
        picks = picks_of(decision)
        walked = walk_probabilities(scores_Hn, gain, picks, epsilon=decision.epsilon, temperature=policy.temperature)
        return (
            [float(chances_n[pick]) for pick, chances_n in zip(picks, walked, strict=True)],
            [at_position(chances_n @ psi_nK, position) for position, chances_n in enumerate(walked)],
            ranks_of_hits(scores_Hn.mean(axis=0), picks, decision.rewards),
        )

    def of_one_choice(self, judged: Judged) -> dict[str, Estimator]:
        """Reward per shown track, had each position been chosen by the policy and all else gone as it went."""
        theta_RK = self._cross_fitted(np.zeros_like(judged.expected_RK), np.zeros_like(self.discount_R))
        expected_R, modelled_R = (judged.expected_RK * theta_RK).sum(axis=1), (self.taken_RK * theta_RK).sum(axis=1)
        weight_R = judged.weight_R
        return {
            "ips": estimators.ips(weight_R, self.reward_R),
            "snips": estimators.snips(weight_R, self.reward_R),
            "doubly_robust": estimators.doubly_robust(weight_R, self.reward_R, expected_R, modelled_R),
            "self_normalised_dr": estimators.self_normalised_doubly_robust(weight_R, self.reward_R, expected_R, modelled_R),
        }

    def of_the_session(self, judged: Judged) -> dict[str, Estimator]:
        """Discounted reward to the session's end: from any choice on (SNIPS), from its start (the other two)."""
        return {
            "snips_to_the_end": estimators.snips(judged.weight_R, self.return_R),
            "fitted_q": sequential.fitted_q_evaluation(
                self.taken_RK,
                self._next(judged.expected_RK),
                self.reward_R,
                self.discount_R,
                judged.expected_RK,
                self.is_start_R,
                rounds=self.rounds,
                attainable=self.attainable,
            ),
            "per_decision": self._per_decision(judged),
        }

    def skip_rate(self, judged: Judged) -> Estimator:
        """Share of the played tracks that are left early."""
        columns_RK = np.stack([judged.weight_R * self.is_left_early_R, judged.weight_R * self.is_played_R], axis=1)
        return Estimator(columns_RK=columns_RK, of_sums=lambda s: estimators.ratio(s[..., 0], s[..., 1]))

    def by_position(self, judged: Judged) -> list[Estimator]:
        """SNIPS of each position of the slate."""
        whole = estimators.snips(judged.weight_R, self.reward_R)
        return [estimators.at_position(whole, self.position_R, at) for at in range(int(self.position_R.max(initial=-1)) + 1)]

    @property
    def is_start_R(self) -> Floats:
        """1 where a session starts."""
        return np.diff(self.session_R, prepend=-1).astype(bool).astype(np.float64)

    @property
    def rounds(self) -> int:
        """Regressions that look to the end of the longest session."""
        return min(sequential.ROUNDS, int(np.bincount(self.session_R).max(initial=1)))

    @property
    def attainable(self) -> tuple[float, float]:
        """What a session can bring: the log's worst and best reward, or 0, at each choice of the longest, discounted."""
        longest = float(returns_of(np.ones_like(self.reward_R), self.discount_R).max(initial=0.0))
        return longest * float(self.reward_R.min(initial=0.0)), longest * float(self.reward_R.max(initial=0.0))

    @property
    def listener_N(self) -> Integers:
        """Whose session it is."""
        return self.listener_R[self.is_start_R > 0]

    def steps_of_sessions(self) -> Integers:
        """row_NT: where in the log each of the first steps of a session stands; −1 where it was over."""
        starts = np.flatnonzero(self.is_start_R)
        lengths = np.diff(np.append(starts, len(self.session_R)))
        steps = np.arange(SEQUENCE_STEPS + 1)
        rows: Integers = np.where(steps < lengths[:, None], starts[:, None] + steps, -1)
        return rows

    def _per_decision(self, judged: Judged) -> Estimator:
        theta_RK = self._cross_fitted(self._next(judged.expected_RK), self.discount_R)
        # Cut to what is possible, where the truth lies, the model can only come nearer to it.
        value_R, modelled_R = (
            np.clip((psi_RK * theta_RK).sum(axis=1), *self.attainable) for psi_RK in (judged.expected_RK, self.taken_RK)
        )
        row_NT = self.steps_of_sessions()
        open_NT = row_NT >= 0
        ahead_NT = np.where(open_NT, self.discount_R[row_NT], 0.0)
        since_NT = np.cumprod(np.concatenate([np.ones((len(row_NT), 1)), ahead_NT[:, :-1]], axis=1), axis=1)
        value_NT = np.where(open_NT, value_R[row_NT], 0.0)
        first, last = slice(None, SEQUENCE_STEPS), SEQUENCE_STEPS
        return sequential.weighted_doubly_robust(
            np.where(open_NT, judged.weight_R[row_NT], 1.0)[:, first],
            np.where(open_NT, self.reward_R[row_NT], 0.0)[:, first],
            np.where(open_NT, modelled_R[row_NT], 0.0)[:, first],
            value_NT[:, first],
            since_NT[:, first],
            since_NT[:, last] * value_NT[:, last],
        )

    def _next(self, expected_RK: Floats) -> Floats:
        """What the policy would do at the next choice; rows whose discount is 0 have none, and are multiplied by it."""
        return np.roll(expected_RK, -1, axis=0)

    def _cross_fitted(self, expected_next_RK: Floats, discount_R: Floats) -> Floats:
        """θ of each row, fitted to the other half of the listeners: a model that saw a reward would explain it away."""
        order_R = np.unique(self.listener_R, return_inverse=True)[1]
        theta_RK = np.zeros_like(self.taken_RK)
        for half in (0, 1):
            mine, other = order_R % 2 == half, order_R % 2 != half
            if other.sum() >= LEAST_TO_FIT:
                theta_RK[mine] = sequential.fit_q(
                    self.taken_RK[other], expected_next_RK[other], self.reward_R[other], discount_R[other], self.rounds
                )
            else:
                theta_RK[mine, NAMES.index("item mean")] = 1.0
        return theta_RK


def newest_of(decisions: Sequence[Decision]) -> list[Decision]:
    """The last MOST_DECISIONS slates, or more of them as long as they hold at most MOST_CHOICES choices."""
    shown = [decision for decision in decisions if decision.tracks]
    choices = np.cumsum([len(decision.tracks) for decision in reversed(shown)])
    return shown[-max(MOST_DECISIONS, int((choices <= MOST_CHOICES).sum())) :]


def walk_probabilities(
    scores_Hn: Floats, gain: Any, picks: Sequence[int], *, epsilon: float, temperature: float
) -> list[Floats]:
    """For each position, the probability of every candidate given the picks before it; picked ones have 0."""
    heads, n = scores_Hn.shape
    is_open = np.ones(n, dtype=np.bool_)
    weight_H = np.full(heads, 1.0 / heads)
    found = []
    for position, pick in enumerate(picks):
        places = np.flatnonzero(is_open)
        gains_Hn = np.atleast_2d(gain(list(picks[:position])))[:, places]
        chances_Hn = np.zeros((heads, n))
        chances_Hn[:, places] = softmax_with_exploration(gains_Hn, epsilon, temperature)
        found.append(weight_H @ chances_Hn)
        joint_H = weight_H * chances_Hn[:, pick]
        weight_H = joint_H / joint_H.sum()
        is_open[pick] = False
    return found
