"""One listener with tens of thousands of rows: what a request reads depends on what it shows, not on how long they listened."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account
from recsys import preferences, standing
from recsys.feedback import rows_of
from recsys.models import Feedback, Track
from recsys.recommending import PLAYS_LOOKED_BACK, recommend
from recsys.taste_answers import NEWEST_ROWS

ROWS = 20_000
OPINIONS = 60
"""Of the rows, five of each track; everything else is plays."""
KINDS = ("like", "dislike", "rate", "undislike", "ban", "unban")


@pytest.fixture
def devoted(alice: Account, tracks: list[Track]) -> Account:
    """Alice, who heard something every minute for two weeks, and said what she thinks of every track five times."""
    now = timezone.now()
    rows = []
    for number in range(ROWS):
        moment = now - timedelta(minutes=ROWS - number)
        opinion, rest = divmod(number, ROWS // OPINIONS)
        kind = "play" if rest or opinion == OPINIONS else KINDS[(opinion + opinion // 12) % 6]
        rows.append(
            Feedback(
                listener=alice.listener,
                client_id=uuid.uuid4(),
                track=tracks[number % 12 if kind == "play" else opinion % 12],
                kind=kind,
                value={"play": 20.0, "rate": 3.0}.get(kind),
                occurred_at=moment,
                received_at=moment,
            )
        )
    Feedback.objects.bulk_create(rows)
    preferences.declare(alice.listener, styles=["reel"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recsys_feedback")
    return alice


def rows_read(action: Callable[[], object]) -> int:
    """Rows of feedback that the database looks at for the queries of this action, by its own account."""
    with CaptureQueriesContext(connection) as captured:
        action()
    asked = [query["sql"] for query in captured.captured_queries]
    plans = []
    with connection.cursor() as cursor:
        for sql in asked:
            if "recsys_feedback" in sql and sql.lstrip().startswith(("SELECT", "WITH", "(")):
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
                (found,) = cursor.fetchone()
                plans.append(json.loads(found) if isinstance(found, str) else found)
    return sum(_read(each[0]["Plan"]) for each in plans)


def _read(plan: dict[str, Any]) -> int:
    below = sum(_read(each) for each in plan.get("Plans", []))
    if plan.get("Relation Name") != "recsys_feedback":
        return below
    looked_at: float = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return below + round(looked_at)


def test_a_recommendation_reads_the_newest_plays_and_the_opinions(devoted: Account) -> None:
    listener = devoted.listener
    recommend(listener, count=5, surface="api")

    # Six tracks rest: half of the catalogue.
    assert rows_read(lambda: recommend(listener, count=5, surface="api")) < 2 * (6 * PLAYS_LOOKED_BACK + 4 * OPINIONS)


@pytest.mark.parametrize("address", ["/history/", "/history/?show=liked", "/browse/", "/"])
def test_a_page_reads_what_it_shows(devoted: Account, client: Client, address: str) -> None:
    client.force_login(devoted)
    client.get(address)

    # The number of pages is counted; the rows stay in the database.
    counted = ROWS - OPINIONS if address == "/history/" else 0
    assert rows_read(lambda: client.get(address)) - counted < 1000


def test_opinions_of_a_few_tracks_read_those_of_no_other(devoted: Account, tracks: list[Track]) -> None:
    listener = devoted.listener

    some = {track.pk for track in tracks[:3]}

    assert rows_read(lambda: standing.current(listener, tracks=some)) == 3 * OPINIONS / 12
    whole, of_some = standing.current(listener), standing.current(listener, tracks=some)
    assert (of_some.liked, of_some.banned) == (whole.liked & some, whole.banned & some)


def test_a_taste_reads_the_newest_rows(devoted: Account, client: Client) -> None:
    client.force_login(devoted)

    assert rows_read(lambda: client.get("/taste/")) <= NEWEST_ROWS + 10


def test_rows_since_a_moment_are_read_alone(devoted: Account) -> None:
    since = timezone.now() - timedelta(minutes=100)

    assert rows_read(lambda: rows_of(devoted.listener.pk, since=since)) <= 101
