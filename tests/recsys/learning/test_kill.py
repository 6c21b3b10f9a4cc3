"""The recommender's own training, killed by kill −9: nothing half made serves, and the run goes on to the same weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from accounts.models import Listener
from dqn.checkpoint import read_checkpoint
from recsys.learning.training import CHECKPOINT, STATE
from recsys.models import Track
from recsys.recommending import recommend
from tests.recsys.learning.conftest import FIRST_ID, SMALL
from tests.recsys.learning.logged_world import live_under_popularity
from tests.workers import environment_of_test, wait_for
from training import checkpoints, promotion
from training.configuration import flatten
from training.models import PolicyVersion, Run, Verdict
from training.runs import repeat_run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SLOT = "recommender"
TINY = replace(SMALL, updates=120, save_every_updates=10)
WORKER = """
import sys
import django
django.setup()
from training.execution import execute
execute(int(sys.argv[1]))
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(checkerboard_tracks: list[Track], settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts processes that train on what listeners did under popularity, which serves."""
    settings.ENCORE_VAR = tmp_path
    live_under_popularity(listeners=20, visits=4)
    environment, started = environment_of_test(tmp_path), []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.wait()


def retrain() -> list[str]:
    """The command that people type."""
    changed = {name: value for name, value in flatten(TINY.to_json()).items() if value != flatten(type(TINY)().to_json())[name]}
    told = [part for name, value in changed.items() for part in ("--set", f"{name}={value}")]
    return ["manage.py", "retrain", SLOT, "--here", "--seed", "3", *told]


def kill(worker: subprocess.Popen[bytes]) -> None:
    """Without a word; then the lease runs out."""
    worker.kill()
    worker.wait()
    Run.objects.filter(status=Run.Status.RUNNING).update(lease_expires_at=Now())


def check_that_nothing_is_half_made() -> None:
    """What serves is whole, so is every version that could, and a trained one serves on a verdict only."""
    champion = promotion.champion_of(SLOT)
    assert champion is not None
    assert recommend(Listener.objects.get(pk=FIRST_ID), count=3, surface="api").policy_version == champion
    trained = list(PolicyVersion.objects.exclude(folder=""))
    assert [version.pk for version in trained if checkpoints.trouble_with(version)] == []
    assert len(trained) <= 1
    if champion in trained:
        assert Verdict.objects.filter(version=champion, outcome=Verdict.Outcome.PROMOTE).exists()


def check_that_it_ended_as_if_undisturbed(run: Run, start: Start) -> None:
    """One version with its verdict, and weights that an undisturbed repeat has too."""
    run.refresh_from_db()
    assert (run.status, run.versions.count()) == (Run.Status.FINISHED, 1), run.outcome
    assert Verdict.objects.filter(version__run=run).exists()
    again = repeat_run(run, Run.Trigger.API)
    assert start("-c", WORKER, str(again.pk)).wait() == 0

    killed, whole = (read_checkpoint(checkpoints.folder_of(each.versions.get()) or Path()) for each in (run, again))
    again.refresh_from_db()
    assert again.dataset_fingerprint == run.dataset_fingerprint
    assert killed.weights.keys() == whole.weights.keys()
    assert all(np.array_equal(killed.weights[name], whole.weights[name]) for name in whole.weights)


def test_killed_at_each_stage_it_goes_on_and_ends(start: Start, tmp_path: Path) -> None:
    worker = start(*retrain())
    wait_for(lambda: Run.objects.filter(status=Run.Status.RUNNING).exists())
    run = Run.objects.get()
    folder = tmp_path / "runs" / str(run.pk)
    stages = [
        (folder / STATE).exists,
        (folder / CHECKPOINT).exists,
        (folder / "bandit" / STATE).exists,
        (folder / "both").exists,
        run.versions.exists,
    ]

    for is_reached in stages:
        wait_for(is_reached)
        kill(worker)
        check_that_nothing_is_half_made()
        worker = start("-c", WORKER, str(run.pk))
    assert worker.wait() == 0

    assert run.lines.filter(text__startswith="Goes on after").exists()
    check_that_it_ended_as_if_undisturbed(run, start)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_it_goes_on_and_ends(start: Start, tmp_path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    worker = start(*retrain())
    wait_for(lambda: Run.objects.filter(status=Run.Status.RUNNING).exists())
    run = Run.objects.get()

    for changes in generator.integers(1, 12, size=5):
        wait_for_changes(tmp_path, worker, int(changes))
        kill(worker)
        check_that_nothing_is_half_made()
        worker = start("-c", WORKER, str(run.pk))
    assert worker.wait() == 0

    check_that_it_ended_as_if_undisturbed(run, start)


def wait_for_changes(folder: Path, worker: subprocess.Popen[bytes], changes: int) -> None:
    """Until the files of runs and checkpoints were seen to change so often, or the worker is done."""
    seen, left = written(folder), changes

    def has_gone_on() -> bool:
        nonlocal seen, left
        before, seen = seen, written(folder)
        left -= before != seen
        return left <= 0 or worker.poll() is not None

    wait_for(has_gone_on)


def written(folder: Path) -> set[tuple[Path, int]]:
    """Files with the times at which they were written."""
    found = set()
    for part, _, names in (*os.walk(folder / "runs"), *os.walk(folder / "checkpoints")):
        for name in names:
            with suppress(FileNotFoundError):  # renamed or removed while one looks
                found.add((Path(part, name), Path(part, name).stat().st_mtime_ns))
    return found
