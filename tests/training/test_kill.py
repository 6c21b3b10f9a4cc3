"""Real workers, killed while they train: the run resumes after its lease, and never trains twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workers import environment_of_test, wait_for
from training import promotion
from training.models import PolicyVersion, Run
from training.runs import request_run
from training.slots import SlotFunctions

from .counting import SLOT, STEPS_ALLOWED

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
    environment = environment_of_test(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def begin(run: Run, script: str = WORKER) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", script, str(run.pk)], env=environment))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.wait()


def counted(folder: Path, run: Run) -> list[int]:
    file = folder / "runs" / str(run.pk) / "counted.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


class Pipe:
    """Says how many steps a run may take: a worker waits for each."""

    def __init__(self, folder: Path, run: Run) -> None:
        path = folder / "runs" / str(run.pk) / STEPS_ALLOWED
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        # Open for reading too: what is allowed stays in the pipe while no worker has it open.
        self.end = os.open(path, os.O_RDWR)

    def allow(self, steps: int) -> None:
        os.write(self.end, bytes(steps))


Request = Callable[[int], tuple[Run, Pipe]]


@pytest.fixture
def request_paced(tmp_path: Path) -> Iterator[Request]:
    """Runs that go no further than they are allowed to."""
    pipes: list[Pipe] = []

    def begin(steps: int) -> tuple[Run, Pipe]:
        run = request_run(SLOT, Run.Trigger.API, configuration={"steps": steps})
        pipes.append(Pipe(tmp_path, run))
        return run, pipes[-1]

    yield begin
    for pipe in pipes:
        os.close(pipe.end)


def test_a_run_whose_worker_is_killed_resumes_where_it_stood(start: Start, request_paced: Request, tmp_path: Path) -> None:
    run, pipe = request_paced(100)
    pipe.allow(20)
    first = start(run)
    wait_for(lambda: len(counted(tmp_path, run)) == 20)

    first.send_signal(signal.SIGKILL)
    first.wait()
    pipe.allow(1000)
    wait_for(lambda: start(run).wait() != HELD)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert run.lease_token == 2
    assert PolicyVersion.objects.count() == 1
    assert promotion.champion_of(SLOT) == run.versions.get()
    # A step may be counted twice where the kill fell between counting and keeping it; never more of them.
    assert run.lines.filter(text__in=["Going on at step 20.", "Going on at step 21."]).exists()


def test_of_three_workers_at_once_one_trains(start: Start, request_paced: Request) -> None:
    run, pipe = request_paced(40)
    workers = [start(run) for _ in range(3)]
    # Two leave while the one that has the run waits for its first step.
    wait_for(lambda: [worker.poll() for worker in workers].count(HELD) == 2)
    pipe.allow(1000)

    codes = sorted(worker.wait() for worker in workers)

    run.refresh_from_db()
    assert codes[0] == 0
    assert run.lease_token == 1
    assert run.status == Run.Status.FINISHED
    assert PolicyVersion.objects.count() == 1


def test_a_worker_that_was_frozen_leaves_when_it_finds_its_lease_taken(
    start: Start, request_paced: Request, tmp_path: Path
) -> None:
    run, pipe = request_paced(100)
    pipe.allow(10)
    frozen = start(run)
    wait_for(lambda: len(counted(tmp_path, run)) == 10)
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
    pipe.allow(1000)
    assert successor is not None

    assert successor.wait() == 0
    assert frozen.wait() == 0
    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert PolicyVersion.objects.count() == 1


def test_a_worker_of_the_queue_that_is_told_to_leave_hands_the_run_over(
    start: Start, request_paced: Request, tmp_path: Path
) -> None:
    run, pipe = request_paced(400)
    pipe.allow(20)
    first = start(run, QUEUE_WORKER)
    wait_for(lambda: len(counted(tmp_path, run)) == 20)

    first.terminate()

    def has_left() -> bool:
        pipe.allow(1)  # it looks whether it should stop after each step
        return first.poll() is not None

    wait_for(has_left)
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED
    stood_at = counted(tmp_path, run)[-1]
    pipe.allow(400)
    start(run, QUEUE_WORKER)
    wait_for(lambda: Run.objects.get(pk=run.pk).finished_at is not None)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert run.lines.filter(text=f"Going on at step {stood_at + 1}.").exists()
