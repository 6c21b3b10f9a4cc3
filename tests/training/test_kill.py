"""Real workers, killed while they train: the run resumes after its lease, and never trains twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from training import promotion
from training.models import PolicyVersion, Run
from training.runs import request_run
from training.slots import SlotFunctions

from .counting import SLOT

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

WORKER = """
import sys
import django
django.setup()
from tests.training.counting import COUNTING
from training import slots
from training.execution import RunIsHeld, execute
from training.lease import LeaseTimes
slots.register(COUNTING)
try:
    execute(int(sys.argv[1]), times=LeaseTimes(lease_seconds=2.0, heartbeat_seconds=0.4))
except RunIsHeld:
    sys.exit(75)
"""
HELD = 75

QUEUE_WORKER = """
import sys
import django
django.setup()
from django.core.management import call_command
from tests.training.counting import COUNTING
from training import slots
slots.register(COUNTING)
call_command("procrastinate", "worker", "--queues", "training", "--shutdown-graceful-timeout", "1")
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(counting: SlotFunctions, tmp_path: Path) -> Iterator[Start]:
    """Starts workers as processes of their own, on the test's database."""
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{base.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    environment = os.environ | {"DATABASE_URL": url, "ENCORE_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    started: list[subprocess.Popen[bytes]] = []

    def begin(run: Run, script: str = WORKER) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", script, str(run.pk)], env=environment))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.wait()


def wait_for(is_true: Callable[[], bool], seconds: float = 60) -> None:
    """Another process has to get somewhere: there is nothing but looking."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, "the worker did not get there"
        waiting.wait(0.05)


def counted(folder: Path, run: Run) -> list[int]:
    file = folder / "runs" / str(run.pk) / "counted.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def slow_run(steps: int) -> Run:
    return request_run(SLOT, Run.Trigger.API, configuration={"steps": steps, "pace": {"seconds_per_step": 0.05}})


def test_a_run_whose_worker_is_killed_resumes_where_it_stood(start: Start, tmp_path: Path) -> None:
    run = slow_run(100)
    first = start(run)
    wait_for(lambda: len(counted(tmp_path, run)) > 20)

    first.send_signal(signal.SIGKILL)
    first.wait()
    stood_at = len(counted(tmp_path, run))
    wait_for(lambda: start(run).wait() != HELD)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert run.lease_token == 2
    assert PolicyVersion.objects.count() == 1
    assert promotion.champion_of(SLOT) == run.versions.get()
    # A step may be counted twice where the kill fell between counting and keeping it; never more of them.
    assert any(line.text in {f"Going on at step {stood_at}.", f"Going on at step {stood_at + 1}."} for line in run.lines.all())


def test_of_three_workers_at_once_one_trains(start: Start, tmp_path: Path) -> None:
    run = slow_run(40)

    codes = sorted(worker.wait() for worker in [start(run) for _ in range(3)])

    run.refresh_from_db()
    assert codes[0] == 0
    assert run.lease_token == 1
    assert run.status == Run.Status.FINISHED
    assert PolicyVersion.objects.count() == 1


def test_a_worker_that_was_frozen_leaves_when_it_finds_its_lease_taken(start: Start, tmp_path: Path) -> None:
    run = slow_run(100)
    frozen = start(run)
    wait_for(lambda: len(counted(tmp_path, run)) > 10)
    frozen.send_signal(signal.SIGSTOP)
    successor = None

    def is_taken() -> bool:
        nonlocal successor
        if successor is None or successor.poll() == HELD:
            successor = start(run)
        run.refresh_from_db()
        return run.lease_token == 2

    wait_for(is_taken)
    frozen.send_signal(signal.SIGCONT)
    assert successor is not None

    assert successor.wait() == 0
    assert frozen.wait() == 0
    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert PolicyVersion.objects.count() == 1


def test_a_worker_of_the_queue_that_is_told_to_leave_hands_the_run_over(start: Start, tmp_path: Path) -> None:
    run = slow_run(200)
    first = start(run, QUEUE_WORKER)
    wait_for(lambda: len(counted(tmp_path, run)) > 20)

    first.terminate()
    first.wait(timeout=20)
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    stood_at = counted(tmp_path, run)[-1]
    start(run, QUEUE_WORKER)
    wait_for(lambda: Run.objects.get(pk=run.pk).finished_at is not None)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert run.lines.filter(text=f"Going on at step {stood_at + 1}.").exists()
