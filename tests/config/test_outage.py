"""The database is gone for a while: a clear answer, nothing lost, and everything works again by itself."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path

import pytest

from config import postgres

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class RunningSite:
    """A web server of its own over a database of its own."""

    address: str
    cluster: postgres.Cluster
    database: "subprocess.Popen[bytes]"

    def get(self, path: str, **headers: str) -> tuple[int, HTTPMessage, str]:
        try:
            answer = urllib.request.urlopen(urllib.request.Request(f"{self.address}{path}", headers=headers), timeout=30)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            return int(answer.status), answer.headers, answer.read().decode()

    def wait_for(self, path: str, status: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.get(path)[0] == status:
                    return
            except urllib.error.URLError:
                continue
        pytest.fail(f"{path} never answered {status}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    cluster = postgres.Cluster(folder=tmp_path_factory.mktemp("outage") / "postgres", durable=False)
    database = cluster.start()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": cluster.url(),
        "ENCORE_LOG_LEVEL": "CRITICAL",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    subprocess.run([sys.executable, "manage.py", "prepare"], cwd=ROOT, env=environment, check=True, capture_output=True)
    granian = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--port",
        str(port),
        "--no-log",
        "config.wsgi:application",
    ]
    web = subprocess.Popen(granian, cwd=ROOT, env=environment)
    running = RunningSite(address=f"http://127.0.0.1:{port}", cluster=cluster, database=database)
    try:
        running.wait_for("/healthz", 200)
        yield running
    finally:
        web.terminate()
        web.wait(timeout=30)
        postgres.stop(running.database)
        cluster.erase()


@pytest.fixture
def without_database(site: RunningSite) -> Iterator[RunningSite]:
    postgres.stop(site.database)
    yield site
    if site.database.poll() is not None:
        site.database = site.cluster.start()
        site.wait_for("/healthz", 200)


def test_a_page_says_so_and_when_to_try_again(without_database: RunningSite) -> None:
    status, headers, page = without_database.get("/", Cookie=f"sessionid={'x' * 32}")

    assert (status, headers["Retry-After"]) == (503, "5")
    assert "database does not answer" in page


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/tracks/"])
def test_the_api_and_the_health_check_say_so_in_json(without_database: RunningSite, path: str) -> None:
    status, headers, body = without_database.get(path, Authorization="Bearer encore_unknown")

    assert (status, headers["Retry-After"]) == (503, "5")
    assert "database does not answer" in json.loads(body)["detail"]


def test_it_works_again_as_soon_as_the_database_is_back(without_database: RunningSite) -> None:
    assert [without_database.get("/healthz")[0] for _ in range(4)] == [503] * 4

    without_database.database = without_database.cluster.start()

    without_database.wait_for("/healthz", 200)
