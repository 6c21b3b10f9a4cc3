"""What a training tells about itself while it runs. Before: execution.py. After: the dashboard's curves and log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections

from training.lease import Heartbeat, Lease
from training.models import Run, RunLine, RunMetric
from training.slots import LeaseLost, StopRequested

logger = logging.getLogger(__name__)

POINTS_PER_FLUSH = 4
"""Of one curve: enough to see it move, few enough that a run of hours stays readable."""
FLUSHES_PER_RUN = 500
"""A longer run writes more rarely: every second at first, then each time it has grown by this share of itself."""


@dataclass(kw_only=True)
class HeldRun:
    """`RunContext` of a run whose lease is held."""

    configuration: Any
    seed: int
    device: str
    folder: Path
    parent_folder: Path | None
    lease: Lease
    heartbeat: Heartbeat
    should_leave: Callable[[], bool]
    _points: dict[str, dict[int, float]] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _progress: float | None = None
    _began: float = field(default_factory=time.monotonic)
    _flushed: float = float("-inf")

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Adds points; raises StopRequested or LeaseLost where the training has to leave."""
        for name, value in metrics.items():
            self._points.setdefault(name, {})[int(step)] = float(value)
        if progress is not None:
            self._tell(min(1.0, max(0.0, float(progress))))
        now = time.monotonic()
        if now - self._flushed >= max(1.0, (now - self._began) / FLUSHES_PER_RUN):
            self._flush_if_possible()
        self.leave_if_asked()

    def _tell(self, progress: float) -> None:
        """For the console: a line for each tenth."""
        if int(10 * progress) > int(10 * (self._progress or 0.0)):
            logger.info("run %s is at %d %%", self.lease.run_id, 100 * progress)
        self._progress = progress

    def log(self, text: str) -> None:
        """Adds a line, at once where the database is there."""
        self._lines.append(text.rstrip())
        self._flush_if_possible()

    def leave_if_asked(self) -> None:
        """Raises StopRequested or LeaseLost where the training has to leave."""
        if self.heartbeat.is_lost.is_set():
            raise LeaseLost(f"run {self.lease.run_id} is held by another worker")
        if self.heartbeat.is_stop_requested.is_set() or self.should_leave():
            raise StopRequested

    def _flush_if_possible(self) -> None:
        try:
            self.flush()
        except (OperationalError, InterfaceError):
            # The database is away: points and lines are kept and written at a later flush.
            close_old_connections()
            self._flushed = time.monotonic()

    def flush(self) -> None:
        """Writes what was collected, under the lease, in one transaction."""
        with self.lease.held() as run:
            rows = [
                RunMetric(run=run, step=step, name=name[:60], value=value)
                for name, points in self._points.items()
                for step, value in thinned(points, POINTS_PER_FLUSH).items()
            ]
            # A resumed run passes steps again that its first attempt reported: the newer value counts.
            RunMetric.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["run", "name", "step"], update_fields=["value"]
            )
            RunLine.objects.bulk_create([RunLine(run=run, text=line) for line in self._lines])
            if self._progress is not None:
                Run.objects.filter(pk=run.pk).update(progress=self._progress)
            if run.is_stop_requested:
                self.heartbeat.is_stop_requested.set()
        self._points, self._lines, self._flushed = {}, [], time.monotonic()


def thinned(points: dict[int, float], count: int) -> dict[int, float]:
    """At most ``count`` points, evenly spread, the last one always among them."""
    steps = sorted(points)
    stride = -(-len(steps) // count)
    return {step: points[step] for step in steps[::-1][:: max(stride, 1)]}
