"""Feedback is stored once, refused with a reason, and read back as of a moment."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Account, Listener
from recsys.feedback import FeedbackRow, NewFeedback, record, rows_of, sessions, split_into_sessions
from recsys.models import Feedback, Recommendation, Track
from recsys.preferences import declare
from recsys.standing import current
from training.models import PolicyVersion

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def signal(track: Track, kind: str = "like", **fields: Any) -> NewFeedback:
    given: dict[str, Any] = {"client_id": uuid.uuid4(), "occurred_at": timezone.now()} | fields
    return NewFeedback(track_id=track.pk, kind=kind, **given)


def slate_of(listener: Listener, tracks: list[Track]) -> Recommendation:
    ids = [track.pk for track in tracks]
    return Recommendation.objects.create(
        listener=listener,
        policy_version=PolicyVersion.objects.create(slot="recommender", kind="random"),
        seed=1,
        epsilon=0.1,
        candidates=ids,
        tracks=ids,
        scores=[0.0] * len(ids),
        probabilities=[0.5] * len(ids),
    )


def test_a_row_is_stored_with_its_place_in_the_slate(alice: Account, tracks: list[Track]) -> None:
    slate = slate_of(alice.listener, tracks[:3])

    (outcome,) = record(alice.listener, [signal(tracks[2], "play", value=12.5, recommendation_id=slate.pk)])

    row = Feedback.objects.get()
    assert outcome.status == "stored"
    assert (row.kind, row.value, row.recommendation, row.position) == ("play", 12.5, slate, 2)


def test_a_private_session_keeps_what_is_said_and_not_what_is_heard(alice: Account, track: Track) -> None:
    declare(alice.listener, is_private_session=True)

    outcomes = record(alice.listener, [signal(track, "play", value=9.0), signal(track, "skip"), signal(track, "dislike")])

    assert [outcome.status for outcome in outcomes] == ["private", "private", "stored"]
    assert list(Feedback.objects.values_list("kind", flat=True)) == ["dislike"]


def test_after_a_private_session_plays_count_again(alice: Account, track: Track) -> None:
    declare(alice.listener, is_private_session=True)
    declare(alice.listener, is_private_session=False)

    (outcome,) = record(alice.listener, [signal(track, "play", value=9.0)])

    assert outcome.status == "stored"


def test_whole_and_broken_numbers_may_come_together(alice: Account, track: Track) -> None:
    outcomes = record(alice.listener, [signal(track, "rate", value=5), signal(track, "play", value=9.5)])

    assert [outcome.status for outcome in outcomes] == ["stored", "stored"]


def test_a_retry_is_a_duplicate(alice: Account, track: Track) -> None:
    row = signal(track)

    first, again = record(alice.listener, [row, row])
    (later,) = record(alice.listener, [row])

    assert [first.status, again.status, later.status] == ["stored", "duplicate", "duplicate"]
    assert Feedback.objects.count() == 1


def test_an_id_that_was_used_for_another_signal_is_refused_and_not_called_a_duplicate(
    alice: Account, tracks: list[Track]
) -> None:
    row, rating, play = signal(tracks[0]), signal(tracks[0], "rate", value=5), signal(tracks[0], "play", value=9.6)
    others = [
        replace(row, kind="dislike"),
        replace(row, track_id=tracks[1].pk),
        replace(rating, value=1.0),
        replace(play, value=10.0),
    ]

    outcomes = record(alice.listener, [row, rating, play, *others[:1]]) + record(alice.listener, others)

    assert [outcome.status for outcome in outcomes] == ["stored"] * 3 + ["refused"] * 4 + ["duplicate"]
    assert {outcome.refusal.field for outcome in outcomes if outcome.refusal} == {"client_id"}
    assert Feedback.objects.count() == 3


def test_nobody_claims_the_client_id_of_another_listener(alice: Account, bob: Account, track: Track) -> None:
    row = signal(track)

    record(alice.listener, [row])
    (outcome,) = record(bob.listener, [row])

    assert outcome.status == "stored"
    assert Feedback.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_retries_store_each_row_once() -> None:
    from tests.conftest import unsaved_track

    alice = Account.objects.create_user("alice@example.org", "alice's long pass phrase")
    track = unsaved_track(0)
    track.save()
    rows = [signal(track, "play", value=1.0) for _ in range(40)]

    def send(order: int) -> list[str]:
        try:
            return [outcome.status for outcome in record(alice.listener, rows if order % 2 else rows[::-1])]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = [status for sent in pool.map(send, range(4)) for status in sent]

    assert Feedback.objects.count() == 40
    assert statuses.count("stored") == 40
    assert statuses.count("duplicate") == 120


def refused(listener: Listener, row: NewFeedback) -> tuple[str, str]:
    (outcome,) = record(listener, [row])
    assert outcome.status == "refused"
    assert outcome.refusal is not None
    assert not Feedback.objects.exists()
    return outcome.refusal.field, outcome.refusal.message


def test_it_refuses_an_unknown_track(alice: Account, track: Track) -> None:
    field, message = refused(alice.listener, NewFeedback(**{**as_fields(signal(track)), "track_id": 999_999}))

    assert (field, message) == ("track", "there is no track 999999")


def as_fields(row: NewFeedback) -> dict[str, Any]:
    return {name: getattr(row, name) for name in NewFeedback.__slots__}


def test_it_refuses_somebody_elses_piece_as_if_it_did_not_exist(bob: Account, alices_piece: Track) -> None:
    assert refused(bob.listener, signal(alices_piece)) == ("track", f"there is no track {alices_piece.pk}")


def test_it_refuses_somebody_elses_recommendation(alice: Account, bob: Account, tracks: list[Track]) -> None:
    slate = slate_of(alice.listener, tracks[:3])

    assert refused(bob.listener, signal(tracks[0], recommendation_id=slate.pk))[0] == "recommendation"


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        ("clap", {}, "kind"),
        ("play", {}, "value"),
        ("play", {"value": -1.0}, "value"),
        ("play", {"value": float("nan")}, "value"),
        ("play", {"value": 90_000.0}, "value"),
        ("rate", {}, "value"),
        ("rate", {"value": 6.0}, "value"),
        ("rate", {"value": 2.5}, "value"),
        ("like", {"value": 1.0}, "value"),
        ("play", {"value": 1.0, "track_position_seconds": -2.0}, "track_position_seconds"),
        ("like", {"occurred_at": datetime(2026, 1, 1)}, "occurred_at"),  # noqa: DTZ001
        ("like", {"occurred_at": timezone.now() + timedelta(hours=1)}, "occurred_at"),
        ("like", {"occurred_at": timezone.now() - timedelta(days=91)}, "occurred_at"),
        ("like", {"position": 0}, "position"),
    ],
)
def test_it_refuses_what_lies_outside_its_bounds(
    alice: Account, track: Track, kind: str, fields: dict[str, Any], field: str
) -> None:
    assert refused(alice.listener, signal(track, kind, **fields))[0] == field


def test_it_refuses_a_wrong_place_in_the_slate(alice: Account, tracks: list[Track]) -> None:
    slate = slate_of(alice.listener, tracks[:3])

    assert refused(alice.listener, signal(tracks[0], recommendation_id=slate.pk, position=7))[0] == "position"
    assert refused(alice.listener, signal(tracks[0], recommendation_id=slate.pk, position=1))[0] == "position"
    assert refused(alice.listener, signal(tracks[5], recommendation_id=slate.pk))[0] == "track"


def test_one_refused_row_stops_no_other(alice: Account, track: Track) -> None:
    outcomes = record(alice.listener, [signal(track), signal(track, "rate", value=9.0), signal(track, "ban")])

    assert [outcome.status for outcome in outcomes] == ["stored", "refused", "stored"]


def test_of_rows_that_take_each_other_back_the_last_one_counts(alice: Account, tracks: list[Track]) -> None:
    first, second, third = tracks[:3]
    start = timezone.now() - timedelta(hours=1)
    steps = [
        (first, "like", None),
        (first, "dislike", None),
        (second, "dislike", None),
        (second, "like", None),
        (second, "unlike", None),
        (third, "ban", None),
        (third, "rate", 2.0),
        (third, "rate", 5.0),
    ]
    record(
        alice.listener,
        [
            signal(track, kind, value=value, occurred_at=start + timedelta(seconds=at))
            for at, (track, kind, value) in enumerate(steps)
        ],
    )

    now = current(alice.listener)

    assert now.liked == frozenset()
    assert now.disliked == {first.pk}
    assert now.banned == {third.pk}
    assert now.ratings == {third.pk: 5.0}


def test_what_counts_is_read_as_of_a_moment(alice: Account, track: Track) -> None:
    record(alice.listener, [signal(track, "like", occurred_at=NOON)], received_at=NOON)
    record(alice.listener, [signal(track, "unlike", occurred_at=NOON)], received_at=NOON + timedelta(hours=2))

    assert current(alice.listener, NOON + timedelta(hours=1)).liked == {track.pk}
    assert current(alice.listener).liked == frozenset()
    assert len(rows_of(alice.listener.pk, NOON + timedelta(hours=1))) == 1


def row_at(minutes: float, kind: str = "play", value: float | None = 60.0) -> FeedbackRow:
    moment = NOON + timedelta(minutes=minutes)
    return FeedbackRow(
        id=1,
        track_id=1,
        kind=kind,
        value=value,
        track_position_seconds=None,
        occurred_at=moment,
        received_at=moment,
        recommendation_id=None,
        position=None,
    )


def test_a_session_ends_after_thirty_silent_minutes() -> None:
    split = split_into_sessions([row_at(0), row_at(20), row_at(51), row_at(90)])

    assert [len(session) for session in split] == [3, 1]


def test_a_listener_without_rows_has_no_sessions(alice: Account) -> None:
    assert sessions(alice.listener) == []
