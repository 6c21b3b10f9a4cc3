"""Each estimator against a figure reckoned by hand or known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from bench.synthetic_logs import RIDGE, Bandit, Chain
from recsys.learning import checks
from recsys.learning.off_policy import estimators, overlap, sequential
from recsys.learning.off_policy.estimators import Estimator, Floats
from recsys.learning.off_policy.intervals import estimate

WEIGHT, REWARD = np.array([2.0, 0.5, 0.5]), np.array([1.0, 0.0, 1.0])
EXPECTED, MODELLED = np.array([0.5, 0.5, 0.2]), np.array([0.4, 0.5, 0.2])


def test_ips_by_hand() -> None:
    assert estimators.ips(WEIGHT, REWARD).value == pytest.approx(2.5 / 3)


def test_snips_by_hand() -> None:
    assert estimators.snips(2 * WEIGHT, REWARD).value == pytest.approx(2.5 / 3.0)


def test_doubly_robust_by_hand() -> None:
    by_hand = ((0.5 + 2.0 * 0.6) + (0.5 - 0.5 * 0.5) + (0.2 + 0.5 * 0.8)) / 3

    assert estimators.doubly_robust(WEIGHT, REWARD, EXPECTED, MODELLED).value == pytest.approx(by_hand)


def test_self_normalised_doubly_robust_by_hand() -> None:
    by_hand = 1.2 / 3 + (2.0 * 0.6 - 0.5 * 0.5 + 0.5 * 0.8) / 3.0

    found = estimators.self_normalised_doubly_robust(WEIGHT, REWARD, EXPECTED, MODELLED)

    assert found.value == pytest.approx(by_hand)


def test_a_position_is_estimated_from_its_own_rows() -> None:
    position = np.array([0, 1, 0])

    found = estimators.at_position(estimators.snips(WEIGHT, REWARD), position, 0)

    assert found.value == pytest.approx((2.0 + 0.5) / 2.5)


def test_a_difference_is_that_of_the_values() -> None:
    new, old = estimators.snips(WEIGHT, REWARD), estimators.ips(np.ones(3), REWARD)

    assert estimators.difference(new, old).value == pytest.approx(new.value - old.value)


@pytest.mark.filterwarnings("error")
def test_weights_of_nothing_give_no_number_and_no_warning() -> None:
    assert np.isnan(estimators.snips(np.zeros(2), np.ones(2)).value)


def test_a_perfect_model_leaves_the_doubly_robust_estimate_without_noise_of_the_weights() -> None:
    weight = np.array([0.1, 40.0, 3.0])

    assert estimators.doubly_robust(weight, MODELLED, EXPECTED, MODELLED).value == pytest.approx(EXPECTED.mean())


def test_effective_samples_by_hand() -> None:
    assert overlap.effective_samples(np.ones(7)) == pytest.approx(7)
    assert overlap.effective_samples(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert overlap.effective_samples(np.zeros(3)) == 0.0


def test_the_histogram_of_weights_holds_the_whole_log() -> None:
    shares = dict(overlap.overlap_histogram(np.array([0.0, 1.0, 1.1, 4.0, 1e9])))

    assert shares[1.0] == pytest.approx(0.4)
    assert shares[4.0] == shares[2.0**-6] == shares[2.0**10] == pytest.approx(0.2)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_fitted_q_evaluation_is_a_regression_repeated_as_often_as_a_session_has_steps() -> None:
    log = Chain().log(0)
    estimator = log.fitted_q()
    taken = log.features(log.state_NT, log.action_NT)
    width = taken.shape[-1]
    expected = 0.8 * log.features(log.state_NT, np.zeros_like(log.action_NT))
    expected = expected + 0.2 * log.features(log.state_NT, np.ones_like(log.action_NT))
    following = np.concatenate([expected[:, 1:], np.zeros_like(expected[:, :1])], axis=1)
    flat, reward = taken.reshape(-1, width), log.reward_NT.ravel()
    gram = flat.T @ flat + RIDGE * len(flat) * np.eye(width)
    theta: Floats = np.zeros(width)
    for _ in range(log.chain.steps):
        answer = flat.T @ (reward + log.chain.discount * following.reshape(-1, width) @ theta)
        theta = np.asarray(np.linalg.solve(gram, answer), dtype=np.float64)

    assert estimator.value == pytest.approx(float((expected[:, 0] @ theta).mean()), abs=1e-4)


def leads_astray(attainable: tuple[float, float]) -> Estimator:
    """Two choices a session, rewards −1 and 0. The model believes the next one is worth three times as much: it diverges."""
    start = np.tile([1.0, 0.0], 20)
    taken = np.ones((40, 1))
    return sequential.fitted_q_evaluation(taken, 3.0 * taken, -start, start, taken, start, attainable=attainable)


def test_fitted_q_evaluation_of_what_no_session_can_bring_is_no_number() -> None:
    assert leads_astray((-np.inf, np.inf)).value < -1000

    found = estimate(leads_astray((-2.0, 0.0)), np.arange(40) // 2)

    assert np.isnan(found.value)
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert checks.better("reward", found, decides=False).outcome == "pass"
    assert checks.better("reward", found, decides=True).outcome == "not proven"


def test_fitted_q_evaluation_is_cut_to_what_a_session_can_bring() -> None:
    start, taken = np.tile([1.0, 0.0], 20), np.ones((40, 1))
    given = (taken, 3.0 * taken, -start, start, taken, start)

    assert sequential.fitted_q_evaluation(*given, rounds=4).value == pytest.approx(-4.05, abs=0.01)
    assert sequential.fitted_q_evaluation(*given, rounds=4, attainable=(-3.0, 0.0)).value == -3.0
    # As many regressions as a session has choices, and no more.
    assert sequential.fitted_q_evaluation(*given, rounds=2, attainable=(-3.0, 0.0)).value == pytest.approx(-1.25, abs=0.01)


def test_where_some_resamples_have_no_estimate_the_interval_is_everything() -> None:
    rare = np.zeros(40)
    rare[0] = 1.0

    # More than a third of the resamples miss the one row that has a weight.
    found = estimate(estimators.snips(rare, np.ones(40)), np.arange(40))

    assert (found.value, found.low, found.high) == (1.0, -np.inf, np.inf)


def test_without_noise_fitted_q_evaluation_finds_the_value_of_the_chain() -> None:
    chain = Chain()
    log = chain.log(1, sessions=3000)
    known = type(log)(
        chain=chain,
        listener_N=log.listener_N,
        state_NT=log.state_NT,
        action_NT=log.action_NT,
        reward_NT=chain.reward(log.state_NT, log.action_NT),
    )

    assert known.fitted_q().value == pytest.approx(chain.truth, rel=2e-3)


def test_with_the_right_model_sequential_doubly_robust_needs_no_luck() -> None:
    chain = Chain(logged_up=0.8)
    log = chain.log(2)
    ones = np.ones_like(log.reward_NT)
    zeros = np.zeros_like(log.reward_NT)

    found = sequential.weighted_doubly_robust(ones, zeros, zeros, np.add(zeros, [[2.0, 0, 0, 0]]), ones, np.zeros(len(ones)))

    assert found.value == pytest.approx(2.0)


def test_the_policy_that_logged_gets_the_mean_of_the_log() -> None:
    log = Bandit.make(0).log(0)
    ones = np.ones_like(log.reward_R)

    for estimator in (estimators.ips(ones, log.reward_R), estimators.snips(ones, log.reward_R)):
        assert estimator.value == pytest.approx(log.reward_R.mean())
