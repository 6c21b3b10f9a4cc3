"""What a logged transition is compared with: λ-returns, logged candidates, tracks that were tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

from recsys.learning.alternatives import MOST_STEPS, Returns, drawn_steps, rivals, scattered, tried, valued_by
from recsys.learning.behaviour import Behaviour
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.features import Scaling
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import prepare
from recsys.models import Recommendation, Track
from tests.recsys.learning.conftest import MONDAY, SMALL
from tests.recsys.learning.logged_world import live_under_popularity


@pytest.fixture
def logged(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """A log that popularity made; every play came from a slate."""
    live_under_popularity(listeners=12)
    return build(SMALL, as_of=MONDAY + timedelta(days=3))


def test_candidates_are_those_of_the_slate_a_track_was_played_from(logged: ReplayDataset) -> None:
    slates = list(Recommendation.objects.all())
    offered = {(slate.listener_id, track): set(slate.candidates) for slate in slates for track in slate.tracks}
    taught = np.flatnonzero(~logged.is_held_out_N)

    assert len(taught)
    for at in taught:
        listener, track = int(logged.listener_N[at]), int(logged.table.ids_T[logged.track_N[at]])
        kept = logged.candidate_NK[at][logged.candidate_NK[at] >= 0]
        assert len(kept) == SMALL.logged_candidates
        assert set(logged.table.ids_T[kept].tolist()) <= offered[listener, track]


def test_plays_without_a_slate_have_no_candidates(dataset: ReplayDataset) -> None:
    assert dataset.candidate_NK.shape == (len(dataset.track_N), SMALL.logged_candidates)
    assert (dataset.candidate_NK == -1).all()


def test_shares_are_how_often_a_candidate_was_shown() -> None:
    behaviour = Behaviour(3, 2)
    for slate in range(20):
        behaviour.add(slate, np.array([0, 1]), [0], [slate])
    share = behaviour.shares()

    usual = 20 / 40
    assert share == pytest.approx([(20 + 5 * usual) / 25, 5 * usual / 25, usual])
    assert sorted(behaviour.candidates(20)[3].tolist()) == [0, 1]


def test_rivals_are_the_logged_candidates_without_the_taken_track() -> None:
    candidate = torch.tensor([[4, 7, -1], [-1, -1, -1]])
    listed, mask = rivals(candidate, torch.tensor([7, 2]), torch.tensor([1, 2]))

    assert listed[0][mask[0]].tolist() == [4]
    # Nothing was logged: the pool stands in, over again where it is small.
    assert listed[1].tolist() == [1, 2, 1]
    assert mask[1].tolist() == [True, False, True]


@pytest.mark.parametrize("logged_candidates", [0, 8])
def test_the_conservative_term_looks_at_the_configured_tracks(checkerboard_tracks: list[Track], logged_candidates: int) -> None:
    live_under_popularity(listeners=12)
    configuration = replace(SMALL, logged_candidates=logged_candidates)
    dataset = build(configuration, as_of=MONDAY + timedelta(days=3))
    learner, replay = prepare(configuration, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    batch = replay.rows(torch.arange(SMALL.batch_size))
    values = learner.network(batch.observation)

    assert values.shape[2] == batch.mask_BA.shape[1] == 1 + (logged_candidates or SMALL.pool_size)
    assert batch.mask_BA[:, 0].all()
    figures = learner.run(replay, 20)
    assert np.isfinite(figures["loss"])


def test_steps_are_drawn_geometrically_and_the_same_for_the_same_batch() -> None:
    index = torch.randint(10_000, (4096,), generator=torch.Generator().manual_seed(2))
    steps = drawn_steps(scattered(index, torch.arange(len(index))), 0.6)

    assert (steps == drawn_steps(scattered(index, torch.arange(len(index))), 0.6)).all()
    shares = torch.bincount(steps, minlength=4)[:4] / len(index)
    assert shares.tolist() == pytest.approx([0.4, 0.24, 0.144, 0.0864], abs=0.03)
    assert int(steps.max()) <= MOST_STEPS - 1


def test_a_lambda_return_is_the_mean_over_numbers_of_steps(dataset: ReplayDataset) -> None:
    chosen = np.arange(len(dataset.track_N))
    lambda_return = 0.6
    drawn = Returns(dataset, replace(SMALL, lambda_return=lambda_return), chosen, "cpu")
    one = Returns(dataset, replace(SMALL, n_steps=1), chosen, "cpu")
    at = int(np.flatnonzero(dataset.discount_N > 0)[0])
    weights = np.array([(1 - lambda_return) * lambda_return**n for n in range(MOST_STEPS)])
    weights[-1] = lambda_return ** (MOST_STEPS - 1)

    def backwards(place: int, steps: int) -> float:
        """Rₜ = r + γ·λ·Rₜ₊₁ with values of 0."""
        followed = np.flatnonzero(dataset.state_N == dataset.next_state_N[place])
        reward, discount = float(dataset.reward_N[place]), float(dataset.discount_N[place])
        return (
            reward
            if steps == 1 or discount == 0
            else reward + discount * lambda_return * backwards(int(followed[0]), steps - 1)
        )

    assert float(weights @ drawn.reward_SN[:, at].numpy()) == pytest.approx(backwards(at, MOST_STEPS), abs=1e-5)
    assert torch.equal(one.at(torch.tensor([at]))[0], torch.as_tensor(dataset.reward_N[[at]]))


def test_only_what_was_tried_can_be_the_best_next_track() -> None:
    share = torch.tensor([0.5, 0.1, 0.2, 0.9])
    place = torch.arange(4)
    allowed = tried(share, 3, 0.3)

    assert valued_by(torch.tensor([True]), place, 3, allowed)[0].tolist() == [False, True, False, True, False]
    assert valued_by(torch.tensor([True]), place, 0, allowed)[0].tolist() == [True, False, False, False, False]
    assert tried(share, 3, 0.0).all()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lambda_return": 1.0}, "below 1"),
        ({"lambda_return": -0.1}, "between 0 and 1"),
        ({"behaviour_filter": 0.3}, "target_tracks, which is 0"),
        ({"logged_candidates": -1}, "at least 0"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RecommenderConfiguration(**fields)  # type: ignore[arg-type]
