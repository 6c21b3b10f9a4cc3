"""One listener with tens of thousands of rows: what a request reads depends on what it shows, not on how long they listened."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Account
from recsys import preferences, standing
from recsys.feedback import history, rows_of
from recsys.history import page_of
from recsys.learning import shards
from recsys.learning.log import MOST_ROWS_OF_A_LISTENER
from recsys.learning.replay_dataset import build_replay_dataset
from recsys.models import Feedback, Track
from recsys.recommending import PLAYS_LOOKED_BACK, recommend
from recsys.standing import rows_that_stand
from recsys.taste_answers import NEWEST_ROWS
from tests.recsys.learning.conftest import Context

ROWS = 20_000
MILLION = 1_000_000
OPINIONS = 60
"""Of the rows, five of each track; everything else is plays."""
OPINIONATED = 5_000
"""Tracks of which each was liked once."""
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

    assert rows_read(lambda: client.get(address)) < 1000


def cursor_at(rows: QuerySet[Feedback], place: int) -> str:
    """Behind the row at this place."""
    two = list(rows.values_list("pk", flat=True)[place : place + 2])
    return page_of(rows.filter(pk__in=two), 1).older or ""


def test_a_page_far_back_reads_as_little_as_the_first_one(devoted: Account, client: Client, tracks: list[Track]) -> None:
    client.force_login(devoted)
    whole = history(devoted.listener)
    ways: list[dict[str, Any]] = [{}, {"kind": "play"}, {"kind": "ban"}, {"track": tracks[0].pk}]
    for narrowed in ways:
        rows = whole.filter(**narrowed)
        asked = {**narrowed, "limit": 100}
        far = {**asked, "cursor": cursor_at(rows, 9 * rows.count() // 10)}

        assert rows_read(lambda asked=asked: client.get("/api/v1/feedback/", asked)) <= 110  # type: ignore[misc]
        assert rows_read(lambda far=far: client.get("/api/v1/feedback/", far)) <= 110  # type: ignore[misc]
        assert client.get("/api/v1/feedback/", far).json()["feedback"]

    address = f"/history/?older={cursor_at(whole.filter(kind='play'), 18_000)}"
    page = client.get(address).context["page"]
    assert len(page.rows) == 50
    assert rows_read(lambda: client.get(address)) < 150
    assert rows_read(lambda: client.get(f"/history/?newer={page.newer}")) < 150


@pytest.fixture
def opinionated(alice: Account, track: Track) -> Account:
    """Alice, who liked five thousand tracks, each fifth of which she took back, and heard each ten times."""
    own = ("id", "title", "source", "content_hash")
    listed = ", ".join(str(field.column) for field in Track._meta.concrete_fields if field.column not in own)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO recsys_track (title, source, content_hash, {listed}) SELECT 'tune ' || n, n, md5(n::text), {listed}"
            " FROM recsys_track, generate_series(1, %s) n WHERE recsys_track.id = %s",
            [OPINIONATED, track.pk],
        )
        cursor.execute(
            "INSERT INTO recsys_feedback (listener_id, client_id, track_id, kind, value, occurred_at, received_at)"
            " SELECT %s, gen_random_uuid(), recsys_track.id, said.kind, CASE said.kind WHEN 'play' THEN 9 END, said.at, said.at"
            " FROM recsys_track, generate_series(1, 12) n,"
            " LATERAL (SELECT now() - ((recsys_track.id * 12 - n) || ' min')::interval AS at, CASE n WHEN 11 THEN 'like'"
            " WHEN 12 THEN CASE recsys_track.id %% 5 WHEN 0 THEN 'unlike' ELSE 'skip' END ELSE 'play' END AS kind) said"
            " WHERE recsys_track.id > %s",
            [alice.listener.pk, track.pk],
        )
        cursor.execute("ANALYZE recsys_feedback, recsys_track")
    return alice


def test_a_page_of_liked_tracks_reads_what_it_shows(opinionated: Account, client: Client) -> None:
    client.force_login(opinionated)
    far = cursor_at(rows_that_stand(opinionated.listener, "like"), 3_500)

    for address in ("/history/?show=liked", f"/history/?show=liked&older={far}"):
        assert len(client.get(address).context["entries"]) == 50
        # 51 that stand and the quarter of that which does not, each with its track's later rows, and the opinions of the page.
        assert rows_read(lambda address=address: client.get(address)) < 500  # type: ignore[misc]


def test_searching_a_history_reads_the_rows_of_what_was_found(opinionated: Account, client: Client) -> None:
    client.force_login(opinionated)

    assert len(client.get("/history/?q=tune+4321").context["entries"]) == 10
    assert rows_read(lambda: client.get("/history/?q=tune+4321")) < 50


def test_a_track_page_counts_the_plays_of_that_track(opinionated: Account, client: Client) -> None:
    client.force_login(opinionated)
    track = Track.objects.get(title="tune 17")

    assert rows_read(lambda: client.get(f"/tracks/{track.pk}/")) < 30


def test_opinions_of_a_few_tracks_are_those_of_all_tracks(devoted: Account, tracks: list[Track]) -> None:
    some = {track.pk for track in tracks[:3]}

    whole, of_some = standing.current(devoted.listener), standing.current(devoted.listener, tracks=some)

    assert (of_some.liked, of_some.banned) == (whole.liked & some, whole.banned & some)


def test_opinions_of_a_few_tracks_read_those_of_no_other(opinionated: Account) -> None:
    some = Track.objects.filter(title__in=["tune 4", "tune 5", "tune 6"]).values_list("pk", flat=True)

    assert rows_read(lambda: standing.current(opinionated.listener, tracks=set(some))) <= 6


def test_a_taste_reads_the_newest_rows(devoted: Account, client: Client) -> None:
    client.force_login(devoted)

    assert rows_read(lambda: client.get("/taste/")) <= NEWEST_ROWS + 10


def test_rows_since_a_moment_are_read_alone(devoted: Account) -> None:
    since = timezone.now() - timedelta(minutes=100)

    assert rows_read(lambda: rows_of(devoted.listener.pk, since=since)) <= 101


@pytest.fixture
def endless(alice: Account, tracks: list[Track]) -> Account:
    """Alice, to whom something has played every three seconds for five weeks: a million rows, each fiftieth of them a like."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO recsys_feedback (listener_id, client_id, track_id, kind, value, occurred_at, received_at)"
            " SELECT %s, gen_random_uuid(), (%s::bigint[])[1 + n %% %s], said.kind, CASE said.kind WHEN 'play' THEN 2.5 END,"
            " said.at, said.at FROM generate_series(1, %s) n, LATERAL (SELECT now() - (%s - n) * interval '3 s' AS at,"
            " CASE n %% 50 WHEN 0 THEN 'like' ELSE 'play' END AS kind) said",
            [alice.listener.pk, [track.pk for track in tracks], len(tracks), MILLION, MILLION],
        )
        cursor.execute("ANALYZE recsys_feedback")
    return alice


@pytest.mark.slow
def test_of_a_million_rows_requests_and_trainings_read_the_newest(
    endless: Account, tracks: list[Track], settings: Settings, tmp_path: Path
) -> None:
    settings.ENCORE_VAR = tmp_path

    slate = recommend(endless.listener, count=5, surface="api")
    dataset = build_replay_dataset(Context(folder=tmp_path / "run"))

    assert len(slate.tracks) == 5
    assert rows_read(lambda: recommend(endless.listener, count=5, surface="api")) < MILLION // 20
    exported = [gzip.decompress(file.read_bytes()).count(b"\n") for file in shards.folder().rglob("feedback-*.gz")]
    closed = Feedback.objects.filter(received_at__lt=shards.closed_days(dataset.as_of)).count()
    assert sum(exported) == closed > 0.9 * MILLION
    assert dataset.description["feedback_rows"] == MOST_ROWS_OF_A_LISTENER
    likes = MOST_ROWS_OF_A_LISTENER // 50
    assert dataset.description["transitions"] == MOST_ROWS_OF_A_LISTENER - likes
    newest = Feedback.objects.filter(kind="play").order_by("-received_at")[0]
    assert dataset.table.ids_T[dataset.track_N[0]] == newest.track_id
