"""What listeners did with the slates of a version, and what becomes of one whose tracks they dislike."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from accounts.models import Account
from recsys.feedback import NewFeedback, record
from recsys.learning.guards import guard_metrics
from recsys.models import Recommendation, Track
from recsys.recommending import recommend
from training import alarms, promotion
from training.models import PolicyVersion, Promotion

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def promoted(by: Account) -> PolicyVersion:
    version = PolicyVersion.objects.create(slot="recommender", kind="random")
    promotion.promote("recommender", version, Promotion.Kind.FORCED, by, "for the test")
    return version


def say(account: Account, slate: Recommendation, kinds: Sequence[str]) -> None:
    """Opinions about the tracks of a slate, one each."""
    for track_id, kind in zip(slate.tracks, kinds, strict=False):
        row = NewFeedback(
            client_id=uuid.uuid4(), track_id=track_id, kind=kind, recommendation_id=slate.pk, occurred_at=timezone.now()
        )
        assert record(account.listener, [row])[0].status == "stored"


def test_opinions_count_for_the_version_that_recommended(alice: Account, olga: Account, tracks: list[Track]) -> None:
    before = promoted(olga)
    usual = recommend(alice.listener, count=5, surface="api")
    after = promoted(olga)
    worse = recommend(alice.listener, count=5, surface="api")

    say(alice, usual, ["like"])
    say(alice, worse, ["like", "dislike", "dislike", "undislike", "unlike"])

    opinions = {
        v: (guard_metrics(v.pk, LONG_AGO)["opinions"], guard_metrics(v.pk, LONG_AGO)["disliked_share"]) for v in (before, after)
    }
    assert opinions == {before: (1.0, 0.0), after: (3.0, pytest.approx(2 / 3))}
    assert guard_metrics(after.pk, timezone.now())["opinions"] == 0.0


def test_what_is_shown_although_it_was_refused_is_counted_until_the_refusal_is_taken_back(
    alice: Account, bob: Account, olga: Account, tracks: list[Track]
) -> None:
    version = promoted(olga)
    refused, unbanned, undisliked, liked, other = (track.pk for track in tracks[:5])

    def show(account: Account) -> float:
        """A slate of all five, written by somebody who knows no refusal."""
        shown = [refused, unbanned, undisliked, liked, other]
        Recommendation.objects.create(
            listener=account.listener,
            created_at=timezone.now(),
            policy_version=version,
            seed=1,
            epsilon=0.1,
            candidates=shown,
            tracks=shown,
            scores=[0.0] * 5,
            probabilities=[0.2] * 5,
        )
        return guard_metrics(version.pk, LONG_AGO)["disliked_served"]

    def tell(kinds: dict[int, str]) -> None:
        rows = [
            NewFeedback(client_id=uuid.uuid4(), track_id=track, kind=kind, occurred_at=timezone.now())
            for track, kind in kinds.items()
        ]
        assert {outcome.status for outcome in record(alice.listener, rows)} == {"stored"}

    assert show(alice) == 0
    tell({refused: "ban", unbanned: "ban", undisliked: "dislike", liked: "dislike"})
    assert guard_metrics(version.pk, LONG_AGO)["disliked_served"] == 0
    assert show(alice) == 4
    assert show(bob) == 4
    tell({unbanned: "unban", undisliked: "undislike", liked: "like", refused: "dislike"})
    assert show(alice) == 5
    tell({refused: "undislike"})
    assert show(alice) == 6
    tell({refused: "unban"})
    assert show(alice) == 6


def test_a_recommender_whose_tracks_are_disliked_is_rolled_back(
    alice: Account, bob: Account, olga: Account, tracks: list[Track]
) -> None:
    before = promoted(olga)
    for _ in range(5):
        say(alice, recommend(alice.listener, count=10, surface="api"), ["like"] * 10)
    promoted(olga)
    slates = [recommend(bob.listener, count=10, surface="api") for _ in range(5)]
    assert alarms.watch("recommender") is None
    for slate in slates:
        say(bob, slate, ["dislike"] * 10)

    done = alarms.watch("recommender")

    assert done is not None
    assert done.reason == "Alarm: Its share of dislikes is 100%, the previous version's is 0%."
    assert promotion.champion_of("recommender") == before
