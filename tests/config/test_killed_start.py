"""`make run` is killed −9 while it works: no process stays, and the next start goes on with everything that was kept."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.postgres import Cluster
from tests.acceptance import PASSWORD, Browser, sign_in
from tests.processes import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_WAIT_SECONDS = 240
"""Only keeps the test from hanging: nothing is asserted about seconds."""


class Keeper:
    """`python -m config.start` with files of its own, and what it prints."""

    def __init__(self, var: Path) -> None:
        self.var = var
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("ENCORE_", "DATABASE_URL", "DJANGO_"))}
        self.environment = kept | {
            "ENCORE_VAR": str(var),
            "ENCORE_PORT": str(self.port),
            "ENCORE_WEB_WORKERS": "1",
            "ENCORE_FIRST_TUNES": "40",
            # Some two thousand tunes: their import goes on for minutes, in a pool of grandchildren.
            "ENCORE_COLLECTIONS": "oneills1850,ryansMammoth",
            "ENCORE_TRAINING_SECONDS": "5",
            "PYTHONUNBUFFERED": "1",
        }
        self.printed = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.printed = ""
        command = [sys.executable, "-m", "config.start"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.printed += line

    def line(self, pattern: str) -> str:
        """The first group of a line that it printed or will print."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        waiting = threading.Event()
        while not (found := re.search(pattern, self.printed)):
            assert time.monotonic() < deadline, f"nothing like {pattern} in:\n{self.printed}"
            waiting.wait(0.1)
        return found[1]

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=LONGEST_WAIT_SECONDS)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "var")
    yield keeper
    if keeper.process is not None and keeper.process.poll() is None:
        keeper.end(signal.SIGTERM)
    for pid in processes_of(keeper.var):
        os.kill(pid, signal.SIGKILL)
    Cluster(folder=keeper.var / "postgres").erase()


def wait_for(is_true: Callable[[dict[int, str]], bool], var: Path) -> None:
    """Other processes have to get somewhere, or to end in their own time: there is nothing but looking."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    waiting = threading.Event()
    while not is_true(processes := processes_of(var)):
        assert time.monotonic() < deadline, f"it did not get there: {processes}"
        waiting.wait(0.1)


def are_all_at_work(processes: dict[int, str]) -> bool:
    """The grandchildren that import the rest of the catalogue included."""
    parts = ("granian", "--queues training", "--queues interactive", "--queues maintenance", "spawn_main", "postgres")
    return all(any(part in command for command in processes.values()) for part in parts)


def are_gone(processes: dict[int, str]) -> bool:
    return not processes


def test_after_kill_9_no_child_stays_and_the_next_start_goes_on(keeper: Keeper) -> None:
    keeper.start()
    address = keeper.line(r"Encore is at  (http://\S+?)/ ")
    first = Browser(address)
    sign_in(first, keeper.line(r"one-time password: (\S+)"))
    keeper.line(r"(others follow in the background)")
    wait_for(are_all_at_work, keeper.var)

    assert keeper.end(signal.SIGKILL) == -signal.SIGKILL
    wait_for(are_gone, keeper.var)

    keeper.start()
    second = Browser(keeper.line(r"Encore is at  (http://\S+?)/ "))
    second.send_form("/accounts/login/", login="owner@localhost", password=PASSWORD)
    second.token = first.token
    assert second.api("/me/")["role"] == "owner"
    assert second.api("/tracks/?limit=40")["tracks"]

    assert keeper.end(signal.SIGINT) == 0
    wait_for(are_gone, keeper.var)
