"""What everybody liked, and what a listener's own rows say beside it, by hand."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import timedelta

import numpy as np
import pytest

from accounts.models import Account
from recsys import preferences
from recsys.learning.features import ListenerState, build_state, track_table
from recsys.learning.policy import PopularityPolicy
from recsys.learning.popularity import OwnRows, Popularity
from recsys.learning.windows import WINDOW
from recsys.models import Feedback, RewardVersion, Track
from recsys.rewards import RewardWeights, weights_as_of
from tests.recsys.learning.conftest import MONDAY

Said = tuple[int, str, float | None]
USUAL = Popularity(means={}, overall=0.6)


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
    assert scores.tolist() == pytest.approx([3 / 5 + 3 / 6, 3 / 6])
