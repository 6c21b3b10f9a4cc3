"""Erasing a listener closes what learnt from them to repetition."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import privacy
from accounts.models import Account
from training.models import Run
from training.runs import RunRefused, repeat_run
from training.slots import SlotFunctions

from .counting import SLOT

pytestmark = pytest.mark.django_db


def run_of(moment_offset: timedelta, account: Account | None = None) -> Run:
    return Run.objects.create(
        slot=SLOT,
        trigger="api",
        status="finished",
        requested_by=account,
        dataset_fingerprint="1" * 64,
        started_at=timezone.now() + moment_offset,
    )


def test_a_run_that_may_have_learnt_from_an_erased_listener_is_not_repeated(counting: SlotFunctions, alice: Account) -> None:
    before, after = run_of(timedelta(days=-1)), run_of(timedelta(days=1))

    privacy.erase(alice.listener)

    after.refresh_from_db()
    before.refresh_from_db()
    with pytest.raises(RunRefused, match="erased since"):
        repeat_run(after, Run.Trigger.ADMIN)
    assert repeat_run(before, Run.Trigger.ADMIN).parent == before


def test_the_export_names_the_runs_one_asked_for(counting: SlotFunctions, olga: Account) -> None:
    run = run_of(timedelta(), olga)

    exported = json.loads("".join(privacy.write_export(olga.listener)))["training"]

    assert [row["id"] for row in exported["runs"]] == [run.pk]
