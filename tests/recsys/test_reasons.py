"""Reasons in words are true and short."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from recsys.feedback import FeedbackRow
from recsys.learning.features import ListenerState
from recsys.learning.policy import Reason
from recsys.models import Track
from recsys.reasons import MOST_REASONS, NOTHING_NAMED, in_words, plural

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def state_after(*done: tuple[int, str]) -> ListenerState:
    rows = tuple(
        FeedbackRow(
            id=at,
            track_id=track_id,
            kind=kind,
            value=None,
            track_position_seconds=None,
            occurred_at=NOON,
            received_at=NOON,
            recommendation_id=None,
            position=None,
        )
        for at, (track_id, kind) in enumerate(done)
    )
    return ListenerState(listener_id=1, moment=NOON, rows=rows, hour=12, weekday=0)


def told(reasons: list[Reason], state: ListenerState) -> list[str]:
    (position,) = in_words([reasons], state)
    return [reason["text"] for reason in position]


@pytest.mark.parametrize(
    ("kinds", "verb"),
    [
        (["play"], "heard"),
        (["play", "like"], "liked"),
        (["play", "rate"], "rated"),
        (["play", "like", "unlike"], "heard"),
        (["play", "like", "dislike"], "disliked"),
        (["play", "dislike", "undislike"], "heard"),
        (["skip", "play"], "skipped"),
        (["play", "rate", "unrate"], "heard"),
    ],
)
def test_it_says_what_the_listener_did_and_still_stands(track: Track, kinds: list[str], verb: str) -> None:
    reason = Reason(kind="heard", contribution=1.0, track_id=track.pk)

    assert told([reason], state_after(*[(track.pk, kind) for kind in kinds])) == [f"because you {verb} Reel number 0"]


@pytest.mark.django_db
def test_the_strongest_cause_comes_first_and_a_weak_one_is_not_named() -> None:
    reasons = [
        Reason(kind="popular", contribution=0.3),
        Reason(kind="declared", contribution=0.9, style="jig"),
        Reason(kind="residual", contribution=0.5),
        Reason(kind="declared", contribution=0.01, style="reel"),
        Reason(kind="declared", contribution=-0.7, style="air"),
    ]

    assert told(reasons, state_after()) == ["you chose jigs", "popular with listeners", "", "", ""]


@pytest.mark.django_db
def test_what_speaks_for_every_track_alike_hides_no_cause() -> None:
    reasons = [Reason(kind="residual", contribution=9.0), Reason(kind="hour", contribution=0.2)]

    assert told(reasons, state_after()) == ["suits this hour of the day", ""]


@pytest.mark.django_db
def test_the_moment_is_told_in_words_of_the_listener_s_own_day() -> None:
    parts = [Reason(kind=kind, contribution=1.0) for kind in ("hour", "weekday", "session", "history")]
    same = ["suits this hour of the day", "suits Mondays"], ["suits listeners who have heard as much as you"]

    assert told(parts, state_after()) == [*same[0], "suits the start of a session", *same[1]]
    assert told(parts, state_after(*[(1, "play")] * 5)) == [*same[0], "suits a session that has gone on", *same[1]]


@pytest.mark.django_db
def test_what_is_listed_sums_to_the_score_however_many_causes_there_are() -> None:
    for many in range(9):
        reasons = [Reason(kind="declared", contribution=0.1 * (at - 2), style=f"style {at}") for at in range(many)]
        for left in ([], [Reason(kind="residual", contribution=0.7)]):
            (listed,) = in_words([reasons + left], state_after())

            assert math.fsum(reason["contribution"] for reason in listed) == pytest.approx(
                math.fsum(reason.contribution for reason in reasons + left), abs=1e-12
            )
            assert [reason["contribution"] for reason in listed if reason["kind"] == "residual"] == [0.7] * len(left)
            assert sum(reason["kind"] in ("declared", "other_declared") for reason in listed) <= MOST_REASONS + 1


def test_causes_beyond_the_strongest_are_gathered_by_kind_and_the_residual_stays_what_it_is(tracks: list[Track]) -> None:
    reasons = [Reason(kind="declared", contribution=1.0, style=f"style {at}") for at in range(5)]
    reasons += [Reason(kind="declared", contribution=0.01 * at, style=f"style 5{at}") for at in range(3)]
    reasons += [Reason(kind="heard", contribution=-0.1, track_id=track.pk, track_ids=(track.pk,)) for track in tracks[:3]]
    reasons += [Reason(kind="heard_style", contribution=-0.2, track_ids=(1, 2), style="reel")]
    reasons += [Reason(kind=kind, contribution=0.05) for kind in ("hour", "weekday")]
    reasons += [Reason(kind="popular", contribution=-0.3), Reason(kind="residual", contribution=4.0)]

    (listed,) = in_words([reasons], state_after())

    assert {reason["kind"]: pytest.approx(reason["contribution"]) for reason in listed[MOST_REASONS:]} == {
        "other_moment": 0.1,
        "other_declared": 0.03,
        "other_heard": -0.5,
        "popular": -0.3,
        "residual": 4.0,
    }
    assert listed[-1] == {"kind": "residual", "text": "", "contribution": 4.0}


def test_a_cause_that_is_alone_of_its_kind_stays_itself(track: Track) -> None:
    reasons = [Reason(kind="declared", contribution=1.0, style=f"style {at}") for at in range(5)]
    reasons += [Reason(kind="heard", contribution=0.1, track_id=track.pk, track_ids=(track.pk,))]

    (listed,) = in_words([reasons], state_after())

    assert listed[-1] == {"kind": "heard", "text": "", "contribution": 0.1, "track": track.pk, "tracks": [track.pk]}


@pytest.mark.django_db
def test_of_many_small_causes_the_strongest_stands_for_all() -> None:
    reasons = [Reason(kind="popular", contribution=1.0)]
    reasons += [Reason(kind="declared", contribution=0.05 + 0.001 * at, style=f"style {at}") for at in range(9)]

    assert [text for text in told(reasons, state_after()) if text] == ["popular with listeners", "you chose style 8s"]


def test_a_cause_without_which_the_track_keeps_its_rank_is_not_named(tracks: list[Track]) -> None:
    reasons = [
        Reason(kind="heard", contribution=0.9, track_id=tracks[0].pk, track_ids=(tracks[0].pk,), carries=False),
        Reason(kind="heard", contribution=0.6, track_id=tracks[1].pk, track_ids=(tracks[1].pk,)),
    ]

    assert told(reasons, state_after()) == ["because you heard Jig number 1", ""]


def test_causes_that_only_carry_together_are_named_together(tracks: list[Track]) -> None:
    ids = (tracks[0].pk, tracks[4].pk)
    reels = Reason(kind="heard_style", contribution=0.9, track_ids=ids, style="reel")
    everything = Reason(kind="heard_lately", contribution=0.9, track_ids=(*ids, tracks[1].pk))
    liked = state_after(*[(pk, "like") for pk in ids])

    assert told([reels], liked) == ["because of the reels you liked lately"]
    assert told([everything], liked) == ["like much of what you heard lately"]


@pytest.mark.django_db
def test_a_cause_is_named_before_chance() -> None:
    reasons = [Reason(kind="chance", contribution=0.6), Reason(kind="declared", contribution=0.15, style="jig")]

    assert told(reasons, state_after())[0] == "you chose jigs"


@pytest.mark.django_db
def test_where_nothing_speaks_for_a_track_it_says_so() -> None:
    assert told([Reason(kind="residual", contribution=0.5)], state_after()) == [NOTHING_NAMED, ""]
    assert told([], state_after()) == [NOTHING_NAMED]


@pytest.mark.parametrize(
    ("one", "many"), [("reel", "reels"), ("waltz", "waltzes"), ("march", "marches"), ("german folk", "German folk tunes")]
)
def test_styles_in_the_plural(one: str, many: str) -> None:
    assert plural(one) == many
