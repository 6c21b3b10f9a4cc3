import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dqn import targets

REWARD = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
VALUE = torch.tensor([[0.5, 10.0, 20.0, 30.0]])
TAKEN = torch.tensor([[0.7, 11.0, 18.0, 33.0]])
ONES = torch.ones(1, 4)
HALF = torch.tensor([[0.5, 0.5, 0.5, 0.0]])


def test_double_q_lets_one_choose_and_the_other_value() -> None:
    chooser, estimate = torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    everything, not_the_best = torch.tensor([[True, True, True]]), torch.tensor([[True, False, True]])

    assert targets.double_q_value(chooser, estimate, everything).tolist() == [20.0]
    assert targets.double_q_value(chooser, estimate, not_the_best).tolist() == [30.0]


def test_a_state_with_nothing_open_is_worth_nothing() -> None:
    scores, closed = torch.tensor([[1.0, 3.0]]), torch.tensor([[False, False]])

    assert targets.double_q_value(scores, scores, closed).tolist() == [0.0]
    assert targets.psi_value(scores, closed, 1.0).tolist() == [0.0]
    assert targets.kl_value(scores, scores, scores, closed, 1.0).tolist() == [0.0]


def test_kl_value_of_one_network_is_the_soft_maximum_over_the_prior() -> None:
    log_prior = torch.tensor([[0.2, 0.3, 0.5]]).log()
    g = torch.tensor([[1.0, -2.0, 0.5]])
    mask = torch.tensor([[True, True, False]])
    by_hand = 0.7 * math.log(0.4 * math.exp(1.0 / 0.7) + 0.6 * math.exp(-2.0 / 0.7))

    assert float(targets.kl_value(g, g, log_prior, mask, 0.7)) == pytest.approx(by_hand, rel=1e-5)


def test_kl_value_of_another_chooser_is_its_expectation_less_its_divergence() -> None:
    log_prior = torch.tensor([[0.5, 0.5]]).log()
    chooser, estimate = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([[2.0, 6.0]])
    by_hand = 0.75 * (2.0 - math.log(1.5)) + 0.25 * (6.0 - math.log(0.5))

    found = targets.kl_value(chooser, estimate, log_prior, torch.tensor([[True, True]]), 1.0)

    assert float(found) == pytest.approx(by_hand, rel=1e-5)


