"""Asks for runs, stops, resumes, repeats, compares them. Before: dashboard, API, schedule. After: execution.py."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from training import queue, slots
from training.configuration import flatten, read_configuration
from training.execution import execute
from training.models import Run
from training.promotion import champion_of

if TYPE_CHECKING:
    from accounts.models import Account

__all__ = ["RunRefused", "compare", "defer", "execute", "repeat_run", "request_run", "resume_run", "stop_run"]


class RunRefused(Exception):  # noqa: N818 – an answer, not an accident
    """This run can't be started, stopped or resumed now; the message says why."""


def request_run(
    slot: str,
    trigger: str,
    account: Account | None = None,
    configuration: Mapping[str, Any] | None = None,
    parent: Run | None = None,
    seed: int | None = None,
) -> Run:
    """Queues a run. WrongConfiguration names field and bound; RunRefused where the slot has an open run already.

    It starts from the parent run's checkpoint, else from the champion's, if they have one and the slot's trainings use it."""
    functions = slots.functions_of(slot)
    read = read_configuration(functions.configuration, configuration or {})
    start = parent.versions.first() if parent else champion_of(slot)
    return _queue(
        slot=slot,
        trigger=trigger,
        requested_by=account,
        configuration=asdict(read),
        parent=parent,
        starts_from=start if start is not None and start.folder and not functions.starts_anew else None,
        seed=secrets.randbelow(2**31) if seed is None else seed,
    )


def repeat_run(run: Run, trigger: str, account: Account | None = None) -> Run:
    """Queues the same training again: configuration, seed and start are those of ``run``."""
    if run.learned_from_erased:
        raise RunRefused(f"Run {run.pk} may have learnt from a listener who was erased since, so it can't be repeated.")
    start = run.starts_from
    return _queue(
        slot=run.slot,
        trigger=trigger,
        requested_by=account,
        configuration=run.configuration,
        parent=run,
        starts_from=start,
        seed=run.seed,
    )


def _queue(**fields: Any) -> Run:
    try:
        with transaction.atomic():
            run = Run.objects.create(**fields)
            defer(run)
            return run
    except IntegrityError as error:
        raise _open_run_refusal(fields["slot"], error) from error


def _open_run_refusal(slot: str, error: IntegrityError) -> RunRefused:
    # Two requests at the same moment: the database's constraint lets one through, the other one is answered here.
    if "one_open_run_per_slot" not in str(error):
        raise error
    return RunRefused(f"The {slot} already has a run that is queued or running; wait for it or stop it first.")


def defer(run: Run) -> bool:
    """Puts the run's job in the queue, in the same transaction as the run; false where it waits there already."""
    return queue.defer("training.execute_run", "training", queueing_lock=f"run {run.pk}", run_id=run.pk)


def stop_run(run: Run, by: Account | None = None) -> None:
    """Stops a run: at once where no worker has it, at its worker's next report otherwise."""
    sentence = f"Stopped by {by}." if by else "Stopped."
    with transaction.atomic():
        if not Run.objects.filter(pk=run.pk, status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).update(is_stop_requested=True):
            raise RunRefused(f"Run {run.pk} is over: there is nothing to stop.")
        # A compare-and-swap against a worker that claims the run at this moment: one of the two wins.
        unheld = Q(status=Run.Status.QUEUED) | Q(status=Run.Status.RUNNING, lease_expires_at__lt=Now())
        Run.objects.filter(unheld, pk=run.pk).update(
            status=Run.Status.STOPPED, outcome=sentence, finished_at=timezone.now(), lease_expires_at=None
        )
    run.refresh_from_db()


def resume_run(run: Run) -> None:
    """Queues a stopped or failed run again; it goes on from what it kept in its folder."""
    over = Run.objects.filter(pk=run.pk, status__in=[Run.Status.STOPPED, Run.Status.FAILED])
    try:
        with transaction.atomic():
            if not over.update(
                status=Run.Status.QUEUED, is_stop_requested=False, outcome="", finished_at=None, lease_expires_at=None
            ):
                raise RunRefused(f"Run {run.pk} is neither stopped nor failed: there is nothing to resume.")
            defer(run)
    except IntegrityError as error:
        raise _open_run_refusal(run.slot, error) from error
    run.refresh_from_db()


def compare(first: Run, second: Run) -> list[dict[str, Any]]:
    """Every field of configuration and origin of two runs, with whether they differ."""
    left, right = _described(first), _described(second)
    names = list(dict.fromkeys([*left, *right]))
    return [
        {"name": name, "first": left.get(name), "second": right.get(name), "differs": left.get(name) != right.get(name)}
        for name in names
    ]


def _described(run: Run) -> dict[str, Any]:
    origin = {
        "seed": run.seed,
        "replay dataset": run.dataset_fingerprint[:12],
        "code revision": run.code_revision,
        "device": run.device,
        "starts from version": run.starts_from_id,
    }
    return origin | flatten(run.configuration)
