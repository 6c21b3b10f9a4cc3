"""A real `make run` with files of its own, to be killed and robbed of its database. After: slow tests."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_WAIT_SECONDS = 240
"""Only keeps the test from hanging: nothing is asserted about seconds."""


class Keeper:
    """`python -m config.start` with files of its own, and what it prints."""

    def __init__(self, var: Path, **more: str) -> None:
        self.var = var
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("ENCORE_", "DATABASE_URL", "DJANGO_"))}
        self.environment = (
            kept
            | {
                "ENCORE_VAR": str(var),
                "ENCORE_PORT": str(self.port),
                "ENCORE_WEB_WORKERS": "1",
                "ENCORE_FIRST_TUNES": "40",
                # Some two thousand tunes: their import goes on for minutes, in a pool of grandchildren.
                "ENCORE_COLLECTIONS": "oneills1850,ryansMammoth",
                "ENCORE_TRAINING_SECONDS": "5",
                "PYTHONUNBUFFERED": "1",
            }
            | more
        )
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


def wait_for(is_true: Callable[[], bool], what: str) -> None:
    """Other processes have to get somewhere, or to end in their own time: there is nothing but looking."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    waiting = threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, f"{what}: it did not get there"
        waiting.wait(0.1)
