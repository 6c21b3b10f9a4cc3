"""Slates: what may be in them, how likely, what is logged, and that a logged request can be replayed."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Account, Listener
from dqn.policy import sequence_probabilities
from recsys import preferences
from recsys.feedback import NewFeedback, record
from recsys.learning.features import one_track_table, track_table
from recsys.learning.popularity import SHRINKAGE_PLAYS
from recsys.models import Recommendation, Track
from recsys.recommending import NO_MUSIC_YET, NOTHING_LEFT, policy_for, radio, recommend, replay
from recsys.rewards import activate, active_weights
from recsys.slates import slate_gain
from tests.conftest import MakeTracks, unsaved_track
from training import promotion
from training.models import PolicyVersion, Promotion, Slot


def tell(listener: Listener, track: Track, kind: str, value: float | None = None) -> None:
    row = NewFeedback(client_id=uuid.uuid4(), track_id=track.pk, kind=kind, value=value, occurred_at=timezone.now())
    (outcome,) = record(listener, [row])
    assert outcome.status == "stored"


def slate(listener: Listener, count: int = 100, **wishes: Any) -> Recommendation:
    return recommend(listener, count=count, surface="api", **wishes)


def test_a_slate_is_logged_with_everything(alice: Account, tracks: list[Track]) -> None:
    row = slate(alice.listener, 5, seed=7)

    assert len(row.tracks) == len(row.scores) == len(row.probabilities) == len(row.reasons) == 5
    assert set(row.tracks) <= set(row.candidates) == {track.pk for track in tracks}
    assert all(0 < probability <= 1 for probability in row.probabilities)
    assert row.policy_version.kind == "popularity"
    assert row.dials == {"diversity": 0.3, "recently_heard": 50, "styles": [], "is_private_session": False}
    assert row.context["surface"] == "api"
    assert row.epsilon == 0.1
    assert all(reasons[0]["text"] for reasons in row.reasons)


def test_the_same_seed_draws_the_same_slate(alice: Account, tracks: list[Track]) -> None:
    moment = timezone.now()

    assert slate(alice.listener, 6, seed=3, moment=moment).tracks == slate(alice.listener, 6, seed=3, moment=moment).tracks


def test_the_logged_probabilities_are_those_of_the_drawn_picks(alice: Account, tracks: list[Track]) -> None:
    tell(alice.listener, tracks[0], "play", 20)
    row = slate(alice.listener, 4, seed=5)
    _, policy, _ = policy_for(alice.listener)
    replayed = replay(row.pk)

    from recsys.learning.features import build_state

    scores = policy.score(build_state(alice.listener, row.created_at), row.candidates)
    gain = slate_gain(
        policy,
        build_state(alice.listener, row.created_at),
        scores,
        track_table(),
        row.candidates,
        count=4,
        diversity=row.dials["diversity"],
    )
    picks = [row.candidates.index(track_id) for track_id in row.tracks]
    assert row.probabilities == pytest.approx(
        sequence_probabilities(gain, picks, epsilon=row.epsilon, temperature=policy.temperature)
    )
    assert replayed.largest_difference < 1e-5


def test_the_first_position_is_drawn_as_often_as_its_probability_says(alice: Account, make_tracks: MakeTracks) -> None:
    tracks = make_tracks(4)
    tell(alice.listener, tracks[1], "like")
    moment = timezone.now() + timedelta(hours=2)

    rows = [slate(alice.listener, 1, seed=seed, moment=moment) for seed in range(300)]

    probability = {row.tracks[0]: row.probabilities[0] for row in rows}
    counts = Counter(row.tracks[0] for row in rows)
    assert sum(probability.values()) == pytest.approx(1.0)
    for track_id, expected in probability.items():
        assert counts[track_id] / 300 == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 300))


def test_a_disliked_track_is_gone_from_the_next_recommendation(alice: Account, track: Track) -> None:
    assert track.pk in slate(alice.listener).tracks

    tell(alice.listener, track, "dislike")

    row = slate(alice.listener)
    assert track.pk not in row.candidates
    assert row.banned == [track.pk]


@pytest.mark.slow
def test_of_ten_thousand_recommended_tracks_none_is_disliked_or_banned(alice: Account, make_tracks: MakeTracks) -> None:
    catalogue = make_tracks(400)
    refused = set()
    for number, track in enumerate(catalogue[:60]):
        tell(alice.listener, track, "dislike" if number % 2 else "ban")
        refused.add(track.pk)

    recommended = [track_id for seed in range(500) for track_id in slate(alice.listener, 20, seed=seed).tracks]

    assert len(recommended) == 10_000
    assert refused.isdisjoint(recommended)


def test_a_ban_lasts_until_it_is_lifted(alice: Account, track: Track) -> None:
    tell(alice.listener, track, "ban")
    assert track.pk not in slate(alice.listener).tracks

    tell(alice.listener, track, "unban")
    assert track.pk in slate(alice.listener).tracks


def test_a_like_lifts_a_dislike(alice: Account, track: Track) -> None:
    tell(alice.listener, track, "dislike")
    tell(alice.listener, track, "like")

    assert track.pk in slate(alice.listener).tracks


def test_the_last_heard_tracks_rest(alice: Account, tracks: list[Track]) -> None:
    preferences.declare(alice.listener, recently_heard=2)
    for track in tracks[:3]:
        tell(alice.listener, track, "play", 10)

    assert {track.pk for track in tracks} - set(slate(alice.listener).tracks) == {tracks[1].pk, tracks[2].pk}


def test_a_small_catalogue_never_runs_dry_by_listening(alice: Account, tracks: list[Track]) -> None:
    for track in tracks:
        tell(alice.listener, track, "play", 10)

    assert len(slate(alice.listener).tracks) == len(tracks) // 2


def test_what_bob_dislikes_stays_with_alice(alice: Account, bob: Account, track: Track) -> None:
    tell(bob.listener, track, "dislike")

    assert track.pk in slate(alice.listener).tracks


def test_a_private_piece_is_recommended_to_nobody_and_a_shared_one_after_approval(
    bob: Account, tracks: list[Track], alices_piece: Track
) -> None:
    assert alices_piece.pk not in slate(bob.listener).tracks

    Track.objects.filter(pk=alices_piece.pk).update(is_shared=True, is_approved=True)
    from recsys.learning import features

    features._kept = None  # the table looks for approvals every few seconds only
    assert alices_piece.pk in slate(bob.listener).tracks


def test_a_style_filter_keeps_the_others_out(alice: Account, tracks: list[Track]) -> None:
    row = slate(alice.listener, styles=["reel", "jig"])

    assert {track.style for track in Track.objects.filter(pk__in=row.tracks)} == {"reel", "jig"}
    assert row.context["styles"] == ["reel", "jig"]


def test_nothing_left_is_an_empty_slate_with_a_word(alice: Account, tracks: list[Track]) -> None:
    row = slate(alice.listener, styles=["polka"])

    assert row.tracks == []
    assert row.context["word"] == NOTHING_LEFT


@pytest.mark.django_db
def test_an_empty_catalogue_is_said(alice: Account) -> None:
    assert slate(alice.listener).context["word"] == NO_MUSIC_YET


def test_the_diversity_dial_mixes_styles(alice: Account, tracks: list[Track]) -> None:
    liked = [track for track in tracks if track.style == "reel"]

    def pairs_alike(diversity: float) -> int:
        preferences.declare(alice.listener, styles=["reel"], diversity=diversity)
        same = 0
        for seed in range(40):
            drawn = slate(alice.listener, 3, seed=seed).tracks
            same += sum(a in {track.pk for track in liked} for a in drawn)
        return same

    assert pairs_alike(1.0) < pairs_alike(0.0)


def test_of_a_large_catalogue_a_quarter_of_the_candidates_is_uniform(alice: Account, make_tracks: MakeTracks) -> None:
    tracks = make_tracks(400)
    preferences.declare(alice.listener, styles=["reel"])

    rows = [slate(alice.listener, 1, seed=seed) for seed in range(30)]

    assert all(len(row.candidates) == len(set(row.candidates)) == 256 for row in rows)
    seen = {candidate for row in rows for candidate in row.candidates}
    assert len(seen) == len(tracks)


def test_radio_is_a_slate_of_one(alice: Account, tracks: list[Track]) -> None:
    assert len(radio(alice.listener).tracks) == 1


def test_the_radio_plays_on_without_what_was_refused_or_just_heard(alice: Account, tracks: list[Track]) -> None:
    banned, disliked, *others = (track.pk for track in tracks)
    tell(alice.listener, tracks[0], "ban")
    tell(alice.listener, tracks[1], "dislike")
    by_id = {track.pk: track for track in tracks}
    resting = len(tracks) // 2
    heard: list[int] = []

    for _ in range(5 * len(tracks)):
        (track_id,) = radio(alice.listener).tracks
        assert track_id not in (banned, disliked, *heard[-resting:])
        tell(alice.listener, by_id[track_id], "play", 20.0)
        heard.append(track_id)

    # Everything else came, and came again: what rested longest opens when all was heard.
    assert Counter(heard).keys() == set(others)
    assert min(Counter(heard).values()) > 1


def test_the_radio_says_so_when_all_that_does_not_rest_is_refused(alice: Account, tracks: list[Track]) -> None:
    resting = len(tracks) // 2
    for track in tracks[resting:]:
        tell(alice.listener, track, "ban")
    for track in tracks[:resting]:
        tell(alice.listener, track, "play", 20.0)

    row = radio(alice.listener)

    assert (row.tracks, row.context["word"]) == ([], NOTHING_LEFT)
    preferences.declare(alice.listener, recently_heard=1)
    assert radio(alice.listener).tracks[0] in {track.pk for track in tracks[: resting - 1]}


@pytest.mark.parametrize("count", [0, 101])
def test_it_refuses_a_count_outside_its_bounds(alice: Account, count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 100"):
        slate(alice.listener, count)


def test_a_damaged_checkpoint_does_not_stop_the_music(
    alice: Account, tracks: list[Track], caplog: pytest.LogCaptureFixture
) -> None:
    broken = PolicyVersion.objects.create(slot="recommender", kind="dqn", folder="checkpoints/gone")
    Slot.objects.create(name="recommender", champion=broken)

    row = slate(alice.listener, 3)

    assert row.policy_version.kind == "popularity"
    assert "can't be loaded" in caplog.text


def test_what_served_before_stands_in_for_a_damaged_checkpoint(alice: Account, tracks: list[Track]) -> None:
    first = PolicyVersion.objects.create(slot="recommender", kind="random")
    broken = PolicyVersion.objects.create(slot="recommender", kind="dqn", folder="checkpoints/gone")
    promotion.promote("recommender", first, Promotion.Kind.FIRST, None, "first")
    promotion.promote("recommender", broken, Promotion.Kind.FORCED, alice, "for the test")

    assert slate(alice.listener, 3).policy_version == first


def test_later_rows_do_not_change_a_replay(alice: Account, tracks: list[Track]) -> None:
    preferences.declare(alice.listener, styles=["jig"])
    tell(alice.listener, tracks[5], "rate", 5.0)
    tell(alice.listener, tracks[6], "play", 20.0)
    row = slate(alice.listener, 6)
    for track, kind in product(tracks[:4], ["like"]):
        tell(alice.listener, track, kind)
    tell(alice.listener, tracks[5], "unrate")
    preferences.declare(alice.listener, styles=["air"])
    activate(replace(active_weights(), rating=2.0))

    assert replay(row.pk).largest_difference < 1e-5


def test_the_number_of_queries_does_not_grow_with_the_slate(
    alice: Account, make_tracks: MakeTracks, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_tracks(60)
    slate(alice.listener, 1)

    with django_assert_max_num_queries(12) as small:
        slate(alice.listener, 2)
    with django_assert_max_num_queries(12) as large:
        slate(alice.listener, 50)
    assert isinstance(small, CaptureQueriesContext)
    assert len(small) == len(large)


def test_all_steps_of_a_request_see_the_same_tracks(make_tracks: MakeTracks) -> None:
    make_tracks(3)

    with one_track_table():
        unsaved_track(3).save()
        assert len(track_table()) == 3
    assert len(track_table()) == 4


def test_more_exploration_is_logged(alice: Account, tracks: list[Track], settings: Settings) -> None:
    settings.ENCORE_EPSILON = 0.5

    row = slate(alice.listener, 1)

    assert row.epsilon == 0.5
    assert row.probabilities[0] >= 0.5 / 12


@pytest.mark.parametrize(("kind", "value", "outcome"), [("like", None, 1.0), ("rate", 5.0, 1.0), ("rate", 1.0, -1.0)])
def test_under_popularity_an_opinion_counts_for_its_listener_at_once_and_for_the_others_from_the_next_hour_on(
    alice: Account, bob: Account, tracks: list[Track], kind: str, value: float | None, outcome: float
) -> None:
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def scores(listener: Listener, minutes: int) -> dict[int, float]:
        row = slate(listener, moment=noon + timedelta(minutes=minutes))
        return dict(zip(row.tracks, row.scores, strict=True))

    before = scores(alice.listener, 5)
    reels = {track.pk for track in tracks if track.style == "reel"}
    # As if five reels had been played with the average outcome, and then one more.
    own = {pk: score + (outcome / (1 + SHRINKAGE_PLAYS) if pk in reels else 0.0) for pk, score in before.items()}
    opinion = NewFeedback(
        client_id=uuid.uuid4(), track_id=tracks[0].pk, kind=kind, occurred_at=noon + timedelta(minutes=10), value=value
    )
    (stored,) = record(alice.listener, [opinion], received_at=noon + timedelta(minutes=10))

    assert stored.status == "stored"
    assert scores(alice.listener, 11) == pytest.approx(own)
    assert scores(bob.listener, 11) == before
    # As if the track had been played five times with the average outcome, and then once more; for Alice it counted already.
    everybody = before | {tracks[0].pk: before[tracks[0].pk] + outcome / SHRINKAGE_PLAYS}
    assert scores(bob.listener, 61) == pytest.approx(everybody)
    assert scores(alice.listener, 61) == pytest.approx(own)
