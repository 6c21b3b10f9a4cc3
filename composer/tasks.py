"""Jobs of composing: compose a commission, put lost ones back. Before: composing.py defers. After: composing.py writes."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models.functions import Now
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import JobAborted

from composer import pair_making, pairs
from composer.composing import OPEN, TASK, compose_commission, defer, fail
from composer.models import BlindPair, Commission

logger = logging.getLogger(__name__)

GIVE_UP_AFTER_MINUTES = 60
LOST_AFTER_MINUTES = 1
_WAITING = ("todo", "doing")


@app.task(
    name=TASK,
    queue="interactive",
    pass_context=True,
    retry=RetryStrategy(max_attempts=10, wait=5, retry_exceptions={JobAborted, OperationalError, InterfaceError}),
)
def compose(context: JobContext, commission_id: str) -> None:
    """Composes one piece. A database that is away for a while only delays it; any other accident ends the commission."""
    try:
        compose_commission(uuid.UUID(commission_id))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        fail(uuid.UUID(commission_id), "Something went wrong while composing; the operator's log says what. Please ask again.")
        raise


@app.task(
    name=pairs.TASK,
    queue="interactive",
    pass_context=True,
    retry=RetryStrategy(max_attempts=10, wait=5, retry_exceptions={JobAborted, OperationalError, InterfaceError}),
)
def make_pair(context: JobContext, pair_id: str) -> None:
    """Writes both sides of a blind pair, so that it is there at once when its listener asks."""
    try:
        pair_making.make_pair(uuid.UUID(pair_id))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        pair_making.fail_pair(uuid.UUID(pair_id), "Something went wrong while composing; the operator's log says what.")
        raise


@app.periodic(cron="* * * * *")
@app.task(name="composer.put_back_lost", queue="maintenance", queueing_lock="composer.put_back_lost", pass_context=False)
def put_back_lost(timestamp: int) -> int:
    """Every minute: open commissions and pairs whose job is gone get a new one; after an hour they fail. Gives how many came
    back."""
    open_ones = Commission.objects.filter(status__in=OPEN, created_at__lt=Now() - timedelta(minutes=LOST_AFTER_MINUTES))
    old = open_ones.filter(created_at__lt=Now() - timedelta(minutes=GIVE_UP_AFTER_MINUTES))
    for lost in old:
        fail(lost.pk, "The composer could not finish this piece within an hour. Please ask again.")
    put_back = 0
    for lost in open_ones:
        jobs = ProcrastinateJob.objects.filter(task_name=TASK, args__commission_id=str(lost.pk), status__in=_WAITING)
        if not jobs.exists():
            put_back += defer(lost)
    return put_back + _put_back_lost_pairs()


def _put_back_lost_pairs() -> int:
    unwritten = (BlindPair.Status.QUEUED, BlindPair.Status.COMPOSING)
    open_ones = BlindPair.objects.filter(status__in=unwritten, created_at__lt=Now() - timedelta(minutes=LOST_AFTER_MINUTES))
    for old in open_ones.filter(created_at__lt=Now() - timedelta(minutes=GIVE_UP_AFTER_MINUTES)):
        pair_making.fail_pair(old.pk, "The composer could not finish this pair within an hour.")
    put_back = 0
    for lost in open_ones:
        jobs = ProcrastinateJob.objects.filter(task_name=pairs.TASK, args__pair_id=str(lost.pk), status__in=_WAITING)
        if not jobs.exists():
            put_back += pairs.defer(lost)
    return put_back
