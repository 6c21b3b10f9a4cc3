"""Takes back what listeners like less, or what can't be read. Before: the slots' guard metrics. After: promotion.py."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.mail import send_mail
from django.utils import timezone

from accounts.models import Account
from training import checkpoints, promotion, slots
from training.models import Promotion, Slot

logger = logging.getLogger(__name__)

WATCH = timedelta(days=7)
"""So long after its promotion a champion is held against what the previous one did in such a time before it. Rates are
compared, never counts: how many different tracks were shown says more about time than about the version."""


@dataclass(frozen=True, kw_only=True)
class AlarmLimits:
    """How much worse than the other version one may look before it goes."""

    worse_by: float = 0.1
    """Skip rate, or share of dislikes among likes and dislikes, above the other's."""
    minimum_count: float = 50
    """Fewer plays, or opinions, say nothing yet. Disliked or banned tracks that were served count from the first."""


RATES = (("skip_rate", "plays", "skip rate"), ("disliked_share", "opinions", "share of dislikes"))
"""Guard metric, the one that says how many it is a rate of, and what people call it."""


def alarm(
    watched: Mapping[str, float], usual: Mapping[str, float], limits: AlarmLimits, other: str = "the champion"
) -> str | None:
    """What is wrong with the version that is watched, in a sentence; None where nothing is."""
    served = watched.get("disliked_served", 0)
    if served > 0:
        return f"It served {served:g} disliked or banned tracks; none is allowed."
    for rate, counted, name in RATES:
        if min(watched.get(counted, 0), usual.get(counted, 0)) < limits.minimum_count:
            continue
        if watched[rate] > usual[rate] + limits.worse_by:
            return f"Its {name} is {watched[rate]:.0%}, {other}'s is {usual[rate]:.0%}."
    return None


def watch(slot: str, limits: AlarmLimits | None = None) -> Promotion | None:
    """Ends a canary or undoes a promotion where an alarm is due: from the next request on another version serves."""
    row = Slot.objects.select_related("champion", "previous", "challenger").filter(name=slot).first()
    if row is None:
        return None
    limits = limits or AlarmLimits()
    for look in (_watch_checkpoint, _watch_canary, _watch_champion):
        try:
            done = look(row, limits)
        except promotion.PromotionRefused as refusal:
            # A person was quicker, or nothing stands before it: then the slot serves what needs no weights.
            logger.warning("an alarm in %s changed nothing: %s", slot, refusal)
            continue
        if done is not None:
            _tell_operators(done)
            return done
    return None


def _watch_checkpoint(row: Slot, limits: AlarmLimits) -> Promotion | None:
    """A champion whose weights are gone or damaged gives way to the one before."""
    trouble = checkpoints.trouble_with(row.champion)
    if trouble is None:
        return None
    logger.error("%s", trouble)
    return promotion.roll_back(row.name, by=None, reason=f"Alarm: {trouble}", expected=row.champion)


def _watch_canary(row: Slot, limits: AlarmLimits) -> Promotion | None:
    if row.challenger is None:
        return None
    trouble = checkpoints.trouble_with(row.challenger)
    guard_metrics, since = slots.functions_of(row.name).guard_metrics, canary_since(row.name)
    found = trouble or alarm(guard_metrics(row.challenger.pk, since), guard_metrics(row.champion.pk, since), limits)
    if not found:
        return None
    return promotion.end_canary(row.name, by=None, reason=f"Alarm: {found}", expected=row.challenger)


def _watch_champion(row: Slot, limits: AlarmLimits) -> Promotion | None:
    """Only what a promotion brought is undone: a champion that a rollback restored is not taken back by an alarm."""
    last = Promotion.objects.filter(slot=row.name).exclude(kind__in=NO_CHANGE).first()
    if last is None or last.replaced is None or last.kind not in (Promotion.Kind.VERDICT, Promotion.Kind.FORCED):
        return None
    if last.created_at < timezone.now() - WATCH:
        return None
    guard_metrics = slots.functions_of(row.name).guard_metrics
    now, before = guard_metrics(last.version_id, last.created_at), guard_metrics(last.replaced.pk, last.created_at - WATCH)
    found = alarm(now, before, limits, "the previous version")
    if found is None:
        return None
    return promotion.roll_back(row.name, by=None, reason=f"Alarm: {found}", expected=last.version)


NO_CHANGE = (Promotion.Kind.CANARY, Promotion.Kind.CANARY_END)
"""Promotions that leave the champion where it is."""


def _tell_operators(done: Promotion) -> None:
    """By mail, where people can be reached; a mail server that is away must not keep the alarm from acting."""
    logger.error("%s: %s now serves in %s", done.reason, done.version, done.slot)
    roles = (Account.Role.OPERATOR, Account.Role.OWNER)
    addresses = list(Account.objects.filter(role__in=roles, is_active=True).values_list("email", flat=True))
    text = f"{done.reason}\n\nFrom the next request on {done.version} serves everyone in the slot {done.slot}."
    try:
        send_mail(f"Encore: alarm in {done.slot}", text, None, addresses)
    except OSError:
        logger.exception("the alarm could not be mailed")


def canary_since(slot: str) -> datetime:
    """When the present canary started."""
    return Promotion.objects.filter(slot=slot, kind=Promotion.Kind.CANARY).order_by("-id")[0].created_at
