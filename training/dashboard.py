"""What the dashboard shows, gathered in few queries. Before: runs, versions, verdicts, jobs. After: pages.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from training import slots
from training.figures import finite
from training.models import Lift, PolicyVersion, Promotion, Run, RunMetric, Schedule, Slot, Verdict
from training.schedule import last_learned_at, next_times, schedule_of
from training.slots import SlotFunctions

QUEUES = ("interactive", "training", "maintenance")
STATES = ("todo", "doing", "failed")
POINTS_PER_CURVE = 300
ALIVE_SECONDS = 15
"""A worker whose heartbeat is older counts as gone."""


@dataclass(frozen=True, kw_only=True)
class SlotCard:
    """One slot at a glance."""

    functions: SlotFunctions
    slot: Slot | None
    promotion: Promotion | None
    verdict: Verdict | None
    open_run: Run | None
    schedule: Schedule
    next_time: datetime | None
    new_feedback: int

    @property
    def canary_percent(self) -> float:
        """Share of listeners whom the challenger serves."""
        return 100 * self.slot.canary_share if self.slot and self.slot.challenger_id else 0


def card_of(name: str) -> SlotCard:
    """The card of one slot."""
    functions = slots.functions_of(name)
    slot = Slot.objects.select_related("champion__run", "previous", "challenger").filter(name=name).first()
    schedule = schedule_of(name)
    upcoming = next_times(schedule.cron, schedule.time_zone, timezone.now(), 1) if schedule.is_enabled else []
    return SlotCard(
        functions=functions,
        slot=slot,
        promotion=Promotion.objects.filter(slot=name, version=slot.champion).first() if slot else None,
        verdict=Verdict.objects.filter(version=slot.champion).first() if slot else None,
        open_run=Run.objects.filter(slot=name, status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).first(),
        schedule=schedule,
        next_time=upcoming[0] if upcoming else None,
        new_feedback=functions.count_new_feedback(last_learned_at(name)),
    )


def cards() -> list[SlotCard]:
    """Every slot's card."""
    return [card_of(functions.name) for functions in slots.registered()]


def runs_table() -> QuerySet[Run]:
    """Runs, newest first, with what a row shows."""
    return Run.objects.select_related("requested_by").prefetch_related("versions__verdicts")


def duration_of(run: Run) -> timedelta | None:
    """How long a run has been going, or went."""
    if run.started_at is None:
        return None
    return (run.finished_at or timezone.now()) - run.started_at


def curves_of(run_ids: Iterable[int]) -> dict[str, dict[int, list[list[float | None]]]]:
    """Curve name → run id → [step, value] points, few enough to draw."""
    curves: dict[str, dict[int, list[list[float | None]]]] = defaultdict(lambda: defaultdict(list))
    rows = RunMetric.objects.filter(run__in=list(run_ids)).order_by("name", "run_id", "step")
    for run_id, name, step, value in rows.values_list("run_id", "name", "step", "value").iterator():
        curves[name][run_id].append([step, finite(value)])
    return {name: {run_id: _drawable(points) for run_id, points in by_run.items()} for name, by_run in curves.items()}


def _drawable(points: list[list[float | None]]) -> list[list[float | None]]:
    """Every n-th point, counted from the last: it must not jump about while the curve grows."""
    stride = -(-len(points) // POINTS_PER_CURVE)
    return points[::-1][:: max(stride, 1)][::-1]


def live_run(run: Run, after_line: int) -> dict[str, Any]:
    """What changes while a run goes on: status, progress, curves, and the log lines after one that is known."""
    duration = duration_of(run)
    lines = run.lines.filter(pk__gt=after_line).order_by("id")[:500]
    return {
        "status": run.status,
        "status_words": run.get_status_display(),
        "is_over": run.finished_at is not None,
        "outcome": run.outcome,
        "progress": run.progress,
        "seconds": duration.total_seconds() if duration else 0,
        "curves": {name: by_run.get(run.pk, []) for name, by_run in curves_of([run.pk]).items()},
        "lines": [{"id": line.pk, "at": line.written_at.isoformat(), "text": line.text} for line in lines],
    }


def versions_of(slot: str) -> list[PolicyVersion]:
    """The slot's versions, newest first, with runs and verdicts."""
    return list(PolicyVersion.objects.filter(slot=slot).select_related("run").prefetch_related("verdicts")[:30])


def lifts_of(slot: str) -> list[Lift]:
    """What canaries and promotions of the slot were predicted and observed to gain, newest first."""
    return list(Lift.objects.filter(promotion__slot=slot).select_related("promotion")[:50])


def lift_points(lifts: Iterable[Lift]) -> list[dict[str, Any]]:
    """The lifts that were predicted, as the plot needs them."""
    return [
        {
            "label": f"version {lift.promotion.version_id}",
            "predicted": [lift.predicted_low, lift.predicted, lift.predicted_high],
            "observed": [lift.observed_low, lift.observed, lift.observed_high],
            "is_canary": lift.kind == Lift.Kind.CANARY,
        }
        for lift in lifts
        if lift.predicted is not None
    ]


def queue() -> dict[str, Any]:
    """Jobs by queue and state, those that failed lately, and the workers that are alive."""
    counts: dict[tuple[str, str], int] = {
        (row["queue_name"], row["status"]): row["jobs"]
        for row in ProcrastinateJob.objects.filter(status__in=STATES)
        .order_by()
        .values("queue_name", "status")
        .annotate(jobs=Count("id"))
    }
    names = [*QUEUES, *sorted({name for name, _ in counts} - set(QUEUES))]
    alive_since = timezone.now() - timedelta(seconds=ALIVE_SECONDS)
    return {
        "states": STATES,
        "rows": [{"name": name, "counts": [counts.get((name, state), 0) for state in STATES]} for name in names],
        "workers": ProcrastinateWorker.objects.filter(last_heartbeat__gte=alive_since).count(),
    }
