"""The intervals hold what they promise, on logs whose truth is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.synthetic_logs import Bandit, Chain
from recsys.learning.off_policy import estimators
from recsys.learning.off_policy.intervals import estimate

RUNS = 600


def test_the_interval_of_a_plain_mean_is_the_one_of_the_normal_law() -> None:
    reward = np.random.default_rng(0).normal(size=900)

    found = estimate(estimators.ips(np.ones(900), reward), np.arange(900))

    assert (found.high - found.low) / 2 == pytest.approx(1.96 * reward.std() / 30, rel=0.1)
    assert found.low < found.value < found.high


def test_rows_of_one_listener_are_one_witness() -> None:
    reward = np.random.default_rng(0).normal(size=100)
    once = estimate(estimators.ips(np.ones(100), reward), np.arange(100))

    repeated = estimate(estimators.ips(np.ones(900), np.repeat(reward, 9)), np.repeat(np.arange(100), 9))

    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_one_listener_proves_nothing() -> None:
    found = estimate(estimators.ips(np.ones(5), np.arange(5.0)), np.zeros(5, dtype=np.int64))

    assert (found.low, found.high) == (-np.inf, np.inf)


@pytest.mark.filterwarnings("error")
def test_an_empty_log_gives_no_figure() -> None:
    found = estimate(estimators.snips(np.zeros(0), np.zeros(0)), np.zeros(0, dtype=np.int64))

    assert np.isnan(found.value)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_a_policy_differs_from_itself_by_nothing() -> None:
    log = Bandit.make(1).log(0)
    own = estimators.snips(log.weight_R, log.reward_R)

    found = estimate(estimators.difference(own, own), log.listener_R)

    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_same_log_gives_the_same_interval() -> None:
    log = Bandit.make(1).log(0)

    assert estimate(log.estimators()["sndr"], log.listener_R) == estimate(log.estimators()["sndr"], log.listener_R)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_intervals_of_one_choice_cover_the_truth_as_often_as_they_say(name: str) -> None:
    bandit = Bandit.make(0)
    covered = 0
    for run in range(RUNS):
        log = bandit.log(run)
        found = estimate(log.estimators()[name], log.listener_R, seed=run, resamples=500)
        covered += found.low <= bandit.truth <= found.high

    assert 0.92 <= covered / RUNS <= 0.97


@pytest.mark.slow
def test_intervals_of_a_session_cover_the_truth_as_often_as_they_say() -> None:
    chain, covered = Chain(), Counter[str]()
    for run in range(RUNS):
        log = chain.log(run)
        sequences = estimate(log.weighted_doubly_robust(), log.listener_N, seed=run, resamples=400)
        rows = np.repeat(log.listener_N, chain.steps)
        fitted = estimate(log.fitted_q(), rows, seed=run, resamples=200)
        covered["wdr"] += sequences.low <= chain.truth <= sequences.high
        covered["fqe"] += fitted.low <= chain.truth <= fitted.high

    assert {name: 0.92 <= count / RUNS <= 0.97 for name, count in covered.items()} == {"wdr": True, "fqe": True}


@pytest.mark.parametrize("listeners", [1, 2, 3, 9])
def test_a_handful_of_listeners_proves_nothing(listeners: int) -> None:
    generator = np.random.default_rng(4)
    reward_R = generator.normal(5.0, 0.1, 20 * listeners)

    found = estimate(estimators.ips(np.ones_like(reward_R), reward_R), np.repeat(np.arange(listeners), 20))

    assert found.value == pytest.approx(5.0, abs=0.1)
    assert (found.low, found.high) == (-np.inf, np.inf)
