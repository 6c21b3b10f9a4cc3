"""The database is gone for half a minute while people listen and a worker imports: clear answers, nothing lost, all goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from config import postgres
from recsys.feedback import MOST_ROWS_A_CALL
from tests.acceptance import Browser, sign_in
from tests.config.keeper import Keeper, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="ends what it started by Linux' means")]

OUTAGE_SECONDS = 30


class Database:
    """A server beside the site, as a DATABASE_URL names it; the site can't start it again."""

    def __init__(self, folder: Path) -> None:
        self.cluster = postgres.Cluster(folder=folder)
        self.server: subprocess.Popen[bytes] = self.cluster.start()

    def stop(self) -> None:
        postgres.stop(self.server)

    def start(self) -> None:
        self.server = self.cluster.start()

    def count(self, table: str) -> int:
        with psycopg.connect(self.cluster.url()) as connection:
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "postgres")
    yield database
    database.stop()
    database.cluster.erase()


@pytest.fixture
def keeper(tmp_path: Path, database: Database) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "var", DATABASE_URL=database.cluster.url())
    keeper.start()
    yield keeper
    keeper.end(signal.SIGTERM)


def send(browser: Browser, rows: list[dict[str, Any]]) -> tuple[int, Any, str | None]:
    """Status, body and Retry-After, as a client meets them."""
    headers = {"Authorization": f"Bearer {browser.token}", "Content-Type": "application/json"}
    body = json.dumps({"feedback": rows}).encode()
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(f"{browser.address}/api/v1/feedback/", body, headers), timeout=60
        )
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return int(answer.status), json.loads(answer.read()), answer.headers["Retry-After"]


def test_listeners_lose_nothing_and_the_import_goes_on(keeper: Keeper, database: Database) -> None:
    browser = Browser(keeper.line(r"Encore is at  (http://\S+?)/ "))
    sign_in(browser, keeper.line(r"one-time password: (\S+)"))
    keeper.line(r"(others follow in the background)")
    wait_for(lambda: database.count("recsys_track") > 60, "the import in the background")
    tracks = [track["id"] for track in browser.api("/tracks/")["tracks"]]
    sent: list[dict[str, Any]] = []

    def like(place: int) -> tuple[int, Any, str | None]:
        row = {"client_id": str(uuid4()), "track": tracks[place % len(tracks)], "kind": "like"}
        sent.append(row | {"occurred_at": datetime.now(UTC).isoformat()})
        return send(browser, sent[-1:])

    assert like(0)[0] == 200
    there_before = database.count("recsys_track")

    database.stop()
    gone_at, answers = time.monotonic(), []
    while time.monotonic() < gone_at + OUTAGE_SECONDS:
        answers.append(like(len(sent)))
    database.start()

    assert {status for status, _, _ in answers} == {503}
    assert all(retry_after == "5" and "database does not answer" in body["detail"] for _, body, retry_after in answers)
    wait_for(lambda: send(browser, [])[0] == 200, "the site's answer")
    for first in [*range(0, len(sent), MOST_ROWS_A_CALL)] * 2:
        assert send(browser, sent[first : first + MOST_ROWS_A_CALL])[0] == 200
    assert database.count("recsys_feedback") == len(sent)
    wait_for(lambda: database.count("recsys_track") > there_before + 60, "the import after the outage")
