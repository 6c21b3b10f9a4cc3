"""Pages of a history: each row once in both directions, whatever arrives meanwhile; and the opinions that stand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from accounts.models import Account
from recsys import feedback
from recsys.browsing import BrokenCursor
from recsys.history import HistoryPage, page_of
from recsys.models import Feedback, Track
from recsys.standing import current, rows_that_stand

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPINIONS = ("like", "unlike", "dislike", "undislike", "rate", "unrate", "ban", "unban")


def say(alice: Account, track: Track, kind: str, minutes: float, value: float | None = None) -> Feedback:
    moment = NOON + timedelta(minutes=minutes)
    return Feedback.objects.create(
        listener=alice.listener,
        client_id=uuid.uuid4(),
        track=track,
        kind=kind,
        value=value,
        occurred_at=moment,
        received_at=moment,
    )


def heard(alice: Account, track: Track, count: int) -> list[int]:
    """Ids of plays, newest first; three of them at each moment, which only their ids tell apart."""
    return [say(alice, track, "play", number // 3, 5.0).pk for number in range(count)][::-1]


def page(alice: Account, **where: str) -> HistoryPage:
    return page_of(feedback.history(alice.listener), 4, **where)


def test_every_row_stands_on_one_page_in_both_directions(alice: Account, track: Track) -> None:
    ids = heard(alice, track, 11)

    pages = [page(alice)]
    while pages[-1].older:
        pages.append(page(alice, older_than=pages[-1].older))

    assert [[row.pk for row in each.rows] for each in pages] == [ids[:4], ids[4:8], ids[8:]]
    assert [each.newer is None for each in pages] == [True, False, False]
    assert pages[2].newer
    middle = page(alice, newer_than=pages[2].newer)
    assert [row.pk for row in middle.rows] == ids[4:8]
    assert middle.newer
    first = page(alice, newer_than=middle.newer)
    assert [row.pk for row in first.rows] == ids[:4]
    assert first.newer is None


def test_rows_that_arrive_meanwhile_neither_repeat_nor_hide_one(alice: Account, track: Track) -> None:
    ids = heard(alice, track, 6)
    first = page(alice)
    say(alice, track, "play", 60, 5.0)
    assert first.older

    assert [row.pk for row in page(alice, older_than=first.older).rows] == ids[4:]


def test_the_first_page_is_full_though_fewer_rows_are_newer(alice: Account, track: Track) -> None:
    ids = heard(alice, track, 6)
    second = page(alice, older_than=page(alice).older or "")
    Feedback.objects.filter(pk__in=ids[:3]).delete()

    assert [row.pk for row in page(alice, newer_than=second.newer or "").rows] == ids[3:]


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzEsMl0", "W1tdLDFd", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgMV0"])
@pytest.mark.parametrize("direction", ["older_than", "newer_than"])
def test_another_text_is_no_cursor(alice: Account, cursor: str, direction: str) -> None:
    with pytest.raises(BrokenCursor):
        page(alice, **{direction: cursor})


def test_the_rows_that_stand_are_the_opinions_that_stand(alice: Account, tracks: list[Track]) -> None:
    generator = np.random.default_rng(8)
    for number in range(150):
        kind = OPINIONS[generator.integers(len(OPINIONS))]
        # Two at a moment now and then: the later id counts.
        say(alice, tracks[generator.integers(8)], kind, number // 2, 1.0 + number % 5 if kind == "rate" else None)

    standing = current(alice.listener)

    expected = {"like": standing.liked, "dislike": standing.disliked, "ban": standing.banned, "rate": standing.ratings.keys()}
    for kind, track_ids in expected.items():
        rows = list(rows_that_stand(alice.listener, kind))
        assert len(track_ids) > 0
        assert sorted(row.track_id for row in rows) == sorted(track_ids)
        assert [(row.occurred_at, row.pk) for row in rows] == sorted(((row.occurred_at, row.pk) for row in rows), reverse=True)
    assert {row.track_id: row.value for row in rows_that_stand(alice.listener, "rate")} == standing.ratings
