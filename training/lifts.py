"""Predicted against observed: what a version gained over another one. Before: verdicts, the log. After: the dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from training import slots
from training.models import Lift, Promotion, Verdict
from training.slots import Served

WINDOW = timedelta(days=7)
"""Looked at on each side of a promotion without a canary, at most."""
SETTLED_AFTER = timedelta(days=14)
"""Older ones keep what was measured last: by then return visits are credited."""
MEASURED = (Promotion.Kind.CANARY, Promotion.Kind.VERDICT, Promotion.Kind.FORCED)


def measure_all() -> int:
    """Measures the lifts that may still change; gives how many there are."""
    recent = Q(created_at__gte=timezone.now() - SETTLED_AFTER)
    rows = Promotion.objects.filter(recent, kind__in=MEASURED, replaced__isnull=False).select_related("version", "replaced")
    return sum(measure(promotion) is not None for promotion in rows)


def measure(promotion: Promotion) -> Lift | None:
    """Keeps what is observed so far beside what was predicted; None where nothing was observed."""
    canary = promotion if promotion.kind == Promotion.Kind.CANARY else _canary_before(promotion)
    kind = Lift.Kind.CANARY if canary else Lift.Kind.BEFORE_AFTER
    new, old = _during(canary) if canary else _around(promotion)
    observed = slots.functions_of(promotion.slot).observed_lift(new, old)
    if observed is None:
        return None
    predicted = _prediction(promotion)
    lift, _ = Lift.objects.update_or_create(
        promotion=promotion,
        defaults={
            "kind": kind,
            "predicted": predicted.get("figure"),
            "predicted_low": predicted.get("low"),
            "predicted_high": predicted.get("high"),
            "observed": observed.value,
            "observed_low": observed.low,
            "observed_high": observed.high,
            "listeners": observed.listeners,
            "previous_listeners": observed.previous_listeners,
        },
    )
    return lift


def _canary_before(promotion: Promotion) -> Promotion | None:
    """The canary in which this version stood against the one it replaced."""
    canaries = Promotion.objects.filter(
        slot=promotion.slot, kind=Promotion.Kind.CANARY, version=promotion.version, replaced=promotion.replaced
    )
    return canaries.filter(id__lt=promotion.pk).first()


def _during(canary: Promotion) -> tuple[Served, Served]:
    """Both versions, while the canary lasted: any change of champion or canary in the slot ends it."""
    until = _next_change(canary) or timezone.now()
    assert canary.replaced_id is not None
    return (
        Served(version_id=canary.version_id, since=canary.created_at, until=until),
        Served(version_id=canary.replaced_id, since=canary.created_at, until=until),
    )


def _around(promotion: Promotion) -> tuple[Served, Served]:
    """The new version after its promotion, and the old one as long before."""
    at, until = promotion.created_at, _next_change(promotion, without=Promotion.Kind.CANARY) or timezone.now()
    length = min(WINDOW, until - at)
    assert promotion.replaced_id is not None
    return (
        Served(version_id=promotion.version_id, since=at, until=at + length),
        Served(version_id=promotion.replaced_id, since=at - length, until=at),
    )


def _next_change(promotion: Promotion, without: str = "") -> datetime | None:
    later = Promotion.objects.filter(slot=promotion.slot, id__gt=promotion.pk).exclude(kind=without).order_by("id").first()
    return later.created_at if later else None


def _prediction(promotion: Promotion) -> dict[str, float | None]:
    """The check that said what is to be expected: of the newest verdict before the promotion, for later ones have seen it."""
    earlier = Verdict.objects.filter(created_at__lte=promotion.created_at)
    verdicts = earlier.filter(version=promotion.version, champion=promotion.replaced)
    checks: Iterable[dict[str, float | None]] = (check for verdict in verdicts[:1] for check in verdict.checks)
    return next((check for check in checks if check.get("predicts_lift")), {})
