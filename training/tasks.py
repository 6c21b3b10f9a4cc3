"""Jobs of training: carry out a run, consider schedules, put stalled jobs back. Before: runs.py defers. After: execution.py."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.db.models.functions import Now
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted, UniqueViolation
from procrastinate.jobs import Status

from training import alarms, gate, lifts, schedule, slots
from training.execution import RunIsHeld, WorkerLeaves, execute
from training.models import PolicyVersion, Run
from training.runs import defer

if TYPE_CHECKING:
    from procrastinate.jobs import Job

logger = logging.getLogger(__name__)

STALLED_ATTEMPTS = 20
"""A job put back so often kills its worker each time: it stays as failed."""


@app.task(
    name="training.execute_run",
    queue="training",
    pass_context=True,
    retry=RetryStrategy(max_attempts=60, wait=5, retry_exceptions={JobAborted, RunIsHeld, OperationalError, InterfaceError}),
)
def execute_run(context: JobContext, run_id: int) -> None:
    """Trains. A worker that is told to leave puts the run back; it goes on elsewhere from its last checkpoint."""
    try:
        execute(run_id, should_leave=context.should_abort)
    except WorkerLeaves as leaves:
        raise JobAborted from leaves


@app.task(name="training.judge_version", queue="training")
def judge_version(version_id: int) -> None:
    """Judges a version again, on today's log and against today's champion."""
    gate.judge(PolicyVersion.objects.get(pk=version_id))


@app.periodic(cron="* * * * * */15")
@app.task(name="training.consider_runs", queue="maintenance", queueing_lock="consider_runs", pass_context=False)
def consider_runs(timestamp: int) -> None:
    """Every quarter of a minute: what slots want by themselves, what is due, what lost its job, which canary is ill."""
    for functions in slots.registered():
        try:
            schedule.consider(functions.name)
            alarms.watch(functions.name)
        except Exception:
            # One slot's trouble must not keep the others from being considered.
            logger.exception("considering %s failed", functions.name)
    put_back_lost_runs()


def put_back_lost_runs() -> int:
    """Defers runs whose worker fell silent or whose job is gone. Fencing makes doubles harmless."""
    silent = Q(status=Run.Status.RUNNING, lease_expires_at__lt=Now())
    waiting = Q(status=Run.Status.QUEUED, created_at__lt=Now() - timedelta(minutes=1))
    return sum(defer(run) for run in Run.objects.filter(silent | waiting))


@app.periodic(cron="* * * * * */10")
@app.task(name="training.retry_stalled_jobs", queue="maintenance", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Every ten seconds: jobs whose worker died go back into their queue."""
    stalled: list[Job] = list(await context.app.job_manager.get_stalled_jobs())
    for job in stalled:
        if job.attempts < STALLED_ATTEMPTS and await _put_back(context, job):
            continue
        logger.warning("job %s (%s) stalled and is given up after %s attempts", job.id, job.task_name, job.attempts)
        await context.app.job_manager.finish_job(job, status=Status.ABORTED, delete_job=False)


async def _put_back(context: JobContext, job: Job) -> bool:
    """Whether the job is in its queue again; not so where a newer one with its queueing lock waits there already."""
    try:
        await context.app.job_manager.retry_job(job)
    except UniqueViolation:
        return False
    return True


@app.periodic(cron="7 * * * *")
@app.task(name="training.measure_lifts", queue="maintenance", queueing_lock="measure_lifts", pass_context=False)
def measure_lifts(timestamp: int) -> None:
    """Every hour: what canaries and promotions gained, beside what was predicted."""
    lifts.measure_all()


@app.periodic(cron="17 4 * * *")
@app.task(name="training.delete_old_jobs", queue="maintenance", queueing_lock="delete_old_jobs", pass_context=True)
async def delete_old_jobs(context: JobContext, timestamp: int) -> None:
    """Every night: jobs that ended a week ago. Runs stay; only the queue's own rows go."""
    await context.app.job_manager.delete_old_jobs(nb_hours=24 * 7, include_failed=True, include_aborted=True)
