"""Estimators of what follows a choice: fitted Q evaluation, per-decision weighted doubly robust. After: intervals.py.

Letters: R logged choices, N sessions, T steps of a session, K features, … leading dimensions of resamples."""

from __future__ import annotations

import numpy as np

from recsys.learning.off_policy.estimators import Estimator, Floats, ratio

RIDGE = 1e-3
"""Per choice of the log: how strongly the weights of the value model are pulled to 0."""
ROUNDS = 25
"""Regressions, one on the other, at most: the value model looks so many choices ahead."""


def fitted_q_evaluation(
    taken_RK: Floats,
    expected_next_RK: Floats,
    reward_R: Floats,
    discount_R: Floats,
    start_RK: Floats,
    is_start_R: Floats,
    *,
    ridge: float = RIDGE,
    rounds: int = ROUNDS,
    attainable: tuple[float, float] = (-np.inf, np.inf),
) -> Estimator:
    """Mean value Σ_a π(a|s)·Q̂(s, a) of the states in which sessions start, with Q̂ = θ·ψ(s, a).

    Fitted Q evaluation (Le et al. 2019, arXiv 1903.08738, algorithm 3): the regression of r + discount·E_π Q̂(s′) on ψ,
    repeated. With linear features it needs sums over the log only, so each resample has a model of its own and the interval
    holds the model's uncertainty too. `taken_RK` is ψ of what was chosen, `expected_next_RK` Σ_a π(a|s′)·ψ(s′, a),
    `start_RK` Σ_a π(a|s)·ψ(s, a), `is_start_R` 1 where a session starts, else 0.

    Regressions on regressions may diverge where π leaves the log (Tsitsiklis & Van Roy 1997): `rounds` beyond the longest
    session add nothing but that. The theory holds for Q̂ within what rewards allow (Munos & Szepesvári 2008, section 3), so the
    value is cut to what is `attainable`. Further out than that range is wide it is no number: a model gone astray would call
    the policy as bad, or as good, as can be."""
    rows, width = taken_RK.shape
    low, high = attainable
    ahead_RK = discount_R[:, None] * expected_next_RK
    columns_RK = np.concatenate(
        [
            (taken_RK[:, :, None] * taken_RK[:, None, :]).reshape(rows, width * width),
            (taken_RK[:, :, None] * ahead_RK[:, None, :]).reshape(rows, width * width),
            taken_RK * reward_R[:, None],
            start_RK * is_start_R[:, None],
            is_start_R[:, None],
            np.ones((rows, 1)),
        ],
        axis=1,
    )

    def of_sums(sums: Floats) -> Floats:
        gram, ahead, answer, start = np.split(sums[..., :-2], np.cumsum([width * width, width * width, width]), axis=-1)
        square = (*sums.shape[:-1], width, width)
        theta = _repeat(gram.reshape(square), ahead.reshape(square), answer, ridge * sums[..., -1], rounds)
        value = ratio((start * theta).sum(axis=-1), sums[..., -2])
        astray = (value < 2 * low - high) | (value > 2 * high - low)
        return np.where(astray, np.nan, np.clip(value, low, high))

    return Estimator(columns_RK=columns_RK, of_sums=of_sums)


def _repeat(gram: Floats, ahead: Floats, answer: Floats, ridge: Floats, rounds: int) -> Floats:
    """θ after so many regressions, the first one of the reward alone."""
    inverse = np.linalg.inv(gram + np.asarray(ridge)[..., None, None] * np.eye(gram.shape[-1]))
    theta = np.zeros_like(answer)
    for _ in range(rounds):
        theta = (inverse @ (answer + (ahead @ theta[..., None])[..., 0])[..., None])[..., 0]
    return np.asarray(theta, dtype=np.float64)


def fit_q(taken_RK: Floats, expected_next_RK: Floats, reward_R: Floats, discount_R: Floats, rounds: int = ROUNDS) -> Floats:
    """θ of `fitted_q_evaluation`; with discount 0 it is a ridge regression of the reward."""
    ahead = taken_RK.T @ (discount_R[:, None] * expected_next_RK)
    return _repeat(taken_RK.T @ taken_RK, ahead, taken_RK.T @ reward_R, np.asarray(RIDGE * len(taken_RK)), rounds)


def weighted_doubly_robust(
    ratio_NT: Floats, reward_NT: Floats, modelled_NT: Floats, value_NT: Floats, discount_NT: Floats, after_N: Floats
) -> Estimator:
    """Discounted reward of a session, per decision, weighted (WDR: Thomas & Brunskill 2016, arXiv 1604.00923, section 5).

    `ratio_NT` is π/μ of each step alone, `modelled_NT` Q̂ of what was chosen, `value_NT` Σ_a π(a)·Q̂(s, a), `discount_NT` the
    discount since the session's start, `after_N` the discounted value Q̂ gives to what comes after step T. Steps that a
    shorter session does not have: ratio 1, all else 0. Weights multiply along a session and are normalised step by step."""
    weight_NT = np.cumprod(ratio_NT, axis=1)
    before_NT = np.concatenate([np.ones((len(weight_NT), 1)), weight_NT], axis=1)
    steps = weight_NT.shape[1]
    values_NT = np.concatenate([discount_NT * value_NT, after_N[:, None]], axis=1)
    columns_NK = np.concatenate([weight_NT * discount_NT * (reward_NT - modelled_NT), before_NT * values_NT, before_NT], axis=1)

    def of_sums(sums: Floats) -> Floats:
        surprise, values, weights = np.split(sums, [steps, 2 * steps + 1], axis=-1)
        total: Floats = ratio(surprise, weights[..., 1:]).sum(axis=-1) + ratio(values, weights).sum(axis=-1)
        return total

    return Estimator(columns_RK=columns_NK, of_sums=of_sums)
