"""The embedded server: made, started, killed, started again, stopped – and closed to others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import postgres
from config.postgres import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder=tmp_path / "postgres", durable=False)
    yield cluster
    cluster.erase()


def test_the_socket_lies_at_the_same_place_for_every_process(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 90)
    code = "import sys, pathlib, config.postgres as p; print(p.Cluster(folder=pathlib.Path(sys.argv[1])).socket_folder)"
    command = [sys.executable, "-c", code, str(folder)]
    seen = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "1"})

    assert seen.stdout.strip() == str(Cluster(folder=folder).socket_folder)
    assert len(seen.stdout) < 90


@pytest.mark.slow
def test_after_kill_it_starts_again_with_what_was_acknowledged(tmp_path: Path) -> None:
    cluster = Cluster(folder=tmp_path / "postgres", durable=True)
    server = cluster.start()
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.kill()
    server.wait()

    server = cluster.start()

    with psycopg.connect(cluster.url()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    postgres.stop(server)
    cluster.erase()
    assert server.returncode == 0


@pytest.mark.slow
def test_a_half_made_folder_is_made_again(cluster: Cluster) -> None:
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("18\n")

    server = cluster.start()

    postgres.stop(server)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_roots_server_refuses_other_programs_of_its_own_account(cluster: Cluster) -> None:
    server = cluster.start()
    asked = subprocess.run(
        [cluster.binary("psql"), cluster.url(), "-c", "SELECT 1"],
        user=postgres.UNPRIVILEGED,
        group=postgres.UNPRIVILEGED,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    postgres.stop(server)

    assert "Peer authentication failed" in asked.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that its server cannot pass")
def test_as_root_a_closed_folder_moves_the_files_to_where_the_server_can_reach_them(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = Cluster(folder=closed / "postgres", durable=False)
    try:
        assert cluster.home != cluster.folder
        postgres.stop(cluster.start())
    finally:
        cluster.erase()
