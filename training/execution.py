"""Carries out one run: dataset, training, checkpoint, verdict, promotion. Before: runs.py queued it. After: the version serves.

Every write is made while the lease is held (lease.py), so a worker that was thought dead can't write beside its successor."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from dqn.checkpoint import hash_folder, write_whole
from training import checkpoints, gate, promotion, slots
from training.configuration import read_configuration
from training.figures import finite
from training.gate import DATASET_NOTE
from training.lease import ATTEMPTS, Heartbeat, Lease, LeaseTimes, claim, patiently
from training.models import PolicyVersion, Promotion, Run, Verdict, VersionDetails
from training.reporting import HeldRun
from training.revision import code_revision
from training.slots import LeaseLost, NotEnoughToLearnFrom, SlotFunctions, StopRequested, Trained

logger = logging.getLogger(__name__)


class RunIsHeld(Exception):  # noqa: N818
    """Another worker holds the run, or held it a moment ago: try again when its lease has expired."""


class WorkerLeaves(Exception):  # noqa: N818
    """The worker shuts down; the run is free again and goes on elsewhere from its last checkpoint."""


def stays() -> bool:
    """A worker that is not asked to leave."""
    return False


def execute(run_id: int, *, should_leave: Callable[[], bool] = stays, times: LeaseTimes | None = None) -> None:
    """Trains, if nobody else does. Returns at once where the run is over; RunIsHeld where another worker has it."""
    times = times or LeaseTimes()
    lease = patiently(lambda: claim(run_id, times))
    if lease is None:
        if Run.objects.filter(pk=run_id, status=Run.Status.RUNNING).exists():
            raise RunIsHeld(f"run {run_id} is held by another worker")
        return
    try:
        with Heartbeat(lease, times) as heartbeat:
            _carry_out(lease, heartbeat, should_leave)
    except LeaseLost as lost:
        logger.warning("%s; this worker leaves without writing", lost)


def _carry_out(lease: Lease, heartbeat: Heartbeat, should_leave: Callable[[], bool]) -> None:
    """One attempt, and the sentence people read about how it ended."""
    run = Run.objects.select_related("starts_from", "parent").get(pk=lease.run_id)
    if lease.token > ATTEMPTS:
        _close(lease, Run.Status.FAILED, f"Given up after {ATTEMPTS} attempts, each of which ended with its worker.")
        return
    logger.info("run %s of the %s begins (%s)", run.pk, run.slot, run.trigger)
    context: HeldRun | None = None
    try:
        context = _make_context(run, lease, heartbeat, should_leave)
        _close(lease, Run.Status.FINISHED, _train_and_judge(run, context, lease))
        _tidy(context.folder)
    except StopRequested:
        assert context is not None
        patiently(context.flush)
        if not heartbeat.is_stop_requested.is_set():
            _release(lease)
            raise WorkerLeaves(f"run {run.pk} goes on elsewhere") from None
        _close(lease, Run.Status.STOPPED, "Stopped by a person. It can be resumed from its last checkpoint.")
    except NotEnoughToLearnFrom as reason:
        _close(lease, Run.Status.SKIPPED, f"Skipped: {reason}")
    except (LeaseLost, OperationalError, InterfaceError):
        # The database went away for longer than patience lasts: the lease expires and another attempt follows.
        raise
    except Exception as error:
        logger.exception("run %s failed", run.pk)
        if context is not None:
            context.log(traceback.format_exc())
        _close(lease, Run.Status.FAILED, f"Failed with {type(error).__name__}: {error or 'no message'}")


def _make_context(run: Run, lease: Lease, heartbeat: Heartbeat, should_leave: Callable[[], bool]) -> HeldRun:
    functions = slots.functions_of(run.slot)
    configuration = read_configuration(functions.configuration, run.configuration)
    folder = Path(settings.ENCORE_VAR) / "runs" / str(run.pk)
    folder.mkdir(parents=True, exist_ok=True)
    _take_over_dataset(run, folder)
    device = choose_device(getattr(configuration, "device", "auto"))
    context = HeldRun(
        configuration=configuration,
        seed=run.seed,
        device=device,
        folder=folder,
        parent_folder=checkpoints.folder_of(run.starts_from),
        lease=lease,
        heartbeat=heartbeat,
        should_leave=should_leave,
    )
    _write(lease, code_revision=code_revision(), device=describe_device(device))
    context.log(f"Attempt {lease.token} on {describe_device(device)}, code {code_revision()}, seed {run.seed}.")
    return context


def _take_over_dataset(run: Run, folder: Path) -> None:
    """A repeat reads the rows that the repeated run read, not those of today."""
    if run.parent is None or (run.parent.seed, run.parent.configuration) != (run.seed, run.configuration):
        return
    known = folder.parent / str(run.parent_id) / DATASET_NOTE
    if known.exists() and not (folder / DATASET_NOTE).exists():
        write_whole(folder / DATASET_NOTE, known.read_bytes())


def _tidy(folder: Path) -> None:
    """Removes what a finished run kept to resume; what says which rows it read stays, for a repeat."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != DATASET_NOTE:
            path.unlink(missing_ok=True)


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`: what was asked for, or what is there. Loads torch only where a graphics device is."""
    if wanted != "auto":
        return wanted
    if not Path("/dev/nvidiactl").exists():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_device(device: str) -> str:
    """The device in words, as recorded with the run."""
    if device.startswith("cuda"):
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"[:80]
    return f"cpu ({platform.machine()}, {os.cpu_count()} cores)"


def _train_and_judge(run: Run, context: HeldRun, lease: Lease) -> str:
    """What the run made and what the gate said, in one sentence or two."""
    functions = slots.functions_of(run.slot)
    dataset = functions.build_replay_dataset(context)
    _note_dataset(run, context, lease, dataset)
    context.leave_if_asked()
    # A worker that died after the checkpoint was kept: only the verdict is missing.
    version = run.versions.first()
    if version is None:
        trained = functions.train(context, dataset)
        functions.export(trained.checkpoint)
        version = _keep(run, lease, trained)
        context.log(f"The checkpoint is kept as version {version.pk} ({version.kind}).")
    elif Promotion.objects.filter(version=version, verdict__version=version).exists():
        # The worker died after the promotion: against itself, which is the champion now, it would prove nothing.
        return f"Made version {version.pk} ({version.kind}). An earlier attempt promoted it."
    context.flush()
    # Stages without a report of their own: a stop that was asked for in them is obeyed before the next one begins.
    context.leave_if_asked()
    champion = promotion.champion_of(run.slot)
    checks = gate.run_checks(version, champion, dataset)
    with lease.held():
        verdict = gate.write_verdict(version, champion, checks, dataset, context.folder)
    context.log(f"The gate says: {verdict.get_outcome_display()}.")
    return f"Made version {version.pk} ({version.kind}). {_promote(functions, version, verdict, lease)}"


def _note_dataset(run: Run, context: HeldRun, lease: Lease, dataset: Any) -> None:
    description = finite(dict(dataset.description))
    context.log("Replay dataset " + dataset.fingerprint[:12] + ": " + ", ".join(f"{k} {v}" for k, v in description.items()))
    if run.parent is not None and run.parent.seed == run.seed and run.parent.dataset_fingerprint != dataset.fingerprint:
        context.log(
            f"Run {run.parent_id}, which this one repeats, had another replay dataset: feedback came or was erased since. "
            "The weights will differ."
        )
    _write(lease, dataset_fingerprint=dataset.fingerprint, dataset=description)


def _keep(run: Run, lease: Lease, trained: Trained) -> PolicyVersion:
    """Copies the checkpoint to its place and makes the version. The copy is complete before anybody can name it."""
    root = Path(settings.ENCORE_VAR) / "checkpoints" / run.slot
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f".run-{run.pk}-*"):  # of attempts that were killed while they copied
        shutil.rmtree(left, ignore_errors=True)
    beside = root / f".run-{run.pk}-{lease.token}"
    shutil.copytree(trained.checkpoint, beside)
    sha256, figures, details = hash_folder(beside), finite(trained.figures), finite(trained.details)

    def keep() -> PolicyVersion:
        with lease.held():
            version = PolicyVersion.objects.create(slot=run.slot, kind=trained.kind, run=run, sha256=sha256, figures=figures)
            if details:
                VersionDetails.objects.create(version=version, details=details)
            version.folder = f"checkpoints/{run.slot}/{version.pk}"
            version.save(update_fields=["folder"])
            Run.objects.filter(pk=run.pk).update(figures=figures)
            beside.rename(root / str(version.pk))
            return version

    return patiently(keep)


def _promote(functions: SlotFunctions, version: PolicyVersion, verdict: Verdict, lease: Lease) -> str:
    """Promotes on a verdict; without one only where nothing serves yet or the slot allows it. Says what was done."""
    if verdict.outcome == Verdict.Outcome.REFUSE:
        return "The gate refuses it."
    kind = Promotion.Kind.VERDICT if verdict.outcome == Verdict.Outcome.PROMOTE else Promotion.Kind.FIRST
    champion = promotion.champion_of(version.slot)
    if kind == Promotion.Kind.FIRST and champion is not None and not functions.promote_first(version.kind, champion.kind):
        return "It is not proven to be better than the champion, so the champion stays."
    reason = "The gate's verdict." if kind == Promotion.Kind.VERDICT else "Nothing else of its kind serves yet."
    try:
        with lease.held():
            promotion.promote(version.slot, version, kind, by=None, reason=reason, verdict=verdict)
    except promotion.PromotionRefused as refusal:
        return str(refusal)
    return "It serves now."


def _write(lease: Lease, **fields: Any) -> None:
    def write() -> None:
        with lease.held() as run:
            Run.objects.filter(pk=run.pk).update(**fields)

    patiently(write)


def _close(lease: Lease, status: str, outcome: str) -> None:
    done = {"progress": 1.0} if status == Run.Status.FINISHED else {}
    logger.info("run %s is %s. %s", lease.run_id, status, outcome)
    _write(lease, status=status, outcome=outcome, finished_at=timezone.now(), lease_expires_at=None, **done)


def _release(lease: Lease) -> None:
    """Frees the run for the next worker at once instead of letting the lease run out."""
    _write(lease, status=Run.Status.QUEUED, lease_expires_at=None)
