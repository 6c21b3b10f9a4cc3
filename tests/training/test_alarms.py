"""Alarms are judged by what is served after them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Account
from dqn.checkpoint import BrokenCheckpoint, hash_folder, read_checkpoint, write_checkpoint
from training import alarms, gate, promotion, slots
from training.models import PolicyVersion, Promotion, Slot, Verdict
from training.slots import SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db
USUAL = {"plays": 500.0, "skip_rate": 0.2, "coverage": 0.4, "disliked_served": 0.0}


def served() -> PolicyVersion | None:
    return promotion.serving_version(SLOT, 1)


def listeners_do(counting: SlotFunctions, figures: Mapping[int, Mapping[str, float]]) -> None:
    slots.register(dataclasses.replace(counting, guard_metrics=lambda version_id, since: figures[version_id]))


def promoted(olga: Account, *versions: PolicyVersion) -> None:
    for version in versions:
        promotion.promote(SLOT, version, Promotion.Kind.FORCED, olga, "for the test")


def kept(number: int, quality: float = 0.0) -> PolicyVersion:
    """A version with a checkpoint, as execution keeps it."""
    from django.conf import settings

    folder = Path(settings.ENCORE_VAR) / "checkpoints" / SLOT / f"kept-{number}"
    write_checkpoint(folder, {"total": [float(number), quality, 0.0]}, {}, {}, "0" * 64, "test", 0)
    return PolicyVersion.objects.create(
        slot=SLOT, kind="counter", folder=f"checkpoints/{SLOT}/kept-{number}", sha256=hash_folder(folder)
    )


def damage(version: PolicyVersion) -> None:
    from django.conf import settings

    file = Path(settings.ENCORE_VAR) / version.folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-3])


def test_a_promoted_champion_that_listeners_skip_is_rolled_back(counting: SlotFunctions, olga: Account) -> None:
    first, second = new_version(), new_version()
    promoted(olga, first, second)
    listeners_do(counting, {first.pk: USUAL, second.pk: USUAL})
    assert alarms.watch(SLOT) is None
    assert served() == second

    listeners_do(counting, {first.pk: USUAL, second.pk: USUAL | {"skip_rate": 0.7}})
    done = alarms.watch(SLOT)

    assert served() == first
    assert done is not None
    assert done.reason == "Alarm: Its skip rate is 70%, the previous version's is 20%."
    assert [letter.to for letter in mail.outbox] == [[olga.email]]
    assert done.reason in mail.outbox[0].body


def test_each_is_asked_about_its_own_time(counting: SlotFunctions, olga: Account) -> None:
    first, second = new_version(), new_version()
    promoted(olga, first, second)
    asked: dict[int, datetime] = {}

    def guard_metrics(version_id: int, since: datetime) -> Mapping[str, float]:
        asked[version_id] = since
        return USUAL

    slots.register(dataclasses.replace(counting, guard_metrics=guard_metrics))
    alarms.watch(SLOT)

    at = Promotion.objects.get(version=second).created_at
    assert asked == {second.pk: at, first.pk: at - alarms.WATCH}


def test_a_champion_that_has_served_for_long_is_left_alone(counting: SlotFunctions, olga: Account) -> None:
    first, second = new_version(), new_version()
    promoted(olga, first, second)
    Promotion.objects.update(created_at=timezone.now() - alarms.WATCH - timedelta(hours=1))
    listeners_do(counting, {first.pk: USUAL, second.pk: USUAL | {"skip_rate": 0.9}})

    assert alarms.watch(SLOT) is None
    assert served() == second


def test_what_a_rollback_restored_is_left_alone(counting: SlotFunctions, olga: Account) -> None:
    first, second, third = new_version(), new_version(), new_version()
    promoted(olga, first, second, third)
    promotion.roll_back(SLOT, olga, "worse")
    listeners_do(counting, {first.pk: USUAL, second.pk: USUAL | {"skip_rate": 0.9}, third.pk: USUAL})

    assert alarms.watch(SLOT) is None
    assert served() == second


def test_a_champion_whose_weights_are_damaged_gives_way_to_the_one_before(counting: SlotFunctions, olga: Account) -> None:
    first, second = kept(1), kept(2)
    promoted(olga, first, second)
    assert alarms.watch(SLOT) is None
    damage(second)

    done = alarms.watch(SLOT)

    assert served() == first
    assert done is not None
    assert done.reason.startswith(f"Alarm: The checkpoint of version {second.pk} can't be used")
    assert alarms.watch(SLOT) is None


def test_a_champion_that_its_slot_no_longer_loads_gives_way_too(counting: SlotFunctions, olga: Account) -> None:
    first, second = kept(1), kept(2)
    promoted(olga, first, second)

    def load_policy(kind: str, folder: Path | None) -> float:
        total = float(read_checkpoint(Path(str(folder))).weights["total"][0])
        if total == 2:
            raise BrokenCheckpoint("it was made by an earlier version")
        return total

    slots.register(dataclasses.replace(counting, load_policy=load_policy))
    done = alarms.watch(SLOT)

    assert served() == first
    assert done is not None
    assert done.reason.endswith(f"The checkpoint of version {second.pk} can't be used: it was made by an earlier version.")
    assert [letter.to for letter in mail.outbox] == [[olga.email]]
    assert alarms.watch(SLOT) is None


def test_two_damaged_ones_give_way_one_after_the_other(counting: SlotFunctions, olga: Account) -> None:
    first, second, third = new_version(), kept(2), kept(3)
    promoted(olga, first, second, third)
    damage(second)
    damage(third)

    for _ in range(2):
        alarms.watch(SLOT)

    assert served() == first


def test_a_damaged_one_without_any_before_stays_and_is_complained_about(
    counting: SlotFunctions, olga: Account, caplog: pytest.LogCaptureFixture
) -> None:
    only = kept(1)
    promoted(olga, only)
    damage(only)

    assert alarms.watch(SLOT) is None
    assert Slot.objects.get().champion == only
    assert "can't be used" in caplog.text


def test_a_challenger_whose_weights_are_gone_ends_its_canary(counting: SlotFunctions, olga: Account) -> None:
    first, challenger = new_version(), kept(2)
    promoted(olga, first)
    promotion.start_canary(SLOT, challenger, 0.5, olga, "try it")
    damage(challenger)

    alarms.watch(SLOT)

    assert {promotion.serving_version(SLOT, one) for one in range(50)} == {first}


def test_a_damaged_champion_keeps_nothing_from_being_judged(counting: SlotFunctions, olga: Account) -> None:
    before, champion, version = kept(1, quality=0.1), kept(2, quality=0.9), kept(3, quality=0.5)
    promoted(olga, before, champion)
    assert gate.judge(version).outcome == Verdict.Outcome.NOT_PROVEN
    damage(champion)

    verdict = gate.judge(version)

    assert verdict.outcome == Verdict.Outcome.PROMOTE
    assert verdict.champion == champion
    assert verdict.checks[0]["threshold"] == 0.1
    assert f"the difference to {before}, which served before" in verdict.checks[1]["explanation"]


def test_a_damaged_champion_with_nothing_before_is_judged_against_what_needs_no_weights(
    counting: SlotFunctions, olga: Account
) -> None:
    champion, version = kept(1, quality=0.9), kept(2, quality=0.5)
    promoted(olga, champion)
    damage(champion)

    verdict = gate.judge(version)

    assert verdict.checks[0]["threshold"] == -1.0
    assert "what needs no weights" in verdict.checks[1]["explanation"]
