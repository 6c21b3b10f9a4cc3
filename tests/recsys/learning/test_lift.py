"""Observed lift, reckoned by hand from what listeners did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts.models import Listener
from recsys.learning.lift import observed_lift
from recsys.models import Recommendation, Track
from tests.recsys.learning.conftest import MONDAY, play
from training.models import PolicyVersion
from training.slots import Served

pytestmark = pytest.mark.django_db


def version() -> PolicyVersion:
    return PolicyVersion.objects.create(slot="recommender", kind="random")


def slate(listener: Listener, by: PolicyVersion, tracks: list[Track], hours: float, heard: int, **dials: object) -> None:
    """A slate of which the first `heard` tracks were heard to the end."""
    moment = MONDAY + timedelta(hours=hours)
    shown = Recommendation.objects.create(
        listener=listener,
        created_at=moment,
        policy_version=by,
        seed=1,
        epsilon=0.1,
        dials={"is_private_session": False} | dials,
        candidates=[track.pk for track in tracks],
        tracks=[track.pk for track in tracks],
        scores=[0.0] * len(tracks),
        probabilities=[0.5] * len(tracks),
    )
    for position, track in enumerate(tracks[:heard]):
        ended = moment + timedelta(minutes=4 * (position + 1))
        play(listener, track, ended, track.duration_seconds, recommendation=shown, position=position).save()


def served(by: PolicyVersion) -> Served:
    return Served(version_id=by.pk, since=MONDAY, until=MONDAY + timedelta(days=30))


def test_it_is_the_difference_of_rewards_per_shown_track(checkerboard_tracks: list[Track]) -> None:
    new, old = version(), version()
    for number in range(12):
        listener = Listener.objects.create(external_id=f"listener {number}")
        # One play of two shown: 0.5 a track; none of two: 0. Days lie between, so that no return is credited.
        slate(listener, new if number % 2 else old, checkerboard_tracks[:2], hours=number, heard=number % 2)

    found = observed_lift(served(new), served(old))

    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert (found.listeners, found.previous_listeners) == (6, 6)
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


def test_slates_outside_the_time_or_in_private_do_not_count(checkerboard_tracks: list[Track]) -> None:
    new, old = version(), version()
    for number in range(4):
        listener = Listener.objects.create(external_id=f"listener {number}")
        slate(listener, new if number % 2 else old, checkerboard_tracks[:2], hours=1, heard=1)
        slate(listener, new, checkerboard_tracks[2:4], hours=24 * 40, heard=2)
        slate(listener, new, checkerboard_tracks[4:6], hours=5, heard=0, is_private_session=True)

    found = observed_lift(served(new), served(old))

    assert found is not None
    assert found.value == pytest.approx(0.0)


def test_one_listener_gives_no_interval(checkerboard_tracks: list[Track]) -> None:
    new, old = version(), version()
    for number, by in enumerate((new, old)):
        slate(Listener.objects.create(external_id=f"listener {number}"), by, checkerboard_tracks[:2], hours=1, heard=1)

    found = observed_lift(served(new), served(old))

    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_nothing_is_observed_where_one_of_them_served_nobody(checkerboard_tracks: list[Track]) -> None:
    new, old = version(), version()
    slate(Listener.objects.create(external_id="listener"), new, checkerboard_tracks[:2], hours=1, heard=1)

    assert observed_lift(served(new), served(old)) is None
