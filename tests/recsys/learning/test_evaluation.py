"""Estimates from the log, against figures reckoned by hand, and what the gate makes of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from accounts.models import Listener
from dqn.policy import sequence_probabilities
from recsys import recommending
from recsys.learning import evaluation
from recsys.learning.features import ListenerState
from recsys.learning.policy import PopularityPolicy, RandomPolicy, RecommenderPolicy
from recsys.learning.replay_dataset import ReplayDataset, build, is_held_out_listener
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, likes


class Oracle(RandomPolicy):
    """Knows the checkerboard."""

    temperature = 0.2

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        number = int(str(Listener.objects.get(pk=state.listener_id)).split()[-1])
        tracks = Track.objects.in_bulk(list(track_ids))
        return np.array([[float(likes(number, tracks[track_id])) for track_id in track_ids]])


@pytest.fixture
def logged(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """Forty listeners with eight slates each, drawn by popularity and played as liked, in the order of time."""
    listeners = [Listener.objects.create(external_id=f"listener {number}") for number in range(40)]
    for visit in range(8):
        for number, listener in enumerate(listeners):
            rows = []
            moment = MONDAY + timedelta(hours=6 * visit, seconds=number)
            slate = recommending.recommend(listener, count=3, surface="home", moment=moment, seed=visit)
            for position, track in enumerate(Track.objects.in_bulk(slate.tracks)[pk] for pk in slate.tracks):
                ended = moment + timedelta(minutes=3 + 3 * position)
                rows.append(
                    Feedback(
                        listener=listener,
                        client_id=uuid.uuid4(),
                        track=track,
                        recommendation=slate,
                        position=position,
                        kind="play",
                        value=track.duration_seconds if likes(number, track) else 1.0,
                        occurred_at=ended,
                        received_at=ended,
                    )
                )
            Feedback.objects.bulk_create(rows)
    return build(SMALL, as_of=MONDAY + timedelta(days=9))


def test_snips_and_the_doubly_robust_estimate_by_hand() -> None:
    weight, reward = np.array([2.0, 0.5, 0.5]), np.array([1.0, 0.0, 1.0])

    assert evaluation.snips(weight, reward) == pytest.approx(2.5 / 3.0)
    robust = evaluation.doubly_robust(weight, reward, np.array([0.5, 0.5, 0.2]), np.array([0.5, 0.5, 0.2]))
    assert robust == pytest.approx(((0.5 + 2.0 * 0.5) + (0.5 - 0.5 * 0.5) + (0.2 + 0.5 * 0.8)) / 3)


def test_effective_samples_by_hand() -> None:
    assert evaluation.effective_samples(np.ones(7)) == pytest.approx(7)
    assert evaluation.effective_samples(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def test_walked_probabilities_are_those_of_drawing() -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(3, 9))
    picks = [4, 0, 7]

    walked = evaluation.walk_probabilities(scores, lambda before: scores, picks, epsilon=0.1, temperature=0.3)
    assert [float(chances[pick]) for chances, pick in zip(walked, picks, strict=True)] == pytest.approx(
        sequence_probabilities(lambda before: scores, picks, epsilon=0.1, temperature=0.3)
    )
    assert all(chances.sum() == pytest.approx(1.0) for chances in walked)


def test_held_out_are_later_slates_of_some_listeners_only(logged: ReplayDataset) -> None:
    assert logged.decisions
    assert all(is_held_out_listener(decision.listener_id, SMALL.held_out_share) for decision in logged.decisions)
    split = min(decision.state.moment for decision in logged.decisions)
    assert split >= MONDAY + timedelta(days=1)


def test_the_logging_policy_estimates_its_own_mean(logged: ReplayDataset) -> None:
    log = evaluation.HeldOutLog.of(logged)
    judged = log.judge(PopularityPolicy())

    assert judged.weight_R == pytest.approx(np.ones(len(log.reward_R)))
    assert log.estimates(judged)["reward_snips"].value == pytest.approx(log.reward_R.mean())


def test_a_policy_that_knows_is_told_from_popularity(logged: ReplayDataset) -> None:
    log = evaluation.HeldOutLog.of(logged)
    oracle: RecommenderPolicy = Oracle()
    new, old = log.judge(oracle), log.judge(PopularityPolicy())

    difference = log.snips_difference(new, old, log.reward_R)
    assert difference.low > 0
    assert new.hit_at_10 > old.hit_at_10


def test_equal_policies_are_not_proven_better(logged: ReplayDataset) -> None:
    log = evaluation.HeldOutLog.of(logged)
    judged = log.judge(PopularityPolicy())
    check = evaluation.better("reward", log.snips_difference(judged, judged, log.reward_R), decides=True)

    assert check.outcome == "not proven"
    assert (check.low, check.high) == (0.0, 0.0)


def test_a_worse_policy_fails() -> None:
    worse = evaluation.Estimate(value=-0.5, low=-0.7, high=-0.3)

    assert evaluation.better("reward", worse, decides=True).outcome == "fail"
    assert evaluation.better("reward", worse, decides=False).outcome == "fail"
