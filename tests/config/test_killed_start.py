"""`make run` is killed −9 while it works: no process stays, and the next start goes on with everything that was kept."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.postgres import Cluster
from tests.acceptance import PASSWORD, Browser, sign_in
from tests.config.keeper import Keeper, wait_for
from tests.processes import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "var")
    yield keeper
    if keeper.process is not None and keeper.process.poll() is None:
        keeper.end(signal.SIGTERM)
    for pid in processes_of(keeper.var):
        os.kill(pid, signal.SIGKILL)
    Cluster(folder=keeper.var / "postgres").erase()


def are_all_at_work(processes: dict[int, str]) -> bool:
    """The grandchildren that import the rest of the catalogue included."""
    parts = ("granian", "--queues training", "--queues interactive", "--queues maintenance", "spawn_main", "postgres")
    return all(any(part in command for command in processes.values()) for part in parts)


def test_after_kill_9_no_child_stays_and_the_next_start_goes_on(keeper: Keeper) -> None:
    keeper.start()
    address = keeper.line(r"Encore is at  (http://\S+?)/ ")
    first = Browser(address)
    sign_in(first, keeper.line(r"one-time password: (\S+)"))
    keeper.line(r"(others follow in the background)")
    wait_for(lambda: are_all_at_work(processes_of(keeper.var)), "everything at work")

    assert keeper.end(signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: not processes_of(keeper.var), "nobody left")

    keeper.start()
    second = Browser(keeper.line(r"Encore is at  (http://\S+?)/ "))
    second.send_form("/accounts/login/", login="owner@localhost", password=PASSWORD)
    second.token = first.token
    assert second.api("/me/")["role"] == "owner"
    assert second.api("/tracks/?limit=40")["tracks"]

    assert keeper.end(signal.SIGINT) == 0
    wait_for(lambda: not processes_of(keeper.var), "nobody left")
