"""The policies that need no training."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from accounts.models import Account
from recsys import preferences
from recsys.learning.features import build_state
from recsys.learning.policy import DECLARED_STYLE_BONUS, load_policy
from recsys.models import Track
from tests.conftest import unsaved_track
from tests.recsys.learning.conftest import MONDAY, play


def test_what_is_heard_out_becomes_popular_at_the_next_full_hour(alice: Account, bob: Account, tracks: list[Track]) -> None:
    play(alice.listener, tracks[3], MONDAY, tracks[3].duration_seconds).save()
    play(alice.listener, tracks[4], MONDAY, 1.0).save()
    policy = load_policy("popularity", None)

    before, after = (build_state(bob.listener, MONDAY + timedelta(minutes=minutes)) for minutes in (59, 120))
    assert policy.score(before, [tracks[3].pk, tracks[4].pk])[0].tolist() == [0.0, 0.0]
    assert policy.top(after, 1, []) == [tracks[3].pk]


def test_among_equals_popularity_takes_every_style_in_turn(alice: Account) -> None:
    styles = ["air"] * 20 + ["reel"] * 3 + ["jig"] * 2
    Track.objects.bulk_create([unsaved_track(number, style=style) for number, style in enumerate(styles)])
    style_of = dict(Track.objects.values_list("pk", "style"))
    policy = load_policy("popularity", None)
    now, later = (build_state(alice.listener, MONDAY + timedelta(minutes=minutes)) for minutes in (0, 1))

    assert Counter(style_of[pk] for pk in policy.top(now, 6, [])) == {"air": 2, "reel": 2, "jig": 2}
    assert policy.top(now, 6, []) == policy.top(now, 6, [])
    assert policy.top(now, 6, []) != policy.top(later, 6, [])


def test_declared_styles_lead_for_a_new_listener(alice: Account, tracks: list[Track]) -> None:
    preferences.declare(alice.listener, styles=["air"], received_at=MONDAY)
    policy = load_policy("popularity", None)
    state = build_state(alice.listener, MONDAY + timedelta(minutes=1))
    airs = [track.pk for track in tracks if track.style == "air"]

    assert sorted(policy.top(state, 3, [])) == airs
    assert [reason.kind for reason in policy.explain(state, airs[:1], airs)[0]] == ["chance", "declared"]
    assert policy.score(state, airs[:1])[0, 0] == pytest.approx(DECLARED_STYLE_BONUS)


def test_random_is_the_same_for_the_same_moment(alice: Account, tracks: list[Track]) -> None:
    policy = load_policy("random", None)
    state = build_state(alice.listener, MONDAY)

    assert policy.top(state, 5, []) == policy.top(state, 5, [])
    assert not set(policy.top(state, 5, [])) & set(policy.top(state, 5, policy.top(state, 5, [])))


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no policy of kind 'oracle'"):
        load_policy("oracle", None)
