"""Credit along the logged session, reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from accounts.models import Account
from recsys.learning.credit import follows_of, returns_of, steps_of
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, play


@pytest.fixture
def two_sessions(alice: Account, tracks: list[Track]) -> ReplayDataset:
    """Six plays on Monday, six on Tuesday, worth 1, 2 … 12; γ is ½."""
    Feedback.objects.bulk_create(
        play(alice.listener, tracks[number], MONDAY + timedelta(days=number // 6, minutes=2 * (number % 6)), 60.0)
        for number in range(12)
    )
    dataset = build(replace(SMALL, discount=0.5), as_of=MONDAY + timedelta(days=9))
    number_of = {track.pk: number for number, track in enumerate(tracks)}
    worth = [1.0 + number_of[int(dataset.table.ids_T[row])] for row in dataset.track_N]
    return replace(dataset, reward_N=np.array(worth, dtype=np.float32))


def at(dataset: ReplayDataset, number: int) -> int:
    """Place of the n-th play, from 1."""
    return int(np.flatnonzero(dataset.reward_N == number)[0])


def test_the_last_track_of_a_session_is_followed_by_nothing(two_sessions: ReplayDataset) -> None:
    follows = follows_of(two_sessions)

    assert [number for number in range(1, 13) if not follows[at(two_sessions, number)]] == [6, 12]


def test_returns_end_with_the_session(two_sessions: ReplayDataset) -> None:
    returns = returns_of(two_sessions)

    assert returns[at(two_sessions, 6)] == 6.0
    assert returns[at(two_sessions, 4)] == 4 + 5 / 2 + 6 / 4
    assert returns[at(two_sessions, 11)] == 11 + 12 / 2


def test_three_steps_sum_three_rewards_and_name_the_track_after(two_sessions: ReplayDataset) -> None:
    steps = steps_of(two_sessions, 3)
    second, fifth = at(two_sessions, 2), at(two_sessions, 5)

    assert steps.reward_N[second] == 2 + 3 / 2 + 4 / 4
    assert steps.discount_N[second] == 0.125
    assert steps.next_state_N[second] == two_sessions.state_N[fifth]
    assert steps.next_track_N[second] == two_sessions.track_N[fifth]


def test_steps_stop_where_the_session_ends(two_sessions: ReplayDataset) -> None:
    steps = steps_of(two_sessions, 3)
    fifth = at(two_sessions, 5)

    assert steps.reward_N[fifth] == 5 + 6 / 2
    assert steps.discount_N[fifth] == 0.0
    assert steps.next_track_N[fifth] == -1
