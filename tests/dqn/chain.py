"""A corridor of five states whose values are known in closed form. Before: the tests' numbers. After: test_learner.py.

Action 0 goes left and ends before state 0 with reward 0; action 1 goes right and ends behind state 4 with reward 1."""

import torch
from torch import Tensor, nn

from dqn.replay import Episodes, Transitions

STATES = 5
DISCOUNT = 0.9
ALWAYS_OPEN = torch.ones(STATES * 2, 2, dtype=torch.bool)


class Table(nn.Module):
    """One free value per state and action: what the learner converges to is the solution itself."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(STATES, 2))

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        return self.values[observation["state"]]


def step(state: int, action: int) -> tuple[int, float, bool]:
    """Next state, reward, whether the episode ended."""
    after = state + (1 if action else -1)
    return min(max(after, 0), STATES - 1), float(after == STATES), after in (-1, STATES)


def transitions(log_prior: Tensor | None = None) -> Transitions:
    """Every state with every action, once."""
    pairs = [(state, action) for state in range(STATES) for action in range(2)]
    after = [step(state, action) for state, action in pairs]
    prior = None if log_prior is None else log_prior.expand(len(pairs), 2)
    return Transitions(
        observation={"state": torch.tensor([state for state, _ in pairs])},
        mask_BA=ALWAYS_OPEN,
        action_B=torch.tensor([action for _, action in pairs]),
        reward_B=torch.tensor([reward for _, reward, _ in after]),
        discount_B=torch.tensor([0.0 if ended else DISCOUNT for *_, ended in after]),
        next_observation={"state": torch.tensor([state for state, *_ in after])},
        next_mask_BA=ALWAYS_OPEN,
        log_prior_BA=prior,
        next_log_prior_BA=prior,
    )


def episodes(
    actions: list[list[int]], start: int = 2, log_prior: Tensor | None = None, open_SA: Tensor | None = None
) -> Episodes:
    """Walks by given actions from `start`, padded; a walk that did not end has its last state as one more step. `open_SA` says
    what is open in each state."""
    open_SA = torch.ones(STATES, 2, dtype=torch.bool) if open_SA is None else open_SA
    longest = max(map(len, actions)) + 1
    state = torch.zeros(len(actions), longest, dtype=torch.long)
    action, valid = torch.zeros_like(state), torch.zeros_like(state, dtype=torch.bool)
    reward = torch.zeros(len(actions), longest)
    discount = torch.full_like(reward, DISCOUNT)
    for row, walk in enumerate(actions):
        here = start
        for t, move in enumerate([*walk, 0]):
            state[row, t], action[row, t], valid[row, t] = here, move, True
            here, reward[row, t], ended = step(here, move)
            if ended:
                discount[row, t] = 0
                break
    return Episodes(
        observation={"state": state},
        mask_BTA=open_SA[state],
        action_BT=action,
        reward_BT=reward,
        discount_BT=discount,
        valid_BT=valid,
        log_prior_BTA=None if log_prior is None else log_prior.expand(*state.shape, 2),
    )


def optimal_values() -> Tensor:
    """Q* in closed form: k steps from the right end are worth γ^(k−1)."""
    state_value = [DISCOUNT ** (STATES - 1 - state) for state in range(STATES)]
    left = [0.0] + [DISCOUNT * state_value[state - 1] for state in range(1, STATES)]
    return torch.tensor([[left[state], state_value[state]] for state in range(STATES)])


def soft_values(log_prior: Tensor, temperature: float) -> Tensor:
    """G* in closed form: with e^(V/τ) = Σ p₀ e^(G/τ) and γ = 1 the corridor is linear in z = e^(V/τ).

    z_s = p_left z_(s−1) + p_right z_(s+1), z_(−1) = 1, z_5 = e^(1/τ): gambler's ruin, whose solution is known.
    """
    left, right = log_prior.exp().tolist()
    ratio = left / right
    goal = float(torch.tensor(1 / temperature).exp())

    def z(state: int) -> float:
        wins = (state + 1) / (STATES + 1) if ratio == 1 else (1 - ratio ** (state + 1)) / (1 - ratio ** (STATES + 1))
        return wins * goal + (1 - wins)

    value = torch.tensor([z(state) for state in range(-1, STATES + 1)]).log() * temperature
    value[0], value[-1] = 0.0, 1.0
    return torch.stack([value[:-2], value[2:]], dim=1)
