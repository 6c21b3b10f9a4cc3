"""The jobs of training through a real worker of the queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from croniter import croniter
from django.db import connection
from procrastinate import App
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from training import promotion, queue
from training.gate import request_verdict
from training.models import PolicyVersion, Run
from training.runs import request_run
from training.slots import SlotFunctions

from .counting import SLOT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker() -> Iterator[App]:
    """As `manage.py procrastinate worker` makes it: with connections of its own."""
    with connection.cursor() as cursor:
        # Unmanaged tables: Django does not empty them between tests.
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_periodic_defers CASCADE")
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector) as worker_app:
        yield worker_app


def work(worker: App, queue: str = "training") -> None:
    worker.run_worker(queues=[queue], wait=False, install_signal_handlers=False, listen_notify=False)


def stall(job_id: int, *, attempts: int = 1) -> None:
    """Leaves a job as a killed worker does: at work, by nobody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL, attempts = %s WHERE id = %s", [attempts, job_id]
        )


def test_a_worker_carries_out_a_requested_run(counting: SlotFunctions, worker: App) -> None:
    run = request_run(SLOT, Run.Trigger.API)

    work(worker)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert promotion.serving_version(SLOT, 1) == run.versions.get()
    assert ProcrastinateJob.objects.get(task_name="training.execute_run").status == "succeeded"


def test_a_run_that_failed_is_not_tried_again_by_itself(counting: SlotFunctions, worker: App) -> None:
    request_run(SLOT, Run.Trigger.API, configuration={"accident": "the strings broke"})

    work(worker)

    assert not ProcrastinateJob.objects.filter(status="todo", queue_name="training").exists()


def test_a_worker_judges_a_version_again(counting: SlotFunctions, worker: App) -> None:
    request_run(SLOT, Run.Trigger.API)
    work(worker)
    version = PolicyVersion.objects.get()

    request_verdict(version)
    work(worker)

    assert [verdict.outcome for verdict in version.verdicts.all()] == ["not_proven", "promote"]


def recover(worker: App) -> None:
    queue.defer("training.retry_stalled_jobs", "maintenance", timestamp=0)
    work(worker, "maintenance")


def test_a_job_whose_worker_died_goes_back_into_its_queue(counting: SlotFunctions, worker: App) -> None:
    run = request_run(SLOT, Run.Trigger.API)
    job = ProcrastinateJob.objects.get(task_name="training.execute_run")
    stall(job.pk)

    recover(worker)
    work(worker)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED


def test_a_job_that_kills_every_worker_is_given_up(counting: SlotFunctions, worker: App) -> None:
    request_run(SLOT, Run.Trigger.API)
    job = ProcrastinateJob.objects.get(task_name="training.execute_run")
    stall(job.pk, attempts=20)

    recover(worker)

    job.refresh_from_db()
    assert job.status == "aborted"


@pytest.mark.parametrize(("name", "seconds"), [("consider_runs", 15), ("retry_stalled_jobs", 10)])
def test_what_watches_over_runs_comes_evenly(name: str, seconds: int) -> None:
    cron = next(each.cron for each in app.periodic_registry.periodic_tasks.values() if each.task.name == f"training.{name}")
    times = croniter(cron, start_time=0.0)

    assert [times.get_next(float) for _ in range(200)] == [seconds * (at + 1) for at in range(200)]
