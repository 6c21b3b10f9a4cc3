"""Ends a canary whose challenger listeners like less. Before: the slots' guard metrics. After: promotion.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from training import promotion, slots
from training.models import Promotion, Slot


@dataclass(frozen=True, kw_only=True)
class AlarmLimits:
    """How much worse than the champion a challenger may look before its canary ends."""

    skip_rate: float = 0.1
    """Skip rate above the champion's."""
    coverage: float = 0.5
    """Coverage as a share of the champion's."""
    minimum_plays: float = 50
    """Fewer plays say nothing yet. Disliked tracks that were served count from the first."""


def alarm(challenger: Mapping[str, float], champion: Mapping[str, float], limits: AlarmLimits) -> str | None:
    """What is wrong with the challenger, in a sentence; None where nothing is."""
    served = challenger.get("disliked_served", 0)
    if served > 0:
        return f"It served {served:g} disliked tracks; none is allowed."
    plays = challenger.get("plays", limits.minimum_plays)
    if min(plays, champion.get("plays", limits.minimum_plays)) < limits.minimum_plays:
        return None
    skip_rate, usual = challenger.get("skip_rate", 0), champion.get("skip_rate", 0)
    if skip_rate > usual + limits.skip_rate:
        return f"Its skip rate is {skip_rate:.0%}, the champion's is {usual:.0%}."
    coverage, usual = challenger.get("coverage", 1), champion.get("coverage", 0)
    if coverage < limits.coverage * usual:
        return f"Its coverage is {coverage:.1%}, the champion's is {usual:.1%}."
    return None


def watch(slot: str, limits: AlarmLimits | None = None) -> Promotion | None:
    """Ends the slot's canary where an alarm is due; every request is served by the champion again from then on."""
    row = Slot.objects.select_related("champion", "challenger").filter(name=slot, challenger__isnull=False).first()
    if row is None or row.challenger is None:
        return None
    since = canary_since(slot)
    guard_metrics = slots.functions_of(slot).guard_metrics
    found = alarm(guard_metrics(row.challenger.pk, since), guard_metrics(row.champion.pk, since), limits or AlarmLimits())
    return promotion.end_canary(slot, by=None, reason=f"Alarm: {found}") if found else None


def canary_since(slot: str) -> datetime:
    """When the present canary started."""
    return Promotion.objects.filter(slot=slot, kind=Promotion.Kind.CANARY).order_by("-id")[0].created_at
