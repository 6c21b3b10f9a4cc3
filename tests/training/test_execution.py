"""A run from request to serving version, and every way it can end."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Account
from dqn.checkpoint import hash_folder, read_checkpoint
from training import promotion, slots
from training.execution import RunIsHeld, WorkerLeaves, execute
from training.lease import ATTEMPTS, Lease, LeaseTimes, claim
from training.models import PolicyVersion, Run, RunMetric, Verdict
from training.runs import repeat_run, request_run, resume_run, stop_run
from training.slots import LeaseLost, SlotFunctions

from .counting import SLOT

# The heartbeat has a connection of its own, so what the test writes must be committed.
pytestmark = pytest.mark.django_db(transaction=True)


def run_now(**configuration: object) -> Run:
    run = request_run(SLOT, Run.Trigger.ADMIN, configuration=configuration)
    execute(run.pk)
    run.refresh_from_db()
    return run


def test_a_run_makes_a_version_that_serves(counting: SlotFunctions, tmp_path: Path) -> None:
    run = run_now(steps=5, quality=1.0)

    version = PolicyVersion.objects.get()
    assert run.status == Run.Status.FINISHED
    assert run.outcome == f"Made version {version.pk} (counter). It serves now."
    assert promotion.serving_version(SLOT, 1) == version
    assert hash_folder(tmp_path / version.folder) == version.sha256
    assert (tmp_path / version.folder / "serving.txt").exists()
    assert read_checkpoint(tmp_path / version.folder, version.sha256).weights["total"][0] == 5
    assert run.figures == {"quality": 1.0, "lost": None}
    assert version.details.details == {"steps": [5]}
    assert run.progress == 1
    assert run.code_revision
    assert run.device.startswith("cpu")
    assert run.dataset == {"numbers": 5}


def test_its_curves_and_its_log_can_be_read(counting: SlotFunctions) -> None:
    run = run_now(steps=1000)

    squares = list(RunMetric.objects.filter(run=run, name="square").order_by("step").values_list("step", "value"))
    assert squares[-1] == (1000, 1_000_000.0)
    assert 1 < len(squares) < 100
    assert any("Replay dataset" in line.text for line in run.lines.all())


def test_the_next_run_starts_from_the_champion(counting: SlotFunctions, tmp_path: Path) -> None:
    first = run_now(steps=5, quality=1.0)

    second = run_now(steps=3, quality=2.0)

    assert second.starts_from == first.versions.get()
    assert read_checkpoint(tmp_path / second.versions.get().folder).weights["total"][0] == 8


def test_where_trainings_start_anew_no_version_is_named_as_the_start(counting: SlotFunctions) -> None:
    slots.register(dataclasses.replace(counting, starts_anew=True))
    run_now(steps=5, quality=1.0)

    assert run_now(steps=3, quality=2.0).starts_from is None


def test_a_version_that_is_not_proven_does_not_serve(counting: SlotFunctions) -> None:
    champion = run_now(quality=1.0).versions.get()

    run = run_now(quality=0.5)

    assert promotion.champion_of(SLOT) == champion
    assert run.outcome.endswith("so the champion stays.")
    assert run.versions.get().verdicts.get().outcome == "not_proven"


def test_a_slot_may_let_a_version_through_that_is_not_proven(counting: SlotFunctions) -> None:
    slots.register(dataclasses.replace(counting, promote_first=lambda new, champion: new == champion == "counter"))
    run_now(quality=1.0)

    run = run_now(quality=0.5)

    assert promotion.champion_of(SLOT) == run.versions.get()


def test_a_new_run_reads_the_log_of_its_own_day(counting: SlotFunctions) -> None:
    assert run_now(quality=1.0).dataset_fingerprint != run_now(quality=1.0).dataset_fingerprint


def test_a_repeated_run_gives_the_same_weights(counting: SlotFunctions, tmp_path: Path) -> None:
    run_now(quality=1.0)
    first = run_now(quality=2.0)

    second = repeat_run(first, Run.Trigger.ADMIN)
    execute(second.pk)

    second.refresh_from_db()
    assert second.parent == first
    assert second.dataset_fingerprint == first.dataset_fingerprint
    assert second.versions.get().sha256 == first.versions.get().sha256


def test_too_little_to_learn_from_is_a_skip_with_the_reason(counting: SlotFunctions) -> None:
    run = run_now(feedback_needed=12)

    assert run.status == Run.Status.SKIPPED
    assert run.outcome == "Skipped: 12 more feedback rows are needed."


def test_an_error_fails_the_run_with_a_sentence_and_keeps_the_trace(counting: SlotFunctions) -> None:
    run = run_now(accident="the strings broke")

    assert run.status == Run.Status.FAILED
    assert run.outcome == "Failed with RuntimeError: the strings broke"
    assert any("Traceback" in line.text for line in run.lines.all())
    assert not PolicyVersion.objects.exists()


def test_a_failed_run_can_be_resumed_where_it_stood(counting: SlotFunctions, tmp_path: Path) -> None:
    run = run_now(steps=10, accident="the strings broke")
    Run.objects.update(configuration=run.configuration | {"accident": ""})

    resume_run(run)
    execute(run.pk)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert any("Going on at step 6." in line.text for line in run.lines.all())


def test_a_stop_before_a_worker_came_ends_the_run(counting: SlotFunctions, olga: Account) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)

    stop_run(run, olga)
    execute(run.pk)

    run.refresh_from_db()
    assert run.status == Run.Status.STOPPED
    assert run.outcome == "Stopped by olga@example.org."
    assert not run.lines.exists()


def test_a_stop_in_the_middle_ends_the_run_and_it_can_be_resumed(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN, configuration={"steps": 50})
    Run.objects.update(is_stop_requested=True)
    execute(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.STOPPED

    resume_run(run)
    execute(run.pk)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED


def test_a_stop_after_the_last_report_is_obeyed_before_the_verdict(counting: SlotFunctions) -> None:
    def stop_while_exporting(checkpoint: Path) -> None:
        counting.export(checkpoint)
        Run.objects.update(is_stop_requested=True)

    slots.register(dataclasses.replace(counting, export=stop_while_exporting))
    run = run_now(steps=3)
    assert run.status == Run.Status.STOPPED
    assert promotion.champion_of(SLOT) is None

    resume_run(run)
    execute(run.pk)

    assert promotion.champion_of(SLOT) == run.versions.get()


def test_a_worker_that_leaves_frees_the_run_for_the_next_one(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN, configuration={"steps": 10})

    stays_for_the_dataset = iter([False])

    with pytest.raises(WorkerLeaves):
        execute(run.pk, should_leave=lambda: next(stays_for_the_dataset, True))
    execute(run.pk)

    run.refresh_from_db()
    assert run.status == Run.Status.FINISHED
    assert any("Going on at step 2." in line.text for line in run.lines.all())


def test_a_run_that_is_over_is_not_carried_out_again(counting: SlotFunctions) -> None:
    run = run_now()

    execute(run.pk)

    assert PolicyVersion.objects.count() == 1


def test_a_held_run_is_not_claimed_twice(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)
    assert claim(run.pk, LeaseTimes()) is not None

    assert claim(run.pk, LeaseTimes()) is None
    with pytest.raises(RunIsHeld):
        execute(run.pk)


def expire(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_a_worker_whose_lease_was_taken_may_write_nothing_more(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)
    old = claim(run.pk, LeaseTimes())
    expire(run)
    new = claim(run.pk, LeaseTimes())

    assert old is not None
    assert new is not None
    assert new.token == old.token + 1
    with pytest.raises(LeaseLost), old.held():
        pytest.fail("the fence is open")
    assert old.renew(20) is None
    with new.held() as held:
        assert held == run


def test_an_expired_lease_that_nobody_took_is_still_held(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)
    lease = claim(run.pk, LeaseTimes())
    expire(run)

    assert lease is not None
    assert lease.renew(20) is False


def test_a_worker_that_lost_its_lease_leaves_the_run_to_its_successor(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN, configuration={"steps": 3})

    def steal(context: object, dataset: object) -> object:
        expire(run)
        assert claim(run.pk, LeaseTimes()) == Lease(run_id=run.pk, token=2)
        return counting.train(context, dataset)  # type: ignore[arg-type]

    slots.register(dataclasses.replace(counting, train=steal))  # type: ignore[arg-type]
    execute(run.pk)

    run.refresh_from_db()
    assert (run.status, run.lease_token, run.outcome) == (Run.Status.RUNNING, 2, "")
    assert not RunMetric.objects.exists()
    assert not PolicyVersion.objects.exists()


def test_a_run_that_kills_every_worker_is_given_up(counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)
    Run.objects.update(lease_token=ATTEMPTS)

    execute(run.pk)

    run.refresh_from_db()
    assert run.status == Run.Status.FAILED
    assert run.outcome.startswith("Given up after 8 attempts")


def test_a_worker_that_died_before_the_verdict_does_not_make_a_second_version(counting: SlotFunctions) -> None:
    def crash(*_: object) -> object:
        raise RuntimeError("out of memory")

    slots.register(dataclasses.replace(counting, judge=crash))  # type: ignore[arg-type]
    run = run_now(quality=1.0)
    assert run.status == Run.Status.FAILED
    slots.register(counting)

    resume_run(run)
    execute(run.pk)

    assert promotion.champion_of(SLOT) == PolicyVersion.objects.get()


def test_a_worker_that_died_after_the_promotion_is_not_judged_against_itself(counting: SlotFunctions) -> None:
    run_now(quality=0.0)
    run = run_now(quality=1.0)
    assert promotion.champion_of(SLOT) == run.versions.get()
    Run.objects.filter(pk=run.pk).update(status=Run.Status.RUNNING, finished_at=None, lease_expires_at=timezone.now())

    execute(run.pk)

    run.refresh_from_db()
    assert run.outcome == f"Made version {run.versions.get().pk} (counter). An earlier attempt promoted it."
    assert run.status == Run.Status.FINISHED
    assert Verdict.objects.filter(version__run=run).count() == 1
    assert promotion.champion_of(SLOT) == run.versions.get()


def test_what_a_killed_attempt_left_of_a_copy_is_removed(counting: SlotFunctions, tmp_path: Path) -> None:
    run = request_run(SLOT, Run.Trigger.ADMIN)
    left = tmp_path / "checkpoints" / SLOT / f".run-{run.pk}-7"
    left.mkdir(parents=True)

    execute(run.pk)

    assert [path.name for path in left.parent.iterdir()] == [str(run.versions.get().pk)]
