"""When a slot retrains by itself: clock changes, too little feedback, two schedulers."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from training import slots
from training.models import Run, Schedule
from training.schedule import WrongCron, check_cron, consider, next_times
from training.slots import SlotFunctions
from training.tasks import put_back_lost_runs

from .counting import SLOT


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(cron: str, after: str, count: int = 3) -> list[str]:
    return [moment.isoformat() for moment in next_times(cron, "Europe/Berlin", utc(after), count)]


def test_three_in_the_morning_stays_three_in_the_morning_across_a_clock_change() -> None:
    assert berlin("0 4 * * *", "2026-03-27T12:00") == [
        "2026-03-28T04:00:00+01:00",
        "2026-03-29T04:00:00+02:00",
        "2026-03-30T04:00:00+02:00",
    ]


def test_an_hour_that_the_clock_change_leaves_out_comes_due_when_the_clock_jumps() -> None:
    assert berlin("30 2 * * *", "2026-03-28T12:00", 2) == ["2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"]


def test_an_hour_that_comes_twice_comes_due_once() -> None:
    assert berlin("30 2 * * *", "2026-10-24T12:00", 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_after_the_first_of_a_repeated_hour_the_next_one_is_tomorrow() -> None:
    # 00:45 UTC is 02:45 summer time; 02:30 winter time is still to come on the wall clock, and is not another run.
    assert berlin("30 2 * * *", "2026-10-25T00:45", 1) == ["2026-10-26T02:30:00+01:00"]


@pytest.mark.parametrize("cron", ["", "* * * *", "* * * * * *", "60 * * * *", "0 3 * * nights", "0 0 31 2 *"])
def test_it_refuses_what_is_not_a_cron_expression(cron: str) -> None:
    with pytest.raises(WrongCron):
        check_cron(cron)


@pytest.fixture
def nightly(counting: SlotFunctions, db: None) -> Schedule:
    return Schedule.objects.create(slot=SLOT, cron="0 3 * * *", last_considered_at=utc("2026-05-01T12:00"))


def test_a_due_slot_is_queued_once(nightly: Schedule) -> None:
    assert consider(SLOT, utc("2026-05-02T02:59")) is None

    run = consider(SLOT, utc("2026-05-02T03:00"))

    assert run is not None
    assert run.trigger == Run.Trigger.SCHEDULE
    assert consider(SLOT, utc("2026-05-02T03:01")) is None


def test_nights_that_were_missed_are_made_up_for_once(nightly: Schedule) -> None:
    consider(SLOT, utc("2026-05-09T12:00"))

    assert consider(SLOT, utc("2026-05-09T12:01")) is None
    assert Run.objects.count() == 1


def test_too_little_new_feedback_skips_the_run_with_the_reason(nightly: Schedule) -> None:
    Run.objects.create(slot=SLOT, trigger="api", status="finished", started_at=timezone.now())

    assert consider(SLOT, utc("2026-05-02T03:00")) is None

    nightly.refresh_from_db()
    assert nightly.last_outcome == "skipped: 10 new feedback, 200 are needed"
    assert nightly.last_considered_at == utc("2026-05-02T03:00")


def test_a_slot_that_is_training_is_not_queued_again(nightly: Schedule) -> None:
    Run.objects.create(slot=SLOT, trigger="api", status="running")

    assert consider(SLOT, utc("2026-05-02T03:00")) is None
    nightly.refresh_from_db()
    assert "already has a run" in nightly.last_outcome


def test_a_schedule_that_is_switched_off_queues_nothing(nightly: Schedule) -> None:
    Schedule.objects.update(is_enabled=False)

    assert consider(SLOT, utc("2026-05-02T03:00")) is None


def test_a_slots_own_wish_comes_first(nightly: Schedule, counting: SlotFunctions) -> None:
    slots.register(dataclasses.replace(counting, wanted_run=lambda: {"steps": 2}))

    run = consider(SLOT, utc("2026-05-01T12:01"))

    assert run is not None
    assert (run.trigger, run.configuration["steps"]) == (Run.Trigger.START, 2)


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_queue_one_run(nightly: Schedule) -> None:
    found: list[Run | None] = []
    gate = threading.Barrier(2)

    def look() -> None:
        gate.wait()
        found.append(consider(SLOT, utc("2026-05-02T03:00")))
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([run for run in found if run is not None]) == 1
    assert Run.objects.count() == 1


def test_a_run_whose_worker_fell_silent_is_put_back_once(counting: SlotFunctions, db: None) -> None:
    Run.objects.create(slot=SLOT, trigger="api", status="running", lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert put_back_lost_runs() == 1
    assert put_back_lost_runs() == 0


def test_a_run_that_is_held_is_left_alone(counting: SlotFunctions, db: None) -> None:
    Run.objects.create(slot=SLOT, trigger="api", status="running", lease_expires_at=timezone.now() + timedelta(seconds=20))

    assert put_back_lost_runs() == 0
