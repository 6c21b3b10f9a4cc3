"""What listeners did with the pieces of a version, and what becomes of one whose pieces they leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.models import Account
from composer.learning.slot import guard_metrics
from composer.models import Piece
from recsys.feedback import NewFeedback, record
from recsys.models import Track
from tests.conftest import unsaved_track
from training import alarms, promotion, slots
from training.models import PolicyVersion, Promotion

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def new_version() -> PolicyVersion:
    return PolicyVersion.objects.create(slot="composer", kind="prior")


def piece_of(version: PolicyVersion, owner: Account, *, number: int) -> Track:
    track = unsaved_track(number, owner=owner.listener, content_hash=f"p{number:063d}")
    track.save()
    Piece.objects.create(track=track, policy_version=version, recipe={})
    return track


def say(account: Account, track: Track, kind: str, value: float | None = None) -> None:
    row = NewFeedback(client_id=uuid4(), track_id=track.pk, kind=kind, occurred_at=datetime.now(UTC), value=value)
    assert record(account.listener, [row])[0].status == "stored"


def test_it_counts_what_was_done_with_the_versions_own_pieces(alice: Account) -> None:
    version = new_version()
    track, other = piece_of(version, alice, number=1), piece_of(new_version(), alice, number=2)
    for heard in (0.5, track.duration_seconds, track.duration_seconds, track.duration_seconds):
        say(alice, track, "play", heard)
    say(alice, track, "like")
    say(alice, track, "dislike")
    say(alice, track, "rate", 4)
    say(alice, other, "dislike")

    assert guard_metrics(version.pk, LONG_AGO) == {
        "pieces": 1.0, "plays": 4.0, "skip_rate": 0.25, "opinions": 2.0, "disliked_share": 0.5, "mean_rating": 4.0,
    }  # fmt: skip
    assert guard_metrics(version.pk, datetime.now(UTC) + timedelta(hours=1))["pieces"] == 0.0


@pytest.mark.parametrize(("kind", "words"), [("play", "skip rate"), ("dislike", "share of dislikes")])
def test_a_composer_whose_pieces_are_left_or_disliked_is_rolled_back(
    alice: Account, olga: Account, kind: str, words: str
) -> None:
    before, after = new_version(), new_version()
    for version in (before, after):
        promotion.promote("composer", version, Promotion.Kind.FORCED, olga, "for the test")
    usual, worse = piece_of(before, alice, number=1), piece_of(after, alice, number=2)
    for _ in range(50):
        say(alice, usual, *(("play", usual.duration_seconds) if kind == "play" else ("like",)))
        say(alice, worse, kind, *([0.5] if kind == "play" else []))

    done = alarms.watch("composer")

    assert done is not None
    assert done.reason == f"Alarm: Its {words} is 100%, the previous version's is 0%."
    assert promotion.serving_version("composer", alice.listener.pk) == before


def test_every_slot_tells_its_guard_metrics_before_anything_was_heard() -> None:
    assert {functions.name for functions in slots.registered()} >= {"recommender", "composer", "accompanist"}
    for functions in slots.registered():
        version = PolicyVersion.objects.create(slot=functions.name, kind="popularity")
        figures = functions.guard_metrics(version.pk, LONG_AGO)
        assert figures["plays"] == 0.0
        assert alarms.alarm(figures, figures, alarms.AlarmLimits()) is None
