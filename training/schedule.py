"""When a slot retrains by itself. Before: the task that looks every few seconds. After: runs.py queues what is due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter
from django.db import transaction
from django.utils import timezone

from training import slots
from training.models import Run, Schedule
from training.runs import RunRefused, request_run


class WrongCron(ValueError):  # noqa: N818 – names what it is
    """Not a cron expression; the message says which part."""


def check_cron(cron: str) -> None:
    """Refuses what is not minute, hour, day of month, month, day of week."""
    if len(cron.split()) != 5:
        raise WrongCron(f"“{cron}” must have five parts: minute, hour, day of month, month, day of week.")
    try:
        croniter(cron, timezone.now()).get_next(datetime)
    except (CroniterError, ValueError, KeyError) as error:
        raise WrongCron(f"“{cron}” is not a cron expression: {error}") from error


def next_times(cron: str, time_zone: str, after: datetime, count: int = 3) -> list[datetime]:
    """The next moments a schedule comes due, in its own zone."""
    return [moment for _, moment in zip(range(count), _moments(cron, time_zone, after), strict=False)]


def _moments(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """The wall clock decides: 03:00 stays 03:00 in summer and winter. An hour that a clock change leaves out comes due
    when the clock jumps, and one that comes twice comes due the first time only."""
    zone = ZoneInfo(time_zone)
    steps = croniter(cron, after.astimezone(zone).replace(tzinfo=None))
    last = after
    while True:
        wall = steps.get_next(datetime)
        # fold=0 reads a repeated hour as its first; the way over UTC moves a left-out hour to an existing one.
        moment = wall.replace(tzinfo=zone, fold=0).astimezone(ZoneInfo("UTC")).astimezone(zone)
        if moment > last:
            last = moment
            yield moment


def schedule_of(slot: str) -> Schedule:
    """The slot's schedule; the default one is made at the first look."""
    return Schedule.objects.get_or_create(slot=slot, defaults={"last_considered_at": timezone.now()})[0]


def consider(slot: str, moment: datetime | None = None) -> Run | None:
    """Queues the run that the slot wants by itself, or that its schedule says is due. Called every few seconds."""
    moment = moment or timezone.now()
    schedule_of(slot)
    # The row lock settles the race of two schedulers: the second one finds the moment considered already.
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().get(slot=slot)
        return _consider_wish(slot, schedule) or _consider_schedule(slot, schedule, moment)


def _consider_wish(slot: str, schedule: Schedule) -> Run | None:
    """First-start runs: the slot itself says what it wants next, until it waits for the schedule."""
    if Run.objects.filter(slot=slot, status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).exists():
        return None
    wanted = slots.functions_of(slot).wanted_run()
    return None if wanted is None else _request(slot, schedule, Run.Trigger.START, wanted)


def _consider_schedule(slot: str, schedule: Schedule, moment: datetime) -> Run | None:
    since = schedule.last_considered_at or moment
    is_due = schedule.is_enabled and next_times(schedule.cron, schedule.time_zone, since, 1)[0] <= moment
    if not is_due and schedule.last_considered_at is not None:
        return None
    schedule.last_considered_at = moment
    run = None
    if is_due:
        new = slots.functions_of(slot).count_new_feedback(last_learned_at(slot))
        if new < schedule.minimum_new_feedback:
            schedule.last_outcome = f"skipped: {new} new feedback, {schedule.minimum_new_feedback} are needed"
        else:
            run = _request(slot, schedule, Run.Trigger.SCHEDULE, {})
    schedule.save(update_fields=["last_considered_at", "last_outcome"])
    return run


def _request(slot: str, schedule: Schedule, trigger: str, configuration: Mapping[str, Any]) -> Run | None:
    try:
        run = request_run(slot, trigger, configuration=configuration)
    except (RunRefused, ValueError) as refusal:
        schedule.last_outcome = f"refused: {refusal}"[:200]
        schedule.save(update_fields=["last_outcome"])
        return None
    schedule.last_outcome = f"run {run.pk} was queued"
    schedule.save(update_fields=["last_outcome"])
    return run


def last_learned_at(slot: str) -> datetime | None:
    """Since when feedback is new: the start of the last finished run."""
    finished = Run.objects.filter(slot=slot, status=Run.Status.FINISHED).order_by("-started_at").first()
    return finished.started_at if finished else None
