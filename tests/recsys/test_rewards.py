"""What each signal is worth, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import Account
from recsys.feedback import FeedbackRow
from recsys.models import RewardVersion
from recsys.rewards import RewardWeights, Transition, activate, active_version, active_weights, rewards_of

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DURATION_SECONDS = {1: 100.0, 2: 200.0}


def row(minutes: float, kind: str, value: float | None = None, track_id: int = 1) -> FeedbackRow:
    moment = START + timedelta(minutes=minutes)
    return FeedbackRow(
        id=int(minutes * 10),
        track_id=track_id,
        kind=kind,
        value=value,
        track_position_seconds=None,
        occurred_at=moment,
        received_at=moment,
        recommendation_id=None,
        position=None,
    )


def rewards(*rows: FeedbackRow, weights: RewardWeights | None = None) -> list[list[Transition]]:
    return rewards_of(rows, DURATION_SECONDS, weights or RewardWeights())


def only(*rows: FeedbackRow) -> float:
    (session,) = rewards(*rows)
    (transition,) = session
    return transition.reward


def test_a_whole_track_is_worth_one_and_no_more() -> None:
    assert only(row(0, "play", 100)) == 1.0
    assert only(row(0, "play", 150)) == 1.0


@pytest.mark.parametrize(
    ("track_id", "seconds", "expected"), [(1, 24, 0.24 - 0.5), (1, 25, 0.25), (2, 29, 0.145 - 0.5), (2, 30, 0.15)]
)
def test_leaving_is_early_within_thirty_seconds_or_a_quarter(track_id: int, seconds: float, expected: float) -> None:
    assert only(row(0, "play", seconds, track_id)) == pytest.approx(expected)


def test_opinions_are_added_to_the_play_before_them() -> None:
    assert only(row(0, "play", 100), row(1, "like")) == 2.0
    assert only(row(0, "play", 100), row(1, "dislike")) == 0.0
    assert only(row(0, "play", 100), row(1, "rate", 5)) == 2.0
    assert only(row(0, "play", 100), row(1, "rate", 1)) == 0.0


def test_what_was_taken_back_or_changed_counts_no_more() -> None:
    assert only(row(0, "play", 100), row(1, "like"), row(2, "unlike")) == 1.0
    assert only(row(0, "play", 100), row(1, "like"), row(2, "dislike")) == 0.0
    assert only(row(0, "play", 100), row(1, "rate", 5), row(2, "rate", 2)) == 0.5
    assert only(row(0, "play", 100), row(1, "rate", 5), row(2, "unrate")) == 1.0


def test_a_rating_belongs_to_the_last_play_of_that_track_even_sessions_later() -> None:
    first, second, third = rewards(row(0, "play", 100), row(6000, "play", 200, 2), row(12000, "rate", 5))

    assert first[0].parts["rating"] == 1.0
    assert "rating" not in second[0].parts
    assert third == []


def test_an_opinion_about_a_track_never_played_is_credited_to_nothing() -> None:
    assert only(row(0, "play", 100), row(1, "like", track_id=2)) == 1.0


def test_a_session_that_goes_on_is_worth_a_little_on_all_but_its_last_track() -> None:
    (session,) = rewards(row(0, "play", 100), row(4, "play", 200, 2), row(8, "play", 100))

    assert [transition.reward for transition in session] == pytest.approx([1.1, 1.1, 1.0])


def test_coming_back_within_three_days_counts_once_on_the_last_track_of_the_session_before() -> None:
    day = 24 * 60
    first, second, third, fourth = rewards(
        row(0, "play", 100), row(day, "play", 100), row(5 * day, "play", 100), row(5 * day + 60, "play", 100)
    )

    assert [session[-1].reward for session in (first, second, third, fourth)] == [1.5, 1.0, 1.5, 1.0]


@pytest.mark.parametrize("name", ["completion", "like", "return_visit"])
def test_weights_must_be_numbers_within_bounds(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        RewardWeights(**{name: float("inf")})


@pytest.mark.django_db
def test_the_first_version_makes_itself() -> None:
    assert active_weights() == RewardWeights()
    assert active_version().pk == active_version().pk


def test_a_changed_weight_makes_a_new_version(olga: Account) -> None:
    before = active_version()

    after = activate(replace(active_weights(), like=2.0), by=olga)

    assert after.pk != before.pk
    assert active_weights().like == 2.0
    assert RewardVersion.objects.filter(is_active=True).count() == 1
    assert RewardVersion.objects.get(pk=before.pk).weights["like"] == 1.0


def test_equal_weights_make_no_new_version(olga: Account) -> None:
    assert activate(RewardWeights(), by=olga).pk == active_version().pk
