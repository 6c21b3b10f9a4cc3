import dataclasses

import pytest
import torch

from dqn.replay import Replay, Transitions
from tests.dqn import chain


def test_a_sample_holds_whole_rows() -> None:
    whole = chain.transitions()
    replay = Replay.of(whole)

    batch = replay.sample(200, torch.Generator().manual_seed(0))

    for row in range(len(batch)):
        place = 2 * int(batch.observation["state"][row]) + int(batch.action_B[row])
        assert batch.reward_B[row] == whole.reward_B[place]
        assert batch.next_observation["state"][row] == whole.next_observation["state"][place]
    assert set(batch.observation["state"].tolist()) == set(range(chain.STATES))


def test_the_same_generator_draws_the_same_batch() -> None:
    replay = Replay.of(chain.transitions())
    one, two = (replay.sample(16, torch.Generator().manual_seed(3)) for _ in range(2))

    assert torch.equal(one.observation["state"], two.observation["state"])


def test_a_full_ring_forgets_the_oldest_rows() -> None:
    whole = chain.transitions()
    replay: Replay[Transitions] = Replay(capacity=6)
    for start in range(0, 10, 4):
        replay.add(whole.apply(lambda tensor, start=start: tensor[start : start + 4]))  # type: ignore[misc]

    kept = replay.rows(torch.arange(6))

    assert len(replay) == 6
    assert sorted((2 * kept.observation["state"] + kept.action_B).tolist()) == [4, 5, 6, 7, 8, 9]


def test_more_rows_than_the_ring_holds_leave_the_newest() -> None:
    replay: Replay[Transitions] = Replay(capacity=3)
    replay.add(chain.transitions())

    kept = replay.rows(torch.arange(3))

    assert (2 * kept.observation["state"] + kept.action_B).tolist() == [7, 8, 9]


def test_rows_may_be_built_from_indices() -> None:
    whole = chain.transitions()
    replay = Replay.from_gather(10, lambda index_B: whole.apply(lambda tensor: tensor[index_B]))

    batch = replay.sample(5, torch.Generator().manual_seed(0))

    assert len(batch) == 5


def test_an_empty_replay_says_so() -> None:
    with pytest.raises(ValueError, match="empty"):
        Replay(capacity=3).sample(1, torch.Generator())


def test_optional_tensors_travel_too() -> None:
    batch = dataclasses.replace(chain.transitions(), weight_B=torch.arange(10.0))

    assert Replay.of(batch).rows(torch.tensor([4])).weight_B == torch.tensor([4.0])


def test_steps_in_the_padding_are_not_learnt() -> None:
    batch = chain.episodes([[1, 1, 1], [1], [0, 0, 0]])

    # The first and the third walk ended; of the second, which was cut, the last state only serves to bootstrap from.
    assert batch.learnt().tolist() == [[True, True, True, False], [True, False, False, False], [True, True, True, False]]
