"""What was predicted stands beside what was observed, each over the right time."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Account
from training import lifts, promotion, slots
from training.models import Lift, PolicyVersion, Promotion, Verdict
from training.slots import ObservedLift, Served, SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(counting: SlotFunctions) -> list[tuple[Served, Served]]:
    """What the slot was asked to compare."""
    found: list[tuple[Served, Served]] = []

    def observe(new: Served, old: Served) -> ObservedLift:
        found.append((new, old))
        return ObservedLift(value=0.06, low=0.01, high=0.11, listeners=30, previous_listeners=270)

    slots.register(dataclasses.replace(counting, observed_lift=observe))
    return found


def verdict_on(version: PolicyVersion, champion: PolicyVersion) -> Verdict:
    checks = [
        {"name": "skip rate", "outcome": "pass", "figure": -0.2, "low": -0.3, "high": -0.1, "predicts_lift": False},
        {"name": "reward", "outcome": "pass", "figure": 0.08, "low": 0.02, "high": 0.14, "predicts_lift": True},
    ]
    return Verdict.objects.create(version=version, champion=champion, outcome=Verdict.Outcome.PROMOTE, checks=checks)


def first_champion() -> PolicyVersion:
    champion = new_version()
    promotion.promote(SLOT, champion, Promotion.Kind.FIRST, None, "first")
    return champion


def test_a_promotion_after_a_canary_is_measured_over_the_canary(asked: list[tuple[Served, Served]], olga: Account) -> None:
    champion, version = first_champion(), new_version()
    verdict = verdict_on(version, champion)
    canary = promotion.start_canary(SLOT, version, 0.2, olga, "try it")
    promoted = promotion.promote(SLOT, version, Promotion.Kind.VERDICT, None, "", verdict)

    lift = lifts.measure(promoted)

    assert lift is not None
    assert (lift.kind, lift.observed, lift.observed_low, lift.listeners) == (Lift.Kind.CANARY, 0.06, 0.01, 30)
    assert (lift.predicted, lift.predicted_low, lift.predicted_high) == (0.08, 0.02, 0.14)
    new, old = asked[-1]
    assert (new.version_id, old.version_id) == (version.pk, champion.pk)
    assert (new.since, new.until) == (old.since, old.until) == (canary.created_at, promoted.created_at)


def test_without_a_canary_before_and_after_are_compared_and_called_so(
    asked: list[tuple[Served, Served]], olga: Account
) -> None:
    first_champion()
    version = new_version()
    promoted = promotion.promote(SLOT, version, Promotion.Kind.FORCED, olga, "we like it")
    Promotion.objects.filter(pk=promoted.pk).update(created_at=timezone.now() - timedelta(days=2))
    promoted.refresh_from_db()

    lift = lifts.measure(promoted)

    assert lift is not None
    assert (lift.kind, lift.predicted) == (Lift.Kind.BEFORE_AFTER, None)
    new, old = asked[-1]
    assert old.until == new.since == promoted.created_at
    assert new.until - new.since == old.until - old.since
    assert timedelta(days=1, hours=23) < new.until - new.since < timedelta(days=2, hours=1)


def test_a_canary_that_goes_on_is_measured_until_now(asked: list[tuple[Served, Served]], olga: Account) -> None:
    champion, version = first_champion(), new_version()
    verdict_on(version, champion)
    promotion.start_canary(SLOT, version, 0.2, olga, "try it")

    assert lifts.measure_all() == 1
    assert lifts.measure_all() == 1
    assert Lift.objects.get().predicted == 0.08


def test_first_versions_and_rollbacks_have_no_lift(asked: list[tuple[Served, Served]], olga: Account) -> None:
    first_champion()
    version = new_version()
    promotion.promote(SLOT, version, Promotion.Kind.FORCED, olga, "we like it")
    promotion.roll_back(SLOT, olga, "worse")

    assert lifts.measure_all() == 1
    assert Lift.objects.get().promotion.version == version


def test_where_nothing_was_served_nothing_is_kept(counting: SlotFunctions, olga: Account) -> None:
    first_champion()
    promotion.promote(SLOT, new_version(), Promotion.Kind.FORCED, olga, "we like it")

    assert lifts.measure_all() == 0
    assert not Lift.objects.exists()


def test_a_verdict_that_saw_the_canary_predicts_nothing(asked: list[tuple[Served, Served]], olga: Account) -> None:
    champion, version = first_champion(), new_version()
    verdict_on(version, champion)
    canary = promotion.start_canary(SLOT, version, 0.2, olga, "try it")
    later = verdict_on(version, champion)
    later.checks[1]["figure"] = 0.5
    later.save(update_fields=["checks"])

    lift = lifts.measure(canary)

    assert lift is not None
    assert lift.predicted == 0.08
