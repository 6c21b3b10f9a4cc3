"""A log that the service itself wrote, under whatever serves: popularity, where nothing else was promoted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta

from accounts.models import Listener
from recsys import recommending
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, likes


def live_under_popularity(*, listeners: int = 32, visits: int = 4, count: int = 3) -> None:
    """Slates of `count` drawn by popularity and played as liked, in the order of time; the tracks are there already."""

    def seconds(number: int, visit: int, tracks: Sequence[Track]) -> float:
        return tracks[-1].duration_seconds if likes(number, tracks[-1]) else 1.0

    live(seconds, listeners=listeners, visits=visits, count=count, same_dice=True)


def live(
    seconds: Callable[[int, int, Sequence[Track]], float], *, listeners: int, visits: int, count: int, same_dice: bool = False
) -> None:
    """Each slate is played whole: `seconds` tells how long the last of its tracks so far is heard, by a listener's number and
    visit. With the same dice everybody's slate of a visit differs only by what the policy knows of them."""
    # Ids decide who is held out: the same ones in every run, whatever ran before in this database.
    cast = [Listener.objects.create(pk=FIRST_ID + number, external_id=f"listener {number}") for number in range(listeners)]
    for visit in range(visits):
        for number, listener in enumerate(cast):
            rows = []
            moment = MONDAY + timedelta(hours=6 * visit, seconds=number)
            seed = visit if same_dice else visits * number + visit
            slate = recommending.recommend(listener, count=count, surface="home", moment=moment, seed=seed)
            by_id = Track.objects.in_bulk(slate.tracks)
            tracks = [by_id[pk] for pk in slate.tracks]
            for position, track in enumerate(tracks):
                ended = moment + timedelta(minutes=3 + 3 * position)
                rows.append(
                    Feedback(
                        listener=listener,
                        client_id=uuid.uuid4(),
                        track=track,
                        recommendation=slate,
                        position=position,
                        kind="play",
                        value=seconds(number, visit, tracks[: position + 1]),
                        occurred_at=ended,
                        received_at=ended,
                    )
                )
            Feedback.objects.bulk_create(rows)
