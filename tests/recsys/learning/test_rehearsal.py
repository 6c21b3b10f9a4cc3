"""Simulated listeners judge a policy in memory: the same dice for each, and nothing is left in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from accounts.models import Listener
from recsys.learning import checks
from recsys.learning.features import ListenerState, track_table
from recsys.learning.off_policy.intervals import Estimate
from recsys.learning.policy import PopularityPolicy, RandomPolicy
from recsys.learning.rehearsal import LISTENERS, Rehearsal
from recsys.models import Feedback, Recommendation, Track
from recsys.rewards import RewardWeights
from tests.recsys.learning.conftest import MONDAY, play

pytestmark = pytest.mark.django_db


class Hidden(RandomPolicy):
    """Knows what the simulated listeners hear in a track; with sign −1 it offers what they hear least gladly."""

    temperature = 0.1

    def __init__(self, rehearsal: Rehearsal, sign: float) -> None:
        self.catalogue, self.sign = rehearsal.catalogue, sign
        self.tastes = {each.listener.pk: each.taste_D for each in rehearsal._population().listeners}

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> NDArray[np.float64]:
        rows = [self.catalogue.row_of_track[track] for track in track_ids]
        liking: NDArray[np.float64] = self.catalogue.character_TD[rows] @ self.tastes[state.listener_id]
        return self.sign * (liking + 0.4 * self.catalogue.quality_T[rows])[None]


@pytest.fixture
def rehearsal(checkerboard_tracks: list[Track]) -> Rehearsal:
    return Rehearsal(track_table(), MONDAY, RewardWeights())


def test_who_knows_the_listeners_earns_more_than_who_offers_the_opposite(rehearsal: Rehearsal) -> None:
    knows, opposite = Hidden(rehearsal, 1.0), Hidden(rehearsal, -1.0)

    assert rehearsal.rewards(knows).mean() > rehearsal.rewards(RandomPolicy()).mean()
    distance, _ = rehearsal.difference(opposite, knows)
    assert distance.high < 0


def test_each_listener_has_one_session_with_the_same_dice(rehearsal: Rehearsal) -> None:
    first, second = rehearsal.rewards(RandomPolicy()), rehearsal.rewards(RandomPolicy())

    assert len(first) == LISTENERS
    assert first.tolist() == second.tolist()


def test_nothing_is_stored(rehearsal: Rehearsal) -> None:
    rehearsal.rewards(RandomPolicy())

    assert not Listener.objects.exists()
    assert not Recommendation.objects.exists()
    assert not Feedback.objects.exists()


def test_clearly_less_than_the_champion_fails() -> None:
    usual = Estimate(value=5.0, low=4.0, high=6.0)

    assert checks.holds_its_own(Estimate(value=-1.0, low=-2.0, high=-0.1), usual, 0.9).outcome == "fail"
    assert checks.holds_its_own(Estimate(value=-1.0, low=-2.0, high=0.1), usual, 0.9).outcome == "pass"


def test_who_is_as_good_as_the_champion_passes_whatever_the_sign_of_the_rewards(rehearsal: Rehearsal) -> None:
    for inclination in (1.0, -1.0):
        policy = Hidden(rehearsal, inclination)
        distance, theirs = rehearsal.difference(policy, policy)

        assert distance.value == pytest.approx(0.1 * abs(theirs.value))
        assert distance.low == pytest.approx(distance.value)


def test_what_is_received_after_the_log_ends_changes_nothing(checkerboard_tracks: list[Track]) -> None:
    last = MONDAY.replace(hour=9, minute=59, second=50)
    listener = Listener.objects.create(external_id="late")
    play(listener, checkerboard_tracks[0], last, 5.0).save()
    before = Rehearsal(track_table(), last, RewardWeights()).rewards(PopularityPolicy())

    for track in checkerboard_tracks[1:20]:
        play(listener, track, last + timedelta(seconds=5), track.duration_seconds).save()

    assert Rehearsal(track_table(), last, RewardWeights()).rewards(PopularityPolicy()).tolist() == before.tolist()
