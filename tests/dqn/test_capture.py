"""The captured gradient is the same function: same weights, same resumption, other shapes and all algorithms included."""

import dataclasses
from typing import Any

import pytest
import torch

from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Batch, Replay
from tests.dqn import chain
from tests.dqn.test_learner import UNEVEN, small_network

WALKS = chain.episodes([[1, 1, 1], [0, 1, 0], [1, 0, 1, 1, 1]], log_prior=UNEVEN)


@pytest.mark.parametrize(
    ("batch", "options"),
    [
        (chain.transitions(), {"algorithm": "double_q", "conservative_weight": 0.3}),
        (chain.transitions(UNEVEN), {"algorithm": "kl_residual"}),
        (WALKS, {"algorithm": "kl_residual", "lambda_return": 0.9}),
        (WALKS, {"algorithm": "psi", "n_steps": 2}),
    ],
)
def test_captured_updates_give_the_same_weights(batch: Batch, options: dict[str, Any]) -> None:
    found = []
    for compile_it in (False, True):
        network = chain.Table()
        learner = Learner(network, LearnerConfiguration(compile=compile_it, learning_rate=0.05, polyak=0.2, **options))
        figures = [learner.update(batch) for _ in range(30)]
        found.append((network.values.detach(), figures[-1]))

    torch.testing.assert_close(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])


def test_a_captured_run_with_dropout_is_resumed_bit_for_bit() -> None:
    configuration = LearnerConfiguration(batch_size=8, seed=5, compile=True)
    replay = Replay.of(chain.transitions())
    whole = Learner(small_network(), configuration)
    whole.run(replay, 40)
    first = Learner(small_network(), configuration)
    first.run(replay, 15)
    state = first.state_dict()

    resumed = Learner(small_network(), configuration)
    resumed.load_state_dict(state)
    resumed.run(replay, 25)

    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in resumed.state_dict().items())


def test_dropout_is_drawn_anew_at_every_captured_update() -> None:
    learner = Learner(small_network(), LearnerConfiguration(compile=True, learning_rate=1e-12))
    batch = chain.transitions()

    losses = {float(learner.update(batch)["loss"]) for _ in range(5)}

    assert len(losses) > 1


def test_another_shape_is_captured_anew() -> None:
    learner = Learner(chain.Table(), LearnerConfiguration(compile=True))
    whole = chain.transitions()
    half = whole.apply(lambda tensor: tensor[5:])

    assert float(learner.update(whole)["loss"]) == pytest.approx(0.05)
    assert float(learner.update(half)["loss"]) == pytest.approx(0.1, rel=0.05)


def test_a_batch_with_another_choice_of_optional_tensors_is_captured_anew() -> None:
    learner = Learner(chain.Table(), LearnerConfiguration(compile=True, algorithm="q", learning_rate=1e-12))
    plain = chain.transitions()
    weighted = dataclasses.replace(plain, weight_B=torch.zeros(10))
    valued = dataclasses.replace(plain, next_no_choice_B=torch.zeros(10))

    assert float(learner.update(weighted)["loss"]) == 0.0
    assert float(learner.update(valued)["loss"]) == pytest.approx(0.05)


def test_capturing_itself_is_no_update() -> None:
    batch = chain.transitions()
    learner = Learner(small_network(), LearnerConfiguration(compile=True, learning_rate=1e-30, polyak=1e-30))
    before = learner.state_dict()

    learner.update(batch)

    after = learner.state_dict()
    assert torch.equal(before["weights"], after["weights"])
    # One gradient entered the running mean of Adam, with its share of a tenth: those of the capture did not.
    again = Learner(small_network(), LearnerConfiguration(learning_rate=1e-30, polyak=1e-30))
    again.update(batch)
    torch.testing.assert_close(after["optimizer.exp_avg"], again.state_dict()["optimizer.exp_avg"])
