"""Our estimators beside those of obp, on the log that obp carries."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from recsys.learning import checks
from recsys.learning.held_out import LARGEST_WEIGHT
from recsys.learning.off_policy import estimators, overlap
from training.gate import outcome_of
from training.models import Verdict

from .open_bandit import OpenBanditLog, open_bandit_log


def target(log: OpenBanditLog, seed: int = 5) -> np.ndarray:
    """A policy that prefers some actions, another one at each position: chances, positions × actions."""
    chance_PA = np.random.default_rng(seed).uniform(0.2, 1.0, size=(3, log.actions))
    return np.asarray(chance_PA / chance_PA.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("policy", "campaign"), [("random", "women"), ("bts", "men"), ("bts", "women"), ("random", "all")])
def test_ips_snips_and_doubly_robust_equal_those_of_obp(policy: str, campaign: str) -> None:
    log = open_bandit_log(policy, campaign)
    obp = importlib.import_module("obp.ope")
    chance_PA = target(log)
    model_PA = np.random.default_rng(9).uniform(0.0, 0.02, size=chance_PA.shape)
    rows = np.arange(len(log.action_R))
    chance_RAP = np.broadcast_to(chance_PA.T, (len(rows), *chance_PA.T.shape))
    model_RAP = np.broadcast_to(model_PA.T, chance_RAP.shape)
    given = {
        "reward": log.reward_R,
        "action": log.action_R,
        "position": log.position_R,
        "pscore": log.probability_R,
        "action_dist": chance_RAP,
        "estimated_rewards_by_reg_model": model_RAP,
    }
    weight_R = chance_PA[log.position_R, log.action_R] / log.probability_R
    expected_R = (chance_PA * model_PA).sum(axis=1)[log.position_R]
    modelled_R = model_PA[log.position_R, log.action_R]
    robust = (weight_R, log.reward_R, expected_R, modelled_R)
    pairs = [
        (obp.InverseProbabilityWeighting(), estimators.ips(weight_R, log.reward_R)),
        (obp.SelfNormalizedInverseProbabilityWeighting(), estimators.snips(weight_R, log.reward_R)),
        (obp.DoublyRobust(), estimators.doubly_robust(*robust)),
        (obp.SelfNormalizedDoublyRobust(), estimators.self_normalised_doubly_robust(*robust)),
    ]

    for theirs, own in pairs:
        assert own.value == pytest.approx(theirs.estimate_policy_value(**given), rel=1e-6, abs=1e-9), theirs.estimator_name


def test_the_log_of_bernoulli_thompson_sampling_on_women_is_worth_two_rows() -> None:
    log = open_bandit_log("bts", "women")
    weight_R = 1.0 / log.actions / log.probability_R

    assert 2.0 < overlap.effective_samples(weight_R) < 2.2


def test_the_gate_refuses_that_log() -> None:
    log = open_bandit_log("bts", "women")
    found = checks.overlap_checks(1.0 / log.actions / log.probability_R, LARGEST_WEIGHT)

    assert found[0].outcome == "fail"
    assert outcome_of(found) == Verdict.Outcome.REFUSE


def test_the_gate_takes_the_log_of_a_policy_that_draws_evenly() -> None:
    log = open_bandit_log("random", "women")
    weight_R = target(log)[log.position_R, log.action_R] / log.probability_R

    assert {check.outcome for check in checks.overlap_checks(weight_R, LARGEST_WEIGHT)} == {"pass"}
