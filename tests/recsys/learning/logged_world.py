"""A log that the service itself wrote, under popularity."""

from __future__ import annotations

import uuid
from datetime import timedelta

from accounts.models import Listener
from recsys import recommending
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, likes


def live_under_popularity(*, listeners: int = 32, visits: int = 4, count: int = 3) -> None:
    """Slates of `count` drawn by popularity and played as liked, in the order of time; the tracks are there already."""
    # Ids decide who is held out: the same ones in every run, whatever ran before in this database.
    cast = [Listener.objects.create(pk=FIRST_ID + number, external_id=f"listener {number}") for number in range(listeners)]
    for visit in range(visits):
        for number, listener in enumerate(cast):
            rows = []
            moment = MONDAY + timedelta(hours=6 * visit, seconds=number)
            slate = recommending.recommend(listener, count=count, surface="home", moment=moment, seed=visit)
            for position, track in enumerate(Track.objects.in_bulk(slate.tracks)[pk] for pk in slate.tracks):
                ended = moment + timedelta(minutes=3 + 3 * position)
                rows.append(
                    Feedback(
                        listener=listener,
                        client_id=uuid.uuid4(),
                        track=track,
                        recommendation=slate,
                        position=position,
                        kind="play",
                        value=track.duration_seconds if likes(number, track) else 1.0,
                        occurred_at=ended,
                        received_at=ended,
                    )
                )
            Feedback.objects.bulk_create(rows)
