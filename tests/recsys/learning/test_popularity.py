"""What everybody liked, and what a listener's own rows say beside it, by hand."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db.models import F

from accounts.models import Account, Listener
from recsys import preferences
from recsys.learning.features import ListenerState, build_state, track_table
from recsys.learning.policy import PopularityPolicy
from recsys.learning.popularity import OwnRows, Popularity, popularity_as_of
from recsys.learning.windows import WINDOW
from recsys.models import Feedback, RewardVersion, Track
from recsys.rewards import RewardWeights, weights_as_of
from tests.recsys.learning.conftest import MONDAY

Said = tuple[int, str, float | None]
USUAL = Popularity(overall=0.6)


def hears(account: Account, tracks: list[Track], rows: list[Said]) -> ListenerState:
    """The state after these rows of (track, kind, value), a minute apart; `play` is of a share of the track."""
    Feedback.objects.bulk_create(
        Feedback(
            listener=account.listener,
            client_id=uuid.uuid4(),
            track=tracks[track],
            kind=kind,
            value=value * tracks[track].duration_seconds if kind == "play" and value is not None else value,
            occurred_at=MONDAY + timedelta(minutes=minute),
            received_at=MONDAY + timedelta(minutes=minute),
        )
        for minute, (track, kind, value) in enumerate(rows, start=1)
    )
    return build_state(account.listener, MONDAY + timedelta(minutes=len(rows) + 1))


def added(state: ListenerState) -> dict[str, float]:
    """What each style is given that is given anything."""
    table = track_table()
    by_style = OwnRows.of(state, table, USUAL).by_style()[0]
    return {style: value for style, value in zip(table.styles, by_style.tolist(), strict=True) if value}


def test_popularity_shrinks_towards_the_mean() -> None:
    popularity = Popularity.of_sums({1: (10.0, 10.0), 2: (0.0, 10.0), 3: (1.0, 1.0)})

    assert popularity.overall == pytest.approx(11 / 21)
    assert popularity.of([1, 3, 99]) == pytest.approx([(10 + 5 * 11 / 21) / 15, (1 + 5 * 11 / 21) / 6, 11 / 21])


@pytest.mark.parametrize(
    ("rows", "reel"),
    [
        ([(0, "like", None)], 1 / 6),
        ([(0, "dislike", None)], -1 / 6),
        ([(0, "rate", 5.0)], 1 / 6),
        ([(0, "rate", 1.0)], -1 / 6),
        ([(0, "play", 1.0)], (1 - 0.6) / 6),
        ([(0, "play", 0.1)], (0.1 - 0.5 - 0.6) / 6),
        ([(0, "play", 0.1), (0, "skip", None)], (0.1 - 0.5 - 0.6) / 6),
        ([(0, "play", 1.0), (0, "like", None)], (1 - 0.6 + 1) / 7),
        ([(0, "play", 1.0), (4, "play", 0.5)], (1 - 0.6 + 0.5 - 0.6) / 7),
        ([(0, "like", None), (0, "rate", 1.0)], 0.0),
        ([(0, "dislike", None), (0, "like", None)], 1 / 6),
        ([(0, "rate", 1.0), (0, "rate", 4.0)], 0.5 / 6),
    ],
)
def test_a_style_gets_the_shrunken_mean_of_what_its_tracks_gave_beyond_popularity(
    alice: Account, tracks: list[Track], rows: list[Said], reel: float
) -> None:
    assert added(hears(alice, tracks, rows)) == pytest.approx({"reel": reel} if reel else {})


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, "like", None), (0, "unlike", None)],
        [(0, "dislike", None), (0, "undislike", None)],
        [(0, "rate", 5.0), (0, "unrate", None)],
        [(0, "skip", None), (1, "ban", None), (1, "unban", None)],
    ],
)
def test_what_is_taken_back_or_tells_nothing_gives_nothing(alice: Account, tracks: list[Track], rows: list[Said]) -> None:
    assert added(hears(alice, tracks, rows)) == {}


def test_a_dislike_lowers_what_leaving_early_had_lowered(alice: Account, tracks: list[Track]) -> None:
    left = added(hears(alice, tracks, [(0, "play", 0.1)]))["reel"]
    disliked = added(hears(alice, tracks, [(0, "play", 0.1), (0, "dislike", None)]))["reel"]

    assert disliked < left < 0


def test_fifty_rows_stay_within_what_one_row_can_say_and_tracks_that_are_gone_say_nothing(
    alice: Account, tracks: list[Track]
) -> None:
    state = hears(alice, tracks, [(number % 12, "play", 1.0) for number in range(WINDOW + 20)])
    assert set(added(state)) == {"reel", "jig", "air", "chorale"}
    assert all(0 < value < 1 - 0.6 for value in added(state).values())

    for track in tracks:
        if track.style != "jig":
            Feedback.objects.filter(track=track).delete()
            track.delete()
    assert set(added(state)) == {"jig"}
    assert np.isfinite(PopularityPolicy().score(state, [track.pk or 0 for track in tracks])).all()


def test_without_a_catalogue_nothing_is_said(alice: Account, tracks: list[Track]) -> None:
    state = hears(alice, tracks, [(0, "like", None)])
    gone = tracks[0].pk
    Feedback.objects.all().delete()
    Track.objects.all().delete()

    assert PopularityPolicy().score(state, [gone]).tolist() == [[0.0]]
    assert PopularityPolicy().top(state, 3, []) == []


def test_the_catalogue_is_ranked_as_it_is_scored(alice: Account, tracks: list[Track]) -> None:
    preferences.declare(alice.listener, styles=["air"], received_at=MONDAY)
    state = hears(alice, tracks, [(0, "like", None), (0, "play", 1.0), (1, "rate", 1.0), (3, "play", 0.05)])
    policy = PopularityPolicy()
    every = [track.pk for track in tracks]

    best = policy.top(state, len(tracks), [])
    scores = policy.score(state, best)[0]
    assert sorted(best) == every
    assert (np.diff(scores) <= 1e-12).all()
    assert [Track.objects.get(pk=pk).style for pk in best[::3]] == ["reel", "air", "chorale", "jig"]


def test_reasons_sum_to_the_score_and_name_what_was_liked_only_where_it_carries(alice: Account, tracks: list[Track]) -> None:
    preferences.declare(alice.listener, styles=["air"], received_at=MONDAY)
    state = hears(alice, tracks, [(0, "like", None), (4, "like", None), (1, "like", None), (2, "rate", 1.0), (3, "skip", None)])
    policy = PopularityPolicy()
    every = [track.pk for track in tracks]

    explained = policy.explain(state, every, every)

    assert [sum(reason.contribution for reason in reasons) for reasons in explained] == pytest.approx(
        policy.score(state, every)[0].tolist()
    )
    found = {track.style: {r.kind: r for r in reasons} for track, reasons in zip(tracks, explained, strict=True)}
    assert {style: list(kinds) for style, kinds in found.items()} == {
        "reel": ["chance", "heard_style"],
        "jig": ["chance", "heard"],
        "air": ["chance", "declared", "heard"],
        "chorale": ["chance"],
    }
    assert found["reel"]["heard_style"].track_ids == (tracks[4].pk, tracks[0].pk)
    assert found["jig"]["heard"].track_id == tracks[1].pk
    assert found["reel"]["heard_style"].carries
    assert found["jig"]["heard"].carries
    assert not found["air"]["heard"].carries
    # Among reels alone nothing overtakes a reel that lost what all of them lost.
    ((_, among_reels),) = policy.explain(state, every[:1], every[::4])
    assert not among_reels.carries


def test_what_counts_is_what_the_reward_weights_were(alice: Account, tracks: list[Track]) -> None:
    threefold = replace(RewardWeights(), like=3.0)
    version = RewardVersion.objects.create(weights=asdict(threefold))
    RewardVersion.objects.filter(pk=version.pk).update(created_at=MONDAY - timedelta(days=1))
    state = hears(alice, tracks, [(0, "like", None)])

    assert weights_as_of(MONDAY) == threefold
    assert weights_as_of(MONDAY - timedelta(days=2)) == RewardWeights()
    an_hour_later = replace(state, moment=state.moment + timedelta(hours=1))
    scores = PopularityPolicy().score(an_hour_later, [tracks[0].pk, tracks[4].pk])[0]
    assert scores.tolist() == pytest.approx([3 / 6, 3 / 6])
    (of_the_others,) = PopularityPolicy().score(replace(an_hour_later, rows=()), [tracks[0].pk, tracks[4].pk])
    assert of_the_others.tolist() == pytest.approx([3 / 5, 0.0])


HOUR = MONDAY + timedelta(hours=1)
EVERYTHING: list[Said] = [
    (0, "play", 1.0),
    (0, "like", None),
    (0, "dislike", None),
    (1, "play", 0.1),
    (1, "skip", None),
    (1, "rate", 5.0),
    (1, "rate", 2.0),
    (2, "like", None),
    (2, "unlike", None),
    (3, "rate", 1.0),
    (3, "unrate", None),
    (4, "dislike", None),
    (4, "unlike", None),
    (5, "dislike", None),
    (5, "undislike", None),
    (6, "like", None),
    (6, "play", 0.6),
    (6, "undislike", None),
    (7, "ban", None),
]
BY_HAND = {0: (1.0 - 1.0, 1), 1: (0.1 - 0.5 - 0.5, 1), 4: (-1.0, 0), 6: (0.6 + 1.0, 1)}


def counted(moment: datetime) -> dict[int, tuple[float, float]]:
    popularity_as_of.cache_clear()
    popularity = popularity_as_of(moment, False, 0)
    sums = zip(popularity.ids_K, popularity.outcome_K, popularity.plays_K, strict=True)
    return {int(track): (outcome, plays) for track, outcome, plays in sums}


def test_the_count_sees_what_stood_and_what_was_left_early(alice: Account, tracks: list[Track]) -> None:
    hears(alice, tracks, EVERYTHING)

    assert counted(HOUR) == {tracks[at].pk: pytest.approx(sums) for at, sums in BY_HAND.items()}


@pytest.mark.parametrize(
    "weights",
    [
        RewardWeights(),
        RewardWeights(completion=0.4, early_leave=-2.0, like=3.0, dislike=-4.0, rating=1.0),
        RewardWeights(early_leave_seconds=0.5),
        RewardWeights(early_leave_seconds=100.0, early_leave_share=0.9),
    ],
)
def test_the_count_and_the_next_request_count_the_same(alice: Account, tracks: list[Track], weights: RewardWeights) -> None:
    version = RewardVersion.objects.create(weights=asdict(weights))
    RewardVersion.objects.filter(pk=version.pk).update(created_at=MONDAY - timedelta(days=1))
    state = replace(hears(alice, tracks, EVERYTHING), moment=HOUR)
    in_all, table = counted(HOUR), track_table()
    own = OwnRows.of(state, table, popularity_as_of(HOUR, False, 0))

    assert own.told.sums(0, table) == {track: pytest.approx(sums) for track, sums in in_all.items()}
    # Nobody else was there: nothing is left of what was counted.
    assert own.others_N[0].outcome_K == pytest.approx(np.zeros(len(in_all)), abs=1e-6)
    assert own.others_N[0].plays_K.tolist() == [0.0] * len(in_all)


def test_of_rows_that_came_out_of_order_the_one_that_occurred_last_stands(alice: Account, tracks: list[Track]) -> None:
    hears(alice, tracks, [(0, "unlike", None), (0, "like", None)])
    unlike, like = Feedback.objects.order_by("id")
    Feedback.objects.filter(pk=like.pk).update(occurred_at=unlike.occurred_at - timedelta(minutes=5))

    assert added(build_state(alice.listener, HOUR)) == {}
    assert counted(HOUR) == {}


def test_that_the_hour_counts_a_row_moves_nothing_for_its_listener_and_undoing_it_restores_everything(
    alice: Account, bob: Account, tracks: list[Track]
) -> None:
    hears(bob, tracks, [(number, "play", 0.3 + 0.05 * number) for number in range(12)])
    every = [track.pk for track in tracks]
    long_before = timedelta(minutes=50)

    def scores(minutes: int) -> list[float]:
        state, popularity = build_state(alice.listener, HOUR + timedelta(minutes=minutes)), PopularityPolicy()
        found: list[float] = popularity.score(state, every)[0].tolist()
        return found

    untouched = scores(1)
    hears(alice, tracks, [(0, "like", None), (1, "rate", 1.0)])
    Feedback.objects.filter(listener=alice.listener).update(
        received_at=F("received_at") + long_before, occurred_at=F("occurred_at") + long_before
    )
    said = scores(1)
    assert said[0] - untouched[0] == pytest.approx(1 / 6, abs=1e-6)
    assert said[1] - untouched[1] == pytest.approx(-1 / 6, abs=1e-6)
    assert said[2] == pytest.approx(untouched[2], abs=1e-6)

    for kind, track in (("unlike", tracks[0]), ("unrate", tracks[1])):
        moment = HOUR + timedelta(minutes=2)
        Feedback.objects.create(
            listener=alice.listener, client_id=uuid.uuid4(), track=track, kind=kind, occurred_at=moment, received_at=moment
        )
    assert scores(3) == pytest.approx(untouched, abs=1e-6)


def test_of_rows_that_nobody_counts_nothing_is_taken_off(alice: Account, bob: Account, tracks: list[Track]) -> None:
    hears(bob, tracks, [(0, "play", 1.0), (1, "play", 0.5)])
    state = hears(alice, tracks, [(0, "play", 1.0)])
    popularity_as_of.cache_clear()
    popularity = popularity_as_of(HOUR, False, 0)

    assert OwnRows.of(state, track_table(), popularity).others_N[0].plays_K.tolist() == [1.0, 1.0]
    foreign = replace(state, is_counted=False)
    assert OwnRows.of(foreign, track_table(), popularity).others_N[0].plays_K.tolist() == [2.0, 1.0]
    assert not build_state(Listener.objects.create(external_id="simulated", is_simulated=True), HOUR).is_counted
