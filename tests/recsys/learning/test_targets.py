"""From the log to what a transition is learned towards, reckoned by hand: open sessions, double Q, tracks that were tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch
from torch import Tensor

from accounts.models import Account
from dqn.learner import Learner
from recsys.learning.features import Scaling
from recsys.learning.network import RecommenderNetwork
from recsys.learning.replay import Played
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import prepare
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, play
from tests.recsys.learning.logged_world import live_under_popularity

ONE_STEP = replace(SMALL, n_steps=1, conservative_weight=0.0)
BEST_OF_EIGHT = replace(ONE_STEP, target_tracks=8)


def prepared(configuration: object, dataset: ReplayDataset, place: int) -> tuple[Learner, Played]:
    """The learner before its first update, and a batch of nothing but one transition of those that teach."""
    assert isinstance(configuration, type(SMALL))
    learner, replay = prepare(configuration, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    return learner, replay.rows(torch.full((configuration.batch_size,), place))


def worth_in_every_state(network: torch.nn.Module, value: float, of_content_X: Tensor | None = None) -> None:
    """Makes Q the same in all states: a value, and what each track's content adds to it."""
    assert isinstance(network, RecommenderNetwork)
    with torch.no_grad():
        network.lookahead_H.fill_(-1.0)
        network.value.weight.zero_()
        network.value.bias.fill_(value)
        network.after_XH.copy_(torch.zeros_like(network.after_XH) if of_content_X is None else of_content_X[:, None])


@pytest.fixture
def one_evening(alice: Account, tracks: list[Track]) -> list[Feedback]:
    """Twelve tracks, one after another."""
    return Feedback.objects.bulk_create(
        play(alice.listener, track, MONDAY + timedelta(minutes=2 * number), track.duration_seconds / 2)
        for number, track in enumerate(tracks)
    )


@pytest.mark.parametrize(("minutes", "bootstraps"), [(10, True), (24 * 60, False)])
@pytest.mark.parametrize("steps", [1, 3])
def test_only_a_session_that_may_go_on_counts_on_what_is_to_come(
    one_evening: list[Feedback], minutes: int, bootstraps: bool, steps: int
) -> None:
    configuration = replace(ONE_STEP, n_steps=steps)
    dataset = build(configuration, as_of=one_evening[-1].occurred_at + timedelta(minutes=minutes))
    reward = {int(dataset.table.ids_T[row]): r for row, r in zip(dataset.track_N, dataset.reward_N.tolist(), strict=True)}
    last, before = (one_evening[at].track_id for at in (-1, -2))
    place = {int(dataset.table.ids_T[row]): at for at, row in enumerate(dataset.track_N)}
    worth = 2.0 if bootstraps else 0.0
    expected = {last: reward[last] + 0.5 * worth, before: reward[before] + 0.5 * (reward[last] + 0.5 * worth)}
    if steps == 1:
        expected[before] = reward[before] + 0.5 * 2.0  # it went on, whatever came later

    for track, target in expected.items():
        learner, batch = prepared(configuration, dataset, place[track])
        for network in (learner.network, learner.target):
            worth_in_every_state(network, 2.0)
        assert float(learner.update(batch)["target"]) == pytest.approx(target, abs=1e-5)


@pytest.fixture
def logged(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """A log that popularity made, so that some tracks were shown more often than others."""
    live_under_popularity(listeners=12)
    return build(BEST_OF_EIGHT, as_of=MONDAY + timedelta(days=3))


@pytest.mark.parametrize("behaviour_filter", [0.0, 0.9])
def test_the_newest_network_chooses_among_the_tried_and_the_slower_one_says_what_that_is_worth(
    logged: ReplayDataset, behaviour_filter: float
) -> None:
    configuration = replace(BEST_OF_EIGHT, behaviour_filter=behaviour_filter)
    taught = np.flatnonzero(~logged.is_held_out_N)
    place = int(np.flatnonzero(logged.discount_N[taught] > 0)[0])
    learner, batch = prepared(configuration, logged, place)
    assert isinstance(learner.network, RecommenderNetwork)
    content_TX = learner.network.content_TX
    chooses_X, values_X = torch.randn(2, content_TX.shape[1], generator=torch.Generator().manual_seed(4))
    worth_in_every_state(learner.network, 0.0, chooses_X)
    worth_in_every_state(learner.target, 0.0, values_X)

    listed = batch.next_observation["pool_A"][:8]
    share_A = logged.shown_share_T[listed.numpy()]
    is_tried = torch.as_tensor(share_A >= behaviour_filter * share_A.max())
    chosen = content_TX[listed] @ chooses_X
    best = int(chosen.where(is_tried, torch.tensor(-torch.inf)).argmax())
    worth = content_TX[listed] @ values_X
    assert best != int(worth.argmax())
    assert (best == int(chosen.argmax())) == (behaviour_filter == 0)
    target = float(logged.reward_N[taught[place]]) + 0.5 * float(worth[best])

    assert float(learner.update(batch)["target"]) == pytest.approx(target, abs=1e-5)
