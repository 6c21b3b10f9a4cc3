"""Estimates from the log, against figures reckoned by hand, and what the gate makes of them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from accounts.models import Account, Listener
from dqn.policy import sequence_probabilities
from recsys.learning import checks, held_out
from recsys.learning.evaluation import refused_tracks_drawn
from recsys.learning.features import ListenerState, build_state
from recsys.learning.held_out import HeldOutLog, walk_probabilities
from recsys.learning.logged_slates import Decision
from recsys.learning.off_policy.estimators import difference
from recsys.learning.off_policy.intervals import Estimate, estimate
from recsys.learning.policy import PopularityPolicy, RandomPolicy, RecommenderPolicy
from recsys.learning.popularity import popularity_as_of
from recsys.learning.replay_dataset import ReplayDataset, build, is_held_out_listener
from recsys.models import Feedback, Track
from tests.conftest import MakeTracks
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, likes
from tests.recsys.learning.logged_world import live_under_popularity

JUDGED = replace(SMALL, held_out_share=0.8)


class Oracle(RandomPolicy):
    """Knows the checkerboard."""

    temperature = 0.2

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        number = int(str(Listener.objects.get(pk=state.listener_id)).split()[-1])
        tracks = Track.objects.in_bulk(list(track_ids))
        return np.array([[float(likes(number, tracks[track_id])) for track_id in track_ids]])


@pytest.fixture
def logged(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """What the listeners did; most of them judge, so that little is left to chance."""
    live_under_popularity()
    return build(JUDGED, as_of=MONDAY + timedelta(days=9))


def test_walked_probabilities_are_those_of_drawing() -> None:
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(3, 9))
    picks = [4, 0, 7]

    walked = walk_probabilities(scores, lambda before: scores, picks, epsilon=0.1, temperature=0.3)
    assert [float(chances[pick]) for chances, pick in zip(walked, picks, strict=True)] == pytest.approx(
        sequence_probabilities(lambda before: scores, picks, epsilon=0.1, temperature=0.3)
    )
    assert all(chances.sum() == pytest.approx(1.0) for chances in walked)


def test_held_out_are_later_slates_of_some_listeners_only(logged: ReplayDataset) -> None:
    assert logged.decisions
    assert all(is_held_out_listener(decision.listener_id, JUDGED.held_out_share) for decision in logged.decisions)
    split = min(decision.state.moment for decision in logged.decisions)
    assert split >= MONDAY + timedelta(hours=12)


def test_the_logging_policy_estimates_its_own_mean(logged: ReplayDataset) -> None:
    log = HeldOutLog.of(logged)
    judged = log.judge(PopularityPolicy())

    assert judged.raw_weight_R == pytest.approx(np.ones(len(log.reward_R)))
    assert log.of_one_choice(judged)["snips"].value == pytest.approx(log.reward_R.mean())
    assert log.of_the_session(judged)["snips_to_the_end"].value == pytest.approx(log.return_R.mean())
    assert log.skip_rate(judged).value == pytest.approx(log.is_left_early_R.sum() / log.is_played_R.sum())
    assert [each.value for each in log.by_position(judged)] == pytest.approx(list(log.reward_R.reshape(-1, 3).mean(axis=0)))


def test_each_slate_of_the_log_is_a_session_of_its_own(logged: ReplayDataset) -> None:
    log = HeldOutLog.of(logged)

    assert len(log.listener_N) == len(log.decisions)
    assert (log.discount_R[log.position_R == 2] == 0).all()
    assert (log.discount_R[log.position_R < 2] == 1).all()
    first = log.return_R[log.position_R == 0]
    assert first == pytest.approx(log.reward_R.reshape(-1, 3).sum(axis=1))


@pytest.mark.parametrize(("most_choices", "slates"), [(1, 4), (21, 7)])
def test_of_short_slates_more_are_judged(
    logged: ReplayDataset, monkeypatch: pytest.MonkeyPatch, most_choices: int, slates: int
) -> None:
    monkeypatch.setattr(held_out, "MOST_DECISIONS", 4)
    monkeypatch.setattr(held_out, "MOST_CHOICES", most_choices)

    judged = HeldOutLog.of(logged).decisions

    assert {each.recommendation_id for each in judged} == {each.recommendation_id for each in logged.decisions[-slates:]}


def test_popularity_is_reckoned_once_for_each_hour_of_the_log(checkerboard_tracks: list[Track]) -> None:
    live_under_popularity(listeners=8, visits=16)
    log = HeldOutLog.of(build(JUDGED, as_of=MONDAY + timedelta(days=9)))
    hours = {decision.state.moment.replace(minute=0, second=0) for decision in log.decisions}
    assert len(hours) > 4
    popularity_as_of.cache_clear()

    log.judge(PopularityPolicy())

    assert popularity_as_of.cache_info().misses == len(hours)


def test_a_session_can_bring_no_more_than_its_longest_one_at_the_best_reward(logged: ReplayDataset) -> None:
    log = HeldOutLog.of(logged)
    low, high = log.attainable

    assert (low, high) == pytest.approx((3 * min(0.0, log.reward_R.min()), 3 * log.reward_R.max()))
    assert low <= log.of_the_session(log.judge(PopularityPolicy()))["fitted_q"].value <= high


def test_every_estimator_tells_a_policy_that_knows_from_popularity(logged: ReplayDataset) -> None:
    log = HeldOutLog.of(logged)
    oracle: RecommenderPolicy = Oracle()
    new, old = log.judge(oracle), log.judge(PopularityPolicy())

    for name, mine in log.of_one_choice(new).items():
        assert estimate(difference(mine, log.of_one_choice(old)[name]), log.listener_R).low > 0, name
    for name in ("snips_to_the_end", "fitted_q"):
        assert log.of_the_session(new)[name].value > log.of_the_session(old)[name].value, name
    assert new.hit_at_10 > old.hit_at_10
    assert log.skip_rate(new).value < log.skip_rate(old).value


def test_equal_policies_are_not_proven_better(logged: ReplayDataset) -> None:
    log = HeldOutLog.of(logged)
    own = log.of_one_choice(log.judge(PopularityPolicy()))["self_normalised_dr"]
    check = checks.better("reward", estimate(difference(own, own), log.listener_R), decides=True)

    assert check.outcome == "not proven"
    assert (check.low, check.high) == (0.0, 0.0)


def test_a_worse_policy_fails() -> None:
    worse = Estimate(value=-0.5, low=-0.7, high=-0.3)

    assert checks.better("reward", worse, decides=True).outcome == "fail"
    assert checks.better("reward", worse, decides=False).outcome == "fail"


def test_more_skips_fail_and_fewer_pass() -> None:
    assert checks.no_more_skips(Estimate(value=0.1, low=0.05, high=0.15)).outcome == "fail"
    assert checks.no_more_skips(Estimate(value=-0.1, low=-0.15, high=-0.05)).outcome == "pass"


def test_playing_the_same_to_everybody_fails() -> None:
    assert checks.enough_coverage(0.01, 0.05).outcome == "fail"
    assert checks.enough_coverage(0.03, 0.05).outcome == "pass"


class Insists(RandomPolicy):
    """Fetches its favourites first, whoever refused them."""

    def __init__(self, favourites: Sequence[int]) -> None:
        self.favourites = favourites

    def top(self, state: ListenerState, count: int, excluded: Collection[int]) -> list[int]:
        return [*self.favourites, *super().top(state, count, {*excluded, *self.favourites})][:count]


def test_what_would_be_drawn_of_refused_tracks_is_counted(alice: Account, make_tracks: MakeTracks) -> None:
    refused = make_tracks(400)[:100]
    rows = [
        Feedback(
            listener=alice.listener,
            client_id=uuid.uuid4(),
            track=track,
            kind=("ban", "dislike")[at % 2],
            occurred_at=MONDAY,
            received_at=MONDAY,
        )
        for at, track in enumerate(refused)
    ]
    Feedback.objects.bulk_create(rows)
    decisions = [
        Decision(
            recommendation_id=number,
            listener_id=alice.listener.pk,
            state=build_state(alice.listener, MONDAY + timedelta(hours=number)),
            diversity=0.3,
            candidates=(),
            tracks=(),
            probabilities=(),
            epsilon=0.1,
            policy_version_id=1,
            rewards=(),
            returns=(),
        )
        for number in range(1, 4)
    ]
    insists, heeds = Insists([track.pk for track in refused]), RandomPolicy()

    assert refused_tracks_drawn(heeds, decisions) == 0
    found = refused_tracks_drawn(insists, decisions)
    assert found > 0
    assert checks.no_disliked(found, len(decisions)).outcome == "fail"
    assert refused_tracks_drawn(insists, [replace(decisions[0], listener_id=FIRST_ID)]) == 0, "erased since"
    # What came later counts neither for serving nor here.
    before = replace(decisions[0], state=build_state(alice.listener, MONDAY - timedelta(hours=1)))
    assert refused_tracks_drawn(insists, [before]) == 0


def test_effective_samples_are_counted_before_weights_are_cut() -> None:
    weight = np.full(10_000, 0.01)
    weight[:2] = 5_000.0

    check = checks.enough_samples("effective samples", weight)

    assert check.outcome == "fail"
    assert check.figure == pytest.approx(2.0, rel=0.1)


def test_a_small_log_is_not_proven_and_no_failure() -> None:
    assert checks.enough_samples("effective samples", np.ones(40)).outcome == "not proven"
