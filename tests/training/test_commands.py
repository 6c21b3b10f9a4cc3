"""The same from a shell."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from training import promotion
from training.models import Promotion, Run, Verdict
from training.slots import SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db(transaction=True)


def said(command: str, *arguments: str, **options: object) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def test_retrain_here_trains_and_says_what_it_made(counting: SlotFunctions) -> None:
    words = said("retrain", SLOT, "--set", "steps=3", "--set", "reports.every_steps=1", "--here")

    assert "It serves now." in words
    assert Run.objects.get().configuration["steps"] == 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stepps=3", "no such field"),
        ("steps=many", "whole number"),
        ("steps=0", "1 to 100,000"),
        ("is_strict=maybe", "true or false"),
    ],
)
def test_retrain_refuses_a_wrong_setting(counting: SlotFunctions, setting: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        said("retrain", SLOT, "--set", setting)


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [("feedback_needed=12", "Skipped: 12 more feedback rows"), ("accident=flood", "Failed with RuntimeError: flood")],
)
def test_retrain_ends_with_an_error_where_nothing_was_made(counting: SlotFunctions, setting: str, outcome: str) -> None:
    with pytest.raises(CommandError, match=outcome):
        said("retrain", SLOT, "--here", "--set", setting)


def test_retrain_refuses_an_unknown_slot(counting: SlotFunctions) -> None:
    with pytest.raises(CommandError, match="there are counting"):
        said("retrain", "juggler")


def test_show_verdict_prints_every_check(counting: SlotFunctions) -> None:
    said("retrain", SLOT, "--here")
    version = Run.objects.get().versions.get()

    words = said("show_verdict", str(version.pk))

    assert "pass       quality 0 (-0.1 … 0.1, threshold -1): Better than the champion." in words
    assert words.endswith("promote\n")


def test_show_verdict_again_judges_against_todays_champion(counting: SlotFunctions) -> None:
    said("retrain", SLOT, "--here")
    version = Run.objects.get().versions.get()

    assert said("show_verdict", str(version.pk), "--again").endswith("not proven\n")
    assert Verdict.objects.count() == 2


def test_show_verdict_recomputed_gives_the_same_figures(counting: SlotFunctions) -> None:
    said("retrain", SLOT, "--here", "--set", "quality=0.25")
    version = Run.objects.get().versions.get()

    words = said("show_verdict", str(version.pk), "--recompute")

    assert "All 1 checks come out the same." in words
    assert Verdict.objects.count() == 1


def test_show_verdict_recomputed_says_what_was_changed_by_hand(counting: SlotFunctions) -> None:
    said("retrain", SLOT, "--here")
    verdict = Verdict.objects.get()
    verdict.checks[0]["figure"] = 0.9
    verdict.save()

    with pytest.raises(CommandError, match="1 checks come out otherwise: quality"):
        said("show_verdict", str(verdict.version_id), "--recompute")


def test_show_verdict_says_when_the_log_is_another_one(counting: SlotFunctions) -> None:
    said("retrain", SLOT, "--here")
    Verdict.objects.update(dataset_note="42")

    assert "The log is another one now" in said("show_verdict", str(Verdict.objects.get().version_id), "--recompute")


def test_replay_requests_says_how_many_came_out_the_same(counting: SlotFunctions) -> None:
    assert (
        said("replay_requests", SLOT, "--count=7") == "7 requests, largest difference 0: they come out as they were logged.\n"
    )


def test_replay_requests_refuses_an_unknown_slot(counting: SlotFunctions) -> None:
    with pytest.raises(CommandError, match="there are counting"):
        said("replay_requests", "juggler")


def test_promote_needs_a_reason_and_a_name_without_a_proof_and_roll_back_undoes_it(
    counting: SlotFunctions, olga: Account, victor: Account
) -> None:
    first, second = new_version(), new_version()
    promotion.promote(SLOT, first, Promotion.Kind.FIRST, None, "first")
    with pytest.raises(CommandError, match="needs a reason"):
        said("promote", str(second.pk))
    with pytest.raises(CommandError, match="name the account"):
        said("promote", str(second.pk), reason="we like it")
    with pytest.raises(CommandError, match="no operator"):
        said("promote", str(second.pk), reason="we like it", by=victor.email)
    assert promotion.serving_version(SLOT, 1) == first

    said("promote", str(second.pk), reason="we like it", by=olga.email.upper())
    assert promotion.serving_version(SLOT, 1) == second
    assert Promotion.objects.get(version=second).by == olga

    said("roll_back", SLOT)
    assert promotion.serving_version(SLOT, 1) == first


def test_rolling_back_too_far_is_refused(counting: SlotFunctions) -> None:
    with pytest.raises(CommandError, match="no previous version"):
        said("roll_back", SLOT)
