"""Who holds a run: claim, heartbeat, fencing token. Before: a queued run. After: runs.py writes only while it holds the lease.

The database's clock counts, so machines need not agree about the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from training.models import Run
from training.slots import LeaseLost

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

ATTEMPTS = 8
"""Claims of one run before it is given up: one that kills its worker each time must not go round forever."""


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """How long a worker may be silent, and how often it speaks."""

    lease_seconds: float = 20.0
    heartbeat_seconds: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write into one run, until somebody else claims it."""

    run_id: int
    token: int

    @contextmanager
    def held(self) -> Iterator[Run]:
        """A transaction in which nobody else can claim the run; LeaseLost where somebody has.

        The row lock is the fence: a claim waits for it, so no write of an older token can follow a newer one's."""
        with transaction.atomic():
            run = (
                Run.objects.select_for_update()
                .filter(pk=self.run_id, lease_token=self.token, status=Run.Status.RUNNING)
                .first()
            )
            if run is None:
                raise LeaseLost(f"run {self.run_id} is held by another worker")
            yield run

    def renew(self, seconds: float) -> bool | None:
        """Prolongs the lease. Whether a stop was asked for; None where the lease is lost."""
        renewed = Run.objects.filter(pk=self.run_id, lease_token=self.token, status=Run.Status.RUNNING)
        if not renewed.update(lease_expires_at=Now() + timedelta(seconds=seconds)):
            return None
        return Run.objects.values_list("is_stop_requested", flat=True).get(pk=self.run_id)


def claim(run_id: int, times: LeaseTimes) -> Lease | None:
    """Takes a queued run, or one whose worker fell silent; None where another worker holds it or it is closed.

    One UPDATE decides, so of two claims at the same moment one wins."""
    open_runs = Run.objects.filter(pk=run_id).filter(
        Q(status=Run.Status.QUEUED) | Q(status=Run.Status.RUNNING, lease_expires_at__lt=Now())
    )
    with transaction.atomic():
        claimed = open_runs.update(
            status=Run.Status.RUNNING,
            lease_token=F("lease_token") + 1,
            lease_expires_at=Now() + timedelta(seconds=times.lease_seconds),
            started_at=Coalesce("started_at", Now()),
        )
        if not claimed:
            return None
        return Lease(run_id=run_id, token=Run.objects.values_list("lease_token", flat=True).get(pk=run_id))


class Heartbeat:
    """A thread with a connection of its own that keeps a lease alive while training keeps this one busy."""

    def __init__(self, lease: Lease, times: LeaseTimes) -> None:
        self.is_lost = threading.Event()
        self.is_stop_requested = threading.Event()
        self._lease, self._times = lease, times
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat of run {lease.run_id}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._is_over.wait(self._times.heartbeat_seconds) and not self.is_lost.is_set():
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            close_old_connections()
            is_stop_requested = self._lease.renew(self._times.lease_seconds)
        except (OperationalError, InterfaceError) as error:
            # The database is away. Should another worker claim the run meanwhile, the token says so afterwards.
            logger.warning("heartbeat of run %s: %s", self._lease.run_id, error)
            return
        if is_stop_requested is None:
            self.is_lost.set()
        elif is_stop_requested:
            self.is_stop_requested.set()


def patiently(write: Callable[[], Result], *, patience_seconds: float = 180) -> Result:
    """Repeats ``write`` while the database is away: a training of an hour is not lost to a restart of the server."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline or connection.in_atomic_block:
                raise
            close_old_connections()
            time.sleep(1)
