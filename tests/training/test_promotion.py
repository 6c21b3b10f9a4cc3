"""Promotion and rollback are judged by what is served."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from django.db import connection

from accounts.models import Account
from training import promotion, slots
from training.models import PolicyVersion, Promotion, Slot, Verdict
from training.promotion import PromotionRefused
from training.slots import SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db
LISTENERS = range(1, 801)


def served(listener_id: int = 1) -> PolicyVersion | None:
    return promotion.serving_version(SLOT, listener_id)


@pytest.fixture(autouse=True)
def omar(db: None) -> Account:
    """The operator who forces what the tests promote."""
    return Account.objects.create_user("omar@example.org", "a long pass phrase", role=Account.Role.OPERATOR)


def force(version: PolicyVersion) -> Promotion:
    omar = Account.objects.get(email="omar@example.org")
    return promotion.promote(SLOT, version, Promotion.Kind.FORCED, omar, "for the test")


def test_a_promoted_version_serves_the_next_request(counting: SlotFunctions, olga: Account) -> None:
    first, second = new_version(), new_version()
    promotion.promote(SLOT, first, Promotion.Kind.FIRST, None, "first")

    promotion.promote(SLOT, second, Promotion.Kind.FORCED, olga, "listeners asked for it")

    assert served() == second
    assert Promotion.objects.get(version=second).by == olga


def test_rolling_back_serves_the_previous_version_and_then_the_one_before(counting: SlotFunctions, olga: Account) -> None:
    first, second, third = new_version(), new_version(), new_version()
    for version in (first, second, third):
        force(version)

    promotion.roll_back(SLOT, olga, "worse")
    assert served() == second
    promotion.roll_back(SLOT, olga, "worse still")
    assert served() == first
    with pytest.raises(PromotionRefused, match="no previous version"):
        promotion.roll_back(SLOT, olga, "once more")
    assert served() == first


def test_after_a_rollback_the_same_version_can_be_promoted_and_rolled_back_again(counting: SlotFunctions) -> None:
    first, second = new_version(), new_version()
    force(first), force(second)
    promotion.roll_back(SLOT, None, "a mistake")
    force(second)
    assert served() == second

    promotion.roll_back(SLOT, None, "no mistake")

    assert served() == first


def test_serving_takes_one_query(counting: SlotFunctions, django_assert_num_queries: object) -> None:
    force(new_version())

    with django_assert_num_queries(1):  # type: ignore[operator]
        served()


def test_the_first_version_is_made_once(counting: SlotFunctions) -> None:
    slots.register(dataclasses.replace(counting, first_kind="popularity"))

    first = served()

    assert first is not None
    assert first.kind == "popularity"
    assert served() == first
    assert promotion.ensure_first_version(SLOT) == first


def test_nothing_serves_where_nothing_can(counting: SlotFunctions) -> None:
    assert served() is None
    assert not Slot.objects.exists()


def test_it_refuses_a_forced_promotion_without_a_reason(counting: SlotFunctions) -> None:
    with pytest.raises(PromotionRefused, match="needs a reason"):
        promotion.promote(SLOT, new_version(), Promotion.Kind.FORCED, None, "  ")


def test_it_refuses_a_forced_promotion_that_nobody_answers_for(counting: SlotFunctions) -> None:
    with pytest.raises(PromotionRefused, match="name the account"):
        promotion.promote(SLOT, new_version(), Promotion.Kind.FORCED, None, "listeners asked for it")


def test_an_alarm_does_not_overrule_a_person_who_was_quicker(counting: SlotFunctions) -> None:
    first, second, third = new_version(), new_version(), new_version()
    for version in (first, second, third):
        force(version)

    with pytest.raises(PromotionRefused, match="no longer the champion"):
        promotion.roll_back(SLOT, None, "Alarm: …", expected=second)
    assert served() == third


def test_it_refuses_a_version_of_another_slot(counting: SlotFunctions) -> None:
    with pytest.raises(PromotionRefused, match="belongs to the slot other"):
        force(new_version(slot="other"))


def test_it_refuses_the_champion_itself(counting: SlotFunctions) -> None:
    version = new_version()
    force(version)

    with pytest.raises(PromotionRefused, match="champion already"):
        force(version)


def test_it_refuses_a_verdict_that_is_not_proven(counting: SlotFunctions) -> None:
    version = new_version()
    verdict = Verdict.objects.create(version=version, outcome=Verdict.Outcome.NOT_PROVEN, checks=[])

    with pytest.raises(PromotionRefused, match="No verdict says"):
        promotion.promote(SLOT, version, Promotion.Kind.VERDICT, None, "", verdict)


def test_it_refuses_a_verdict_against_another_champion(counting: SlotFunctions) -> None:
    old, current, version = new_version(), new_version(), new_version()
    force(old)
    verdict = Verdict.objects.create(version=version, champion=old, outcome=Verdict.Outcome.PROMOTE, checks=[])
    force(current)

    with pytest.raises(PromotionRefused, match="against another champion"):
        promotion.promote(SLOT, version, Promotion.Kind.VERDICT, None, "", verdict)
    assert served() == current


def test_a_canary_serves_its_share_of_listeners_and_always_the_same_ones(counting: SlotFunctions) -> None:
    champion, challenger = new_version(), new_version()
    force(champion)

    promotion.start_canary(SLOT, challenger, 0.1, None, "try it")
    chosen = {one for one in LISTENERS if served(one) == challenger}

    assert 0.07 < len(chosen) / len(LISTENERS) < 0.13
    promotion.start_canary(SLOT, challenger, 0.3, None, "more of it")
    assert chosen < {one for one in LISTENERS if served(one) == challenger}
    found = promotion.serving(SLOT, min(chosen))
    assert found is not None
    assert found.is_canary


def test_an_ended_canary_serves_nobody_and_does_not_count_as_a_promotion(counting: SlotFunctions) -> None:
    first, champion, challenger = new_version(), new_version(), new_version()
    force(first), force(champion)
    promotion.start_canary(SLOT, challenger, 0.5, None, "try it")

    promotion.end_canary(SLOT, None, "enough")

    assert {served(one) for one in range(1, 50)} == {champion}
    promotion.roll_back(SLOT, None, "worse")
    assert served() == first


@pytest.mark.parametrize("share", [0, 0.6, -1, float("nan")])
def test_it_refuses_a_canary_share_out_of_bounds(counting: SlotFunctions, share: float) -> None:
    force(new_version())

    with pytest.raises(PromotionRefused, match=r"at most 0\.5"):
        promotion.start_canary(SLOT, new_version(), share, None, "try it")


@pytest.mark.django_db(transaction=True)
def test_of_two_first_promotions_at_once_one_wins(counting: SlotFunctions) -> None:
    slots.register(dataclasses.replace(counting, first_kind="popularity"))
    found: list[PolicyVersion | None] = []
    gate = threading.Barrier(4)

    def ask() -> None:
        gate.wait()
        found.append(promotion.ensure_first_version(SLOT))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 1
    assert PolicyVersion.objects.count() == Promotion.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_promotions_at_once_leave_an_unbroken_chain(counting: SlotFunctions) -> None:
    versions = [new_version() for _ in range(4)]
    gate = threading.Barrier(4)

    def race(version: PolicyVersion) -> None:
        gate.wait()
        force(version)
        connection.close()

    threads = [threading.Thread(target=race, args=[version]) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    chain = list(Promotion.objects.order_by("id"))
    assert [one.replaced_id for one in chain] == [None, *[one.version_id for one in chain[:-1]]]
    assert Slot.objects.get().champion_id == chain[-1].version_id
