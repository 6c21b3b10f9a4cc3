"""Puts jobs in the queue in the transaction of whoever asks. Before: runs.py, gate.py. After: tasks.py, in a worker."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from procrastinate import App
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import AlreadyEnqueued


def defer(task: str, queue: str, *, queueing_lock: str | None = None, **arguments: Any) -> bool:
    """Whether the job was put in the queue; not so where one with its lock waits there already.

    Inside a worker the app's own connector speaks over another connection, whose job would be seen before the row it is
    about. This one always shares Django's connection."""
    jobs = App(connector=DjangoConnector(alias="default"))
    try:
        with transaction.atomic():
            jobs.configure_task(task, queue=queue, queueing_lock=queueing_lock).defer(**arguments)
    except AlreadyEnqueued:
        return False
    return True
