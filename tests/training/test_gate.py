"""What the gate concludes from checks, and when a canary is ended."""

from __future__ import annotations

import dataclasses

import pytest

from training import alarms, promotion, slots
from training.gate import outcome_of
from training.models import Promotion
from training.slots import Check, SlotFunctions

from .conftest import new_version
from .counting import SLOT


def checks(*outcomes: str) -> list[Check]:
    return [Check(name=str(n), outcome=outcome, explanation="") for n, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (("pass", "pass"), "promote"),
        (("pass", "not proven"), "not_proven"),
        (("pass", "not proven", "fail"), "refuse"),
        ((), "not_proven"),
    ],
)
def test_only_where_every_check_passes_the_gate_promotes(outcomes: tuple[str, ...], verdict: str) -> None:
    assert outcome_of(checks(*outcomes)) == verdict


USUAL = {"plays": 500.0, "skip_rate": 0.2, "coverage": 0.4, "disliked_served": 0.0}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"skip_rate": 0.29}, None),
        ({"skip_rate": 0.35}, "Its skip rate is 35%, the champion's is 20%."),
        ({"skip_rate": 0.9, "plays": 10}, None),
        ({"coverage": 0.01}, None),
        ({"disliked_served": 1, "plays": 3}, "It served 1 disliked or banned tracks; none is allowed."),
    ],
)
def test_an_alarm_says_what_is_wrong(changes: dict[str, float], sentence: str | None) -> None:
    assert alarms.alarm(USUAL | changes, USUAL, alarms.AlarmLimits()) == sentence


@pytest.mark.django_db
def test_an_alarm_ends_the_canary_for_the_next_request(counting: SlotFunctions) -> None:
    champion, challenger = new_version(), new_version()
    promotion.promote(SLOT, champion, Promotion.Kind.FIRST, None, "first")
    promotion.start_canary(SLOT, challenger, 0.5, None, "try it")
    assert alarms.watch(SLOT) is None
    canary = next(one for one in range(100) if promotion.serving_version(SLOT, one) == challenger)

    worse = {champion.pk: USUAL, challenger.pk: USUAL | {"skip_rate": 0.8}}
    slots.register(dataclasses.replace(counting, guard_metrics=lambda version_id, since: worse[version_id]))
    ended = alarms.watch(SLOT)

    assert ended is not None
    assert ended.reason == "Alarm: Its skip rate is 80%, the champion's is 20%."
    assert promotion.serving_version(SLOT, canary) == champion
