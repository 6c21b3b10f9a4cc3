"""Logs whose truth is known: a bandit with listeners who differ, a chain of three states. After: interval_coverage.py.

Letters: X contexts, A actions, R logged choices, L listeners, N sessions, T steps, S states, K features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dqn.policy import softmax_with_exploration
from recsys.learning.off_policy import estimators, sequential
from recsys.learning.off_policy.estimators import Estimator, Floats

Integers = NDArray[np.int64]
RIDGE = 1e-6
"""Hardly any: features that are one of many tell each state apart."""


@dataclass(frozen=True, kw_only=True)
class Bandit:
    """X contexts, A actions; a listener adds a mood of their own to each reward, so rows of one listener belong together."""

    reward_XA: Floats
    logging_XA: Floats
    target_XA: Floats

    @classmethod
    def make(cls, seed: int, contexts: int = 8, actions: int = 6) -> Bandit:
        """Any rewards, a policy that logged and explored, and a policy that is better."""
        generator = np.random.default_rng(seed)
        reward_XA = generator.uniform(0.0, 1.0, size=(contexts, actions))
        logging_XA = softmax_with_exploration(generator.normal(size=(contexts, actions)), 0.2, 1.0)
        return cls(reward_XA=reward_XA, logging_XA=logging_XA, target_XA=softmax_with_exploration(reward_XA, 0.1, 0.3))

    @property
    def truth(self) -> float:
        """Every context is as frequent as the others, and moods have mean 0."""
        return float((self.target_XA * self.reward_XA).sum(axis=1).mean())

    @property
    def lift(self) -> float:
        """Against the policy that logged."""
        return self.truth - float((self.logging_XA * self.reward_XA).sum(axis=1).mean())

    def log(self, seed: int, listeners: int = 120) -> BanditLog:
        """Two to fourteen choices of each listener."""
        generator = np.random.default_rng([7, seed])
        listener_R = np.repeat(np.arange(listeners), generator.integers(2, 15, size=listeners))
        context_R = generator.integers(len(self.reward_XA), size=len(listener_R))
        cumulative_RA = self.logging_XA[context_R].cumsum(axis=1)
        action_R = np.minimum(
            (generator.random(len(context_R))[:, None] > cumulative_RA).sum(axis=1), cumulative_RA.shape[1] - 1
        )
        mood_L = generator.normal(scale=0.3, size=listeners)
        noise_R = generator.normal(scale=0.4, size=len(context_R))
        return BanditLog(
            bandit=self,
            listener_R=listener_R,
            context_R=context_R,
            action_R=action_R,
            reward_R=self.reward_XA[context_R, action_R] + mood_L[listener_R] + noise_R,
        )


@dataclass(frozen=True, kw_only=True)
class BanditLog:
    """What was logged, one row per choice."""

    bandit: Bandit
    listener_R: Integers
    context_R: Integers
    action_R: Integers
    reward_R: Floats

    @property
    def weight_R(self) -> Floats:
        """π/μ of what was chosen."""
        at = self.context_R, self.action_R
        weight: Floats = self.bandit.target_XA[at] / self.bandit.logging_XA[at]
        return weight

    def estimators(self) -> dict[str, Estimator]:
        """The model of the doubly robust ones is wrong on purpose: it knows the action and not the context."""
        wrong_A = self.bandit.reward_XA.mean(axis=0)
        expected_R, modelled_R = self.bandit.target_XA[self.context_R] @ wrong_A, wrong_A[self.action_R]
        weight_R, reward_R = self.weight_R, self.reward_R
        return {
            "ips": estimators.ips(weight_R, reward_R),
            "snips": estimators.snips(weight_R, reward_R),
            "dr": estimators.doubly_robust(weight_R, reward_R, expected_R, modelled_R),
            "sndr": estimators.self_normalised_doubly_robust(weight_R, reward_R, expected_R, modelled_R),
        }


@dataclass(frozen=True, kw_only=True)
class Chain:
    """States 0 … 2 and two actions: 1 pays more now and leads down, 0 leads up, where everything pays more. STEPS steps."""

    steps: int = 4
    discount: float = 0.9
    logged_up: float = 0.5
    target_up: float = 0.8

    @staticmethod
    def reward(state: Integers, action: Integers) -> Floats:
        """Mean reward of an action in a state."""
        return np.asarray(0.4 * state + 0.3 * action)

    def values(self) -> Floats:
        """value_TS of the target policy by backward induction, exactly; one more step of zeros at the end."""
        value_TS = np.zeros((self.steps + 1, 3))
        for step in range(self.steps - 1, -1, -1):
            for state in range(3):
                for action, chance in ((0, self.target_up), (1, 1 - self.target_up)):
                    now = 0.4 * state + 0.3 * action
                    value_TS[step, state] += chance * (now + self.discount * value_TS[step + 1, self.after(state, action)])
        return value_TS

    @staticmethod
    def after(state: int, action: int) -> int:
        """The next state."""
        return min(2, state + 1) if action == 0 else max(0, state - 1)

    @property
    def truth(self) -> float:
        """Discounted reward of a session that starts in the middle."""
        return float(self.values()[0, 1])

    def log(self, seed: int, sessions: int = 300) -> ChainLog:
        """Three sessions of each listener."""
        generator = np.random.default_rng([11, seed])
        state = np.ones(sessions, dtype=np.int64)
        states, actions, rewards = [], [], []
        mood_N = np.repeat(generator.normal(scale=0.2, size=sessions // 3), 3)
        for _ in range(self.steps):
            action = (generator.random(sessions) > self.logged_up).astype(np.int64)
            states.append(state)
            actions.append(action)
            rewards.append(self.reward(state, action) + mood_N + generator.normal(scale=0.3, size=sessions))
            state = np.where(action == 0, np.minimum(2, state + 1), np.maximum(0, state - 1))
        return ChainLog(
            chain=self,
            listener_N=np.repeat(np.arange(sessions // 3), 3),
            state_NT=np.stack(states, axis=1),
            action_NT=np.stack(actions, axis=1),
            reward_NT=np.stack(rewards, axis=1),
        )


@dataclass(frozen=True, kw_only=True)
class ChainLog:
    """What was logged, one row per session."""

    chain: Chain
    listener_N: Integers
    state_NT: Integers
    action_NT: Integers
    reward_NT: Floats

    def features(self, state_NT: Integers, action_NT: Integers) -> Floats:
        """One of many over (step, state, action): the model can be exact."""
        steps = np.arange(self.chain.steps)[None]
        place_NT = (steps * 3 + state_NT) * 2 + action_NT
        encoded: Floats = np.eye(self.chain.steps * 6)[place_NT]
        return encoded

    def fitted_q(self) -> Estimator:
        """Features that can tell everything."""
        chain = self.chain
        taken_NTK = self.features(self.state_NT, self.action_NT)
        expected_NTK = chain.target_up * self.features(self.state_NT, np.zeros_like(self.action_NT))
        expected_NTK = expected_NTK + (1 - chain.target_up) * self.features(self.state_NT, np.ones_like(self.action_NT))
        next_NTK = np.concatenate([expected_NTK[:, 1:], np.zeros_like(expected_NTK[:, :1])], axis=1)
        sessions, steps, width = taken_NTK.shape
        discount_NT = np.full((sessions, steps), chain.discount)
        discount_NT[:, -1] = 0.0
        is_start_NT = np.zeros((sessions, steps))
        is_start_NT[:, 0] = 1.0
        return sequential.fitted_q_evaluation(
            taken_NTK.reshape(-1, width),
            next_NTK.reshape(-1, width),
            self.reward_NT.ravel(),
            discount_NT.ravel(),
            expected_NTK.reshape(-1, width),
            is_start_NT.ravel(),
            ridge=RIDGE,
        )

    def weighted_doubly_robust(self) -> Estimator:
        """The model is wrong on purpose: a tenth too high and the same everywhere."""
        chain = self.chain
        chance_NT = np.where(self.action_NT == 0, chain.target_up, 1 - chain.target_up)
        logged_NT = np.where(self.action_NT == 0, chain.logged_up, 1 - chain.logged_up)
        wrong_NT = np.full(self.reward_NT.shape, 1.1)
        return sequential.weighted_doubly_robust(
            chance_NT / logged_NT,
            self.reward_NT,
            wrong_NT,
            wrong_NT,
            np.broadcast_to(chain.discount ** np.arange(chain.steps), self.reward_NT.shape),
            np.zeros(len(self.reward_NT)),
        )
