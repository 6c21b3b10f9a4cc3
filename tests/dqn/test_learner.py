import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Batch, Replay, Transitions
from dqn.targets import log_policy
from tests.dqn import chain

UNEVEN = torch.tensor([0.7, 0.3]).log()


def solved(batch: Batch, updates: int = 1500, **options: Any) -> Tensor:
    """The table after the learner has seen the whole batch many times."""
    settings = {"learning_rate": 0.02, "polyak": 0.2, "discount": chain.DISCOUNT, "gradient_clip_norm": 0.0} | options
    network = chain.Table()
    learner = Learner(network, LearnerConfiguration(**settings))
    for _ in range(updates):
        learner.update(batch)
    return network.values.detach()


def target_values(learner: Learner) -> Tensor:
    """The table of the target network, to be set by hand."""
    return learner.target.get_parameter("values")


def without_discount(batch: Transitions) -> Transitions:
    return dataclasses.replace(batch, discount_B=(batch.discount_B > 0).float())


@pytest.mark.parametrize("algorithm", ["q", "double_q"])
def test_the_chain_is_solved_in_closed_form(algorithm: str) -> None:
    torch.testing.assert_close(solved(chain.transitions(), algorithm=algorithm), chain.optimal_values(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("algorithm", ["g", "kl_residual"])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_soft_values_of_the_chain_are_solved_in_closed_form(algorithm: str, temperature: float) -> None:
    batch = without_discount(chain.transitions(UNEVEN))

    found = solved(batch, algorithm=algorithm, temperature=temperature)

    torch.testing.assert_close(found, chain.soft_values(UNEVEN, temperature), atol=2e-3, rtol=0)


def test_psi_is_the_prior_plus_g() -> None:
    batch = without_discount(chain.transitions(UNEVEN))

    torch.testing.assert_close(
        solved(batch, algorithm="psi", updates=3000), chain.soft_values(UNEVEN, 1.0) + UNEVEN, atol=5e-3, rtol=0
    )


@pytest.mark.parametrize("options", [{"n_steps": 3}, {"lambda_return": 0.8}])
def test_several_steps_give_the_same_soft_values_as_one(options: dict[str, Any]) -> None:
    walks = [
        [1, 1, 1],
        [0, 0, 0],
        [1, 0, 1, 1, 1],
        [0, 1, 0, 0, 0],
        [1, 1, 0, 1, 1],
        [0, 0, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
    ]
    batch = chain.episodes(walks, log_prior=UNEVEN)
    batch = dataclasses.replace(batch, discount_BT=(batch.discount_BT > 0).float())

    found = solved(batch, algorithm="kl_residual", updates=3000, **options)

    torch.testing.assert_close(found, chain.soft_values(UNEVEN, 1.0), atol=5e-3, rtol=0)


@pytest.mark.parametrize("options", [{}, {"n_steps": 3}, {"lambda_return": 0.9}])
def test_a_terminal_step_never_bootstraps(options: dict[str, Any]) -> None:
    batch = chain.episodes([[1, 1, 1]])
    learner = Learner(chain.Table(), LearnerConfiguration(algorithm="q", learning_rate=1e-9, **options))
    with torch.no_grad():
        target_values(learner).fill_(100.0)

    last = dataclasses.replace(batch, weight_B=None).apply(lambda tensor: tensor[:, 2:3])

    assert float(learner.update(last)["target"]) == 1.0


def test_a_cut_episode_bootstraps_from_its_last_state() -> None:
    cut = chain.episodes([[1, 1]])
    assert cut.learnt().tolist() == [[True, True, False]]
    learner = Learner(chain.Table(), LearnerConfiguration(algorithm="q", learning_rate=1e-9))
    with torch.no_grad():
        target_values(learner)[4] = 10.0

    figures = learner.update(cut)

    # Of the two learnt steps the second reaches state 4, whose value is 10; the first reaches state 3, whose value is 0.
    assert float(figures["target"]) == pytest.approx(chain.DISCOUNT * 10 / 2)


def test_the_mask_acts_in_the_target() -> None:
    batch = chain.transitions()
    no_right = batch.next_mask_BA.clone()
    no_right[:, 1] = False

    found = solved(dataclasses.replace(batch, next_mask_BA=no_right))

    expected = torch.zeros(chain.STATES, 2)
    expected[4, 1] = 1.0
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("algorithm", ["kl_residual", "psi"])
def test_the_mask_acts_in_the_returns_of_episodes(algorithm: str) -> None:
    open_SA = torch.ones(chain.STATES, 2, dtype=torch.bool)
    open_SA[2, 1] = False
    walks = [
        [1],
        [0, 1, 1],
        [0, 1, 0, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 0, 0, 0],
    ]
    batch = chain.episodes(walks, start=4, log_prior=UNEVEN, open_SA=open_SA)
    batch = dataclasses.replace(batch, discount_BT=(batch.discount_BT > 0).float())
    network = chain.Table()
    with torch.no_grad():
        # What is closed looks best, and nothing teaches otherwise.
        network.values[2, 1] = 5.0
    configuration = LearnerConfiguration(
        algorithm=algorithm, lambda_return=0.9, learning_rate=0.02, polyak=0.2, gradient_clip_norm=0.0
    )
    learner = Learner(network, configuration)
    for _ in range(3000):
        learner.update(batch)

    # Whoever comes to state 2 leaves at the left end: only states 3 and 4 are worth something. With z = e^V as in `chain`:
    # z_2 = 1, z_3 = p_left z_2 + p_right z_4, z_4 = p_left z_3 + p_right e.
    left, right = UNEVEN.exp()
    z_4 = (left**2 + right * math.e) / (1 - left * right)
    z_3 = left + right * z_4
    worth = torch.tensor([[0, 0], [0, 0], [0, 5], [0, z_4.log()], [z_3.log(), 1]])
    if algorithm == "psi":
        # Where one action alone is open, the prior of it is 1.
        worth += UNEVEN * torch.tensor([[1.0], [1.0], [0.0], [1.0], [1.0]])
    torch.testing.assert_close(network.values.detach(), worth, atol=5e-3, rtol=0)


@pytest.mark.parametrize("algorithm", ["q", "double_q", "g", "kl_residual"])
def test_steps_without_a_choice_cut_no_credit_whatever_lambda_is(algorithm: str) -> None:
    options: dict[str, Any] = {"algorithm": algorithm, "lambda_return": 1e-6, "polyak": 1e-9, "updates": 600}

    def worth_of_setting_out(open_SA: Tensor) -> float:
        """Of the first of three steps to the right end, as the target network still knows nothing."""
        log_prior = None if algorithm in ("q", "double_q") else UNEVEN
        return float(solved(chain.episodes([[1, 1, 1]], log_prior=log_prior, open_SA=open_SA), **options)[2, 1])

    everything, corridor = torch.ones(chain.STATES, 2, dtype=torch.bool), torch.ones(chain.STATES, 2, dtype=torch.bool)
    corridor[3:, 0] = False

    assert worth_of_setting_out(corridor) == pytest.approx(chain.DISCOUNT**2, abs=1e-3)
    assert worth_of_setting_out(everything) == pytest.approx(0.0, abs=1e-3)


def test_a_zero_network_is_exactly_the_masked_prior_and_worth_nothing() -> None:
    log_prior = torch.randn(7, 30, generator=torch.Generator().manual_seed(3)).log_softmax(-1)
    mask = torch.rand(7, 30, generator=torch.Generator().manual_seed(4)) < 0.6
    kept = log_prior.exp() * mask

    found = log_policy(torch.zeros(7, 30), log_prior, mask, 0.8).exp()

    torch.testing.assert_close(found, kept / kept.sum(-1, keepdim=True))
    assert bool((found[~mask] == 0).all())


def test_each_head_learns_the_chain_from_its_own_target() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.values = nn.Parameter(torch.randn(chain.STATES, 3, 2, generator=torch.Generator().manual_seed(0)))

        def forward(self, observation: dict[str, Tensor]) -> Tensor:
            return self.values[observation["state"]]

    network = Heads()
    learner = Learner(network, LearnerConfiguration(heads=3, learning_rate=0.02, polyak=0.2))
    for _ in range(2000):
        learner.update(chain.transitions())

    for head in range(3):
        torch.testing.assert_close(network.values.detach()[:, head], chain.optimal_values(), atol=5e-3, rtol=0)


def test_the_conservative_term_by_hand() -> None:
    batch = chain.transitions()
    plain = Learner(chain.Table(), LearnerConfiguration(algorithm="q"))
    careful = Learner(chain.Table(), LearnerConfiguration(algorithm="q", conservative_weight=0.5))

    difference = careful.update(batch)["loss"] - plain.update(batch)["loss"]

    # All values are 0, so logsumexp Q − Q(a) = log 2 in every row.
    assert float(difference) == pytest.approx(0.5 * 0.6931472)


def test_a_weight_of_zero_leaves_a_row_out() -> None:
    batch = chain.transitions()
    weight = torch.ones(len(batch))
    weight[9] = 0.0

    # Row 9 is the only one with a reward: without it there is nothing to learn.
    found = solved(dataclasses.replace(batch, weight_B=weight), updates=200)

    assert bool((found == 0).all())


def test_an_auxiliary_loss_is_learnt_too() -> None:
    def pull(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"pull": (network.get_parameter("values")[0, 0] - 3.0) ** 2}

    batch = chain.transitions().apply(lambda tensor: tensor[9:])
    network = chain.Table()
    learner = Learner(network, LearnerConfiguration(learning_rate=0.05), auxiliary=pull)
    for _ in range(500):
        figures = learner.update(batch)

    assert float(network.values.detach()[0, 0]) == pytest.approx(3.0, abs=0.01)
    assert "pull" in figures


def small_network() -> nn.Module:
    torch.manual_seed(11)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(chain.STATES, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))

        def forward(self, observation: dict[str, Tensor]) -> Tensor:
            return self.layers(torch.eye(chain.STATES)[observation["state"]])  # type: ignore[no-any-return]

    return Network()


def test_two_seeded_runs_give_identical_weights() -> None:
    found = []
    for _ in range(2):
        learner = Learner(small_network(), LearnerConfiguration(batch_size=8, seed=5))
        learner.run(Replay.of(chain.transitions()), 60)
        found.append(learner.weights())

    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_learning_rate_counts_from_the_next_update_on() -> None:
    replay = Replay.of(chain.transitions())
    learner = Learner(small_network(), LearnerConfiguration(batch_size=8, seed=5))
    learner.run(replay, 10)
    before = learner.weights()

    learner.set_learning_rate(1e-12)
    learner.run(replay, 10)

    assert all(torch.allclose(before[name], weight, atol=1e-9) for name, weight in learner.weights().items())


def test_another_seed_gives_other_weights() -> None:
    found = []
    for seed in (1, 2):
        learner = Learner(small_network(), LearnerConfiguration(batch_size=8, seed=seed))
        learner.run(Replay.of(chain.transitions()), 20)
        found.append(learner.weights()["layers.0.weight"])

    assert not torch.equal(found[0], found[1])


def test_a_resumed_run_gives_identical_weights() -> None:
    configuration = LearnerConfiguration(batch_size=8, seed=5)
    replay = Replay.of(chain.transitions())
    whole = Learner(small_network(), configuration)
    whole.run(replay, 60)
    first = Learner(small_network(), configuration)
    first.run(replay, 25)
    state = {name: tensor.numpy() for name, tensor in first.state_dict().items()}
    first.run(replay, 7)

    resumed = Learner(small_network(), configuration)
    resumed.load_state_dict(state)
    resumed.run(replay, 35)

    assert resumed.updates == whole.updates
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in resumed.state_dict().items())


def test_a_state_of_another_network_is_refused() -> None:
    learner = Learner(chain.Table(), LearnerConfiguration())
    with pytest.raises(ValueError, match="weights"):
        learner.load_state_dict(Learner(small_network(), LearnerConfiguration()).state_dict())


def test_progress_tells_mean_figures_and_may_stop_the_run_between_updates() -> None:
    told: list[int] = []

    def stop_at_20(updates: int, figures: Any) -> None:
        told.append(updates)
        assert {"loss", "gradient_norm", "value", "target"} <= set(figures)
        if updates == 20:
            raise StopIteration

    learner = Learner(chain.Table(), LearnerConfiguration(batch_size=4))
    with pytest.raises(StopIteration):
        learner.run(Replay.of(chain.transitions()), 100, stop_at_20, report_every_updates=10)

    assert told == [10, 20]
    assert learner.updates == 20


def test_it_names_the_missing_prior_and_the_missing_choice_model() -> None:
    with pytest.raises(ValueError, match="prior"):
        Learner(chain.Table(), LearnerConfiguration(algorithm="kl_residual")).update(chain.transitions())
    with pytest.raises(ValueError, match="next_choice_BA"):
        Learner(chain.Table(), LearnerConfiguration(slate_size=2)).update(chain.transitions())


def test_a_slate_bootstraps_from_its_worth() -> None:
    batch = chain.transitions()
    rows = len(batch)
    batch = dataclasses.replace(
        batch,
        next_choice_BA=torch.tensor([1.0, 3.0]).expand(rows, 2),
        next_no_choice_B=torch.ones(rows),
        next_no_choice_value_B=torch.full((rows,), 2.0),
    )
    learner = Learner(chain.Table(), LearnerConfiguration(slate_size=2, learning_rate=1e-9))
    with torch.no_grad():
        target_values(learner).copy_(torch.tensor([5.0, 1.0]).expand(chain.STATES, 2))

    one = batch.apply(lambda tensor: tensor[2:3])

    # (1·5 + 3·1 + 1·2) / (1 + 3 + 1) = 2 for both tracks, no choice included.
    assert float(learner.update(one)["target"]) == pytest.approx(chain.DISCOUNT * 2.0)