def test_leaving_the_prior_costs_nothing_while_g_is_zero() -> None:
    log_prior = torch.randn(20, 9, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    mask = torch.rand(20, 9, generator=torch.Generator().manual_seed(2)) < 0.5

    assert bool((targets.kl_value(torch.zeros(20, 9), torch.zeros(20, 9), log_prior, mask, 0.5) == 0).all())


def test_a_token_the_prior_excludes_stays_excluded() -> None:
    log_prior = torch.tensor([[0.0, -math.inf]])

    policy = targets.log_policy(torch.tensor([[0.0, 50.0]]), log_prior, torch.tensor([[True, True]]), 1.0).exp()

    assert policy.tolist() == [[1.0, 0.0]]


def test_n_steps_by_hand() -> None:
    discount = HALF

    two = targets.n_step(REWARD, discount, VALUE, VALUE, ONES, 2)
    three = targets.n_step(REWARD, discount, VALUE, VALUE, ONES, 3)

    assert two.tolist() == [[1 + 0.5 * 2 + 0.25 * 20, 2 + 0.5 * 4 + 0.25 * 30, 4 + 0.5 * 8, 8.0]]
    assert three.tolist() == [[1 + 0.5 * 2 + 0.25 * 4 + 0.125 * 30, 2 + 0.5 * 4 + 0.25 * 8, 4 + 0.5 * 8, 8.0]]


def test_soft_n_steps_pay_for_each_step_between() -> None:
    found = targets.n_step(REWARD, HALF, VALUE, TAKEN, ONES, 3)

    # log π/p₀ = G⁻ − V⁻ of steps 1 and 2: 11 − 10 and 18 − 20.
    by_hand = 1 + 0.5 * (2 - 1) + 0.25 * (4 + 2) + 0.125 * 30
    assert float(found[0, 0]) == pytest.approx(by_hand)


def test_n_steps_end_where_the_learnt_steps_end() -> None:
    cut = torch.tensor([[1.0, 1.0, 0.0, 0.0]])

    found = targets.n_step(REWARD, torch.full((1, 4), 0.5), VALUE, VALUE, cut, 4)

    assert found[0, :2].tolist() == [1 + 0.5 * 2 + 0.25 * 20, 2 + 0.5 * 20]


def brute_force_lambda_return(
    reward: list[float], discount: list[float], value: list[float], taken: list[float], weight: list[float], lam: float, t: int
) -> float:
    """Σ over k of the λ-weighted temporal differences, straight from equation 3 of arXiv 1606.02647."""

    def following(values: list[float], k: int) -> float:
        return values[k + 1] if k + 1 < len(values) else 0.0

    total, factor = 0.0, 1.0
    for k in range(t, len(reward)):
        difference = reward[k] + discount[k] * following(value, k) - (taken[k] if k > t else 0.0)
        total += factor * difference
        factor *= discount[k] * lam * following(weight, k)
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.floats(0.0, 1.0), st.integers(0, 10_000))
def test_lambda_returns_equal_brute_force(steps: int, lam: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    reward, value, taken, weight, discount = torch.rand(5, 1, steps, generator=generator, dtype=torch.float64)
    discount = torch.where(discount < 0.2, 0.0, discount)

    found = targets.lambda_returns(reward, discount, value, taken, lam * weight)

    lists = [tensor[0].tolist() for tensor in (reward, discount, value, taken, weight)]
    by_hand = [brute_force_lambda_return(lists[0], lists[1], lists[2], lists[3], lists[4], lam, t) for t in range(steps)]
    assert found[0].tolist() == pytest.approx(by_hand)


def test_lambda_zero_is_one_step_and_lambda_one_is_all_steps() -> None:
    one = targets.n_step(REWARD, HALF, VALUE, TAKEN, ONES, 1)
    all_of_them = targets.n_step(REWARD, HALF, VALUE, TAKEN, ONES, 4)

    torch.testing.assert_close(targets.lambda_returns(REWARD, HALF, VALUE, TAKEN, 0.0 * ONES), one)
    torch.testing.assert_close(targets.lambda_returns(REWARD, HALF, VALUE, TAKEN, ONES), all_of_them)


def test_soft_lambda_returns_pay_the_divergence() -> None:
    found = targets.lambda_returns(REWARD, HALF, VALUE, TAKEN, 0.9 * ONES)

    # Each step is 0.1 parts V and 0.9 parts what followed, less log π/p₀ = G⁻ − V⁻ of the step that followed.
    last_but_one = 4 + 0.5 * (0.1 * 30 + 0.9 * (8 - (33 - 30)))
    before = 2 + 0.5 * (0.1 * 20 + 0.9 * (last_but_one - (18 - 20)))
    assert found[0, 1:].tolist() == pytest.approx([before, last_but_one, 8.0])


def test_a_step_without_a_choice_lets_all_of_the_return_through() -> None:
    found = targets.lambda_returns(REWARD, HALF, VALUE, VALUE, torch.tensor([[0.0, 1.0, 1.0, 0.0]]))

    # Steps 1 and 2 leave no choice: what precedes them is paid what they earned, and then the value of the next choice.
    assert float(found[0, 0]) == pytest.approx(1 + 0.5 * (2 + 0.5 * (4 + 0.5 * 30)))


def test_weights_are_truncated_at_one() -> None:
    found = targets.truncated_weights(torch.tensor([0.5, 0.1]).log(), torch.tensor([0.25, 0.4]).log())

    assert found.tolist() == pytest.approx([1.0, 0.25])
