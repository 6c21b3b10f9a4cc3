import pytest
import torch
from torch import nn

from dqn.configuration import LearnerConfiguration
from dqn.ensemble import HeadedLinear, HeadedMLP, RandomPrior, dueling
from dqn.learner import Learner


def test_the_batched_heads_equal_one_network_per_head() -> None:
    torch.manual_seed(1)
    ensemble = HeadedMLP(3, [5, 7, 4])
    x_BI = torch.randn(6, 5)

    found = ensemble(x_BI)

    for head in range(3):
        x = x_BI
        for number, layer in enumerate(ensemble.layers):
            assert isinstance(layer, HeadedLinear)
            x = (torch.relu(x) if number else x) @ layer.weight_HIO[head] + layer.bias_H1O[head]
        torch.testing.assert_close(found[:, head], x)


def test_leading_dimensions_stay_in_front() -> None:
    torch.manual_seed(2)
    layer = HeadedLinear(3, 5, 4)
    x = torch.randn(2, 6, 3, 5)

    torch.testing.assert_close(layer(x)[1, 4], layer(x[1, 4:5])[0])


def test_a_random_prior_adds_to_the_values_and_never_learns() -> None:
    torch.manual_seed(3)
    network = RandomPrior(nn.Linear(2, 2), nn.Linear(2, 2), scale=2.0)
    x = torch.randn(4, 2)
    expected = network.network(x) + 2.0 * network.prior(x)
    torch.testing.assert_close(network(x), expected)
    network(x).sum().backward()
    assert all(weight.grad is None for weight in network.prior.parameters())


def test_the_learner_leaves_the_random_prior_alone() -> None:
    from tests.dqn import chain

    torch.manual_seed(4)
    prior = chain.Table()
    with torch.no_grad():
        prior.values.normal_()
    before = prior.values.detach().clone()
    network = RandomPrior(chain.Table(), prior, scale=0.5)
    learner = Learner(network, LearnerConfiguration(learning_rate=0.02, polyak=0.2))

    for _ in range(1500):
        learner.update(chain.transitions())

    assert torch.equal(prior.values, before)
    observation = {"state": torch.arange(chain.STATES)}
    torch.testing.assert_close(network(observation).detach(), chain.optimal_values(), atol=3e-3, rtol=0)


def test_dueling_values_do_not_depend_on_which_others_are_listed() -> None:
    value_BH, advantage_BHA = torch.randn(2, 3), torch.randn(2, 3, 5)

    torch.testing.assert_close(dueling(value_BH, advantage_BHA)[..., :2], dueling(value_BH, advantage_BHA[..., :2]))


def test_too_few_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes"):
        HeadedMLP(2, [3])
