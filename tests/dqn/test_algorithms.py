"""What tells the five algorithms apart: how each values the state ahead, by hand, and how wrong it is when values are noisy.

Where each converges is in test_learner.py: q and double_q to Q*, g and kl_residual to G*, psi to G* + log p₀."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Transitions

ALGORITHMS = ("q", "double_q", "psi", "g", "kl_residual")
ACTIONS, NOISY_STATES = 10, 20_000


class Table(nn.Module):
    """The values of some states, given."""

    def __init__(self, values_SA: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values_SA)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        return self.values[observation["state"]]


def target_of(
    algorithm: str,
    online_SA: Tensor,
    slower_SA: Tensor,
    *,
    reward: float = 0.0,
    discount: float = 1.0,
    prior_A: Tensor,
    next_mask_A: Tensor,
    **options: Any,
) -> float:
    """Mean target of action 0 over steps that lead to each of the states."""
    states, actions = online_SA.shape
    log_prior_BA = prior_A.log().expand(states, actions)
    batch = Transitions(
        observation={"state": torch.arange(states)},
        mask_BA=torch.ones(states, actions, dtype=torch.bool),
        action_B=torch.zeros(states, dtype=torch.long),
        reward_B=torch.full((states,), reward),
        discount_B=torch.full((states,), discount),
        next_observation={"state": torch.arange(states)},
        next_mask_BA=next_mask_A.expand(states, actions),
        log_prior_BA=log_prior_BA,
        next_log_prior_BA=log_prior_BA,
    )
    learner = Learner(Table(online_SA.clone()), LearnerConfiguration(algorithm=algorithm, **options))
    with torch.no_grad():
        learner.target.get_parameter("values").copy_(slower_SA)
    return float(learner.update(batch)["target"])


def test_each_values_the_state_ahead_in_its_own_way() -> None:
    p, other, tau = 2 / 3, 1 / 3, 0.5
    # The third action is the best and likely, but closed; of the others the networks disagree on which is better.
    online_A, slower_A = (3.0, 2.0, 9.0), (1.0, 2.0, 9.0)
    chosen = p * math.exp(3 / tau) / (p * math.exp(3 / tau) + other * math.exp(2 / tau))
    divergence = chosen * math.log(chosen / p) + (1 - chosen) * math.log((1 - chosen) / other)
    ahead = {
        "q": 2.0,
        "double_q": 1.0,
        "psi": tau * math.log(math.exp(1 / tau) + math.exp(2 / tau)),
        "g": tau * math.log(p * math.exp(1 / tau) + other * math.exp(2 / tau)),
        "kl_residual": chosen * 1.0 + (1 - chosen) * 2.0 - tau * divergence,
    }
    # Those whose values hold the prior are paid for it: p₀ of the action taken, of three open ones, is 0.4.
    at_once = {name: 1.0 if name in ("g", "kl_residual") else 1.0 + tau * math.log(0.4) for name in ALGORITHMS}

    found = {
        name: target_of(
            name,
            torch.tensor([online_A]),
            torch.tensor([slower_A]),
            reward=1.0,
            discount=0.9,
            prior_A=torch.tensor([0.4, 0.2, 0.4]),
            next_mask_A=torch.tensor([True, True, False]),
            temperature=tau,
        )
        for name in ALGORITHMS
    }

    assert found == pytest.approx({name: at_once[name] + 0.9 * ahead[name] for name in ALGORITHMS}, rel=1e-5)
    assert len({round(target, 3) for target in found.values()}) == len(ALGORITHMS)


@pytest.mark.parametrize(
    ("algorithm", "error"),
    [
        # The mean of the largest of ten standard normal numbers.
        ("q", 1.53875),
        ("double_q", 0.0),
        # E log Σ e^x, and E log of the mean of e^x, of ten such numbers (by ten million draws; their difference is log 10).
        ("psi", 2.7290),
        ("g", 0.4264),
    ],
)
def test_noisy_values_are_overestimated_by_a_known_amount(algorithm: str, error: float) -> None:
    """All actions are worth 0, and both networks are off by independent standard normal errors."""
    found = target_of(algorithm, noise(1), noise(2), prior_A=torch.ones(ACTIONS) / ACTIONS, next_mask_A=open_actions())

    prior_reward = 0.0 if algorithm == "g" else math.log(1 / ACTIONS)
    assert found == pytest.approx(prior_reward + error, abs=0.015)


def test_the_residual_pays_for_leaving_the_prior_for_nothing_instead_of_overestimating() -> None:
    """Its chooser follows its own errors, which the other network does not share: what remains is the cost of the detour."""
    log_policy_SA = noise(1).log_softmax(-1)
    divergence = float((log_policy_SA.exp() * (log_policy_SA - math.log(1 / ACTIONS))).sum(-1).mean())

    found = target_of("kl_residual", noise(1), noise(2), prior_A=torch.ones(ACTIONS) / ACTIONS, next_mask_A=open_actions())

    assert divergence > 0.3
    assert found == pytest.approx(-divergence, abs=0.015)


def noise(seed: int) -> Tensor:
    return torch.randn(NOISY_STATES, ACTIONS, generator=torch.Generator().manual_seed(seed))


def open_actions() -> Tensor:
    return torch.ones(ACTIONS, dtype=torch.bool)
