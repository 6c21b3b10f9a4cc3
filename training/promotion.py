"""Which version serves, and how that changes. Before: gate.py judges versions. After: every request asks `serving`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction

from training import slots
from training.models import PolicyVersion, Promotion, Slot, Verdict

if TYPE_CHECKING:
    from accounts.models import Account


class PromotionRefused(Exception):  # noqa: N818 – an answer, not an accident
    """This change of champion is not allowed; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """The version that serves one listener now."""

    version: PolicyVersion
    is_canary: bool


def serving(slot: str, listener_id: int) -> Serving | None:
    """Champion, or challenger for the canary's listeners. One query; None while nothing can serve."""
    row = Slot.objects.select_related("champion", "challenger").filter(name=slot).first()
    if row is None:
        first = ensure_first_version(slot)
        return Serving(version=first, is_canary=False) if first else None
    if row.challenger is not None and canary_position(slot, listener_id) < row.canary_share:
        return Serving(version=row.challenger, is_canary=True)
    return Serving(version=row.champion, is_canary=False)


def serving_version(slot: str, listener_id: int) -> PolicyVersion | None:
    """`serving` for those who don't ask whether it is a canary."""
    found = serving(slot, listener_id)
    return found.version if found else None


def canary_position(slot: str, listener_id: int) -> float:
    """Where a listener stands between 0 and 1: the same in each process and forever, another one per slot."""
    digest = hashlib.sha256(f"{slot}:{listener_id}".encode()).digest()
    # 53 bits: more would round to 1.0, which no share below 1 may reach.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def champion_of(slot: str) -> PolicyVersion | None:
    """The champion, None where nothing serves yet."""
    row = Slot.objects.select_related("champion").filter(name=slot).first()
    return row.champion if row else None


def ensure_first_version(slot: str) -> PolicyVersion | None:
    """The champion; where there is none, makes the version that needs no training, if the slot has one."""
    first_kind = slots.functions_of(slot).first_kind
    champion = champion_of(slot)
    if champion is not None or first_kind is None:
        return champion
    with transaction.atomic():
        row = lock_slot(slot)
        if row is not None:
            return row.champion
        version = PolicyVersion.objects.create(slot=slot, kind=first_kind)
        promote(slot, version, Promotion.Kind.FIRST, by=None, reason="Serves before anything was trained.")
        return version


def lock_slot(slot: str) -> Slot | None:
    """Holds the slot until the transaction ends. The advisory lock settles the race of two first promotions, when
    there is no row to lock yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"slot:{slot}"])
    return Slot.objects.select_for_update().filter(name=slot).first()


def promote(
    slot: str, version: PolicyVersion, kind: str, by: Account | None, reason: str, verdict: Verdict | None = None
) -> Promotion:
    """Makes ``version`` the champion from the next request on; the canary, if any, ends."""
    with transaction.atomic():
        row = lock_slot(slot)
        replaced = row.champion if row else None
        _check(slot, version, kind, by, reason, verdict, replaced)
        _set(slot, champion=version, previous=replaced)
        return Promotion.objects.create(
            slot=slot, kind=kind, version=version, replaced=replaced, verdict=verdict, by=by, reason=reason
        )


def _check(
    slot: str,
    version: PolicyVersion,
    kind: str,
    by: Account | None,
    reason: str,
    verdict: Verdict | None,
    champion: PolicyVersion | None,
) -> None:
    if version.slot != slot:
        raise PromotionRefused(f"Version {version.pk} belongs to the slot {version.slot}, not to {slot}.")
    if champion is not None and champion.pk == version.pk:
        raise PromotionRefused(f"Version {version.pk} is the champion already.")
    is_allowed = champion is None or slots.functions_of(slot).promote_first(version.kind, champion.kind)
    if kind == Promotion.Kind.FIRST and champion is not None and not is_allowed:
        raise PromotionRefused(f"Version {champion.pk} serves already, so {version.pk} can't be the first.")
    if kind == Promotion.Kind.FORCED and not reason.strip():
        raise PromotionRefused("A version that isn't proven needs a reason to be promoted.")
    if kind == Promotion.Kind.FORCED and by is None:
        raise PromotionRefused("A version that isn't proven is promoted by a person: name the account.")
    if kind == Promotion.Kind.ROLLBACK:
        raise PromotionRefused("A rollback names no version: it goes back to the previous one.")
    if kind == Promotion.Kind.VERDICT:
        _check_verdict(version, verdict, champion)


def _check_verdict(version: PolicyVersion, verdict: Verdict | None, champion: PolicyVersion | None) -> None:
    if verdict is None or verdict.version_id != version.pk or verdict.outcome != Verdict.Outcome.PROMOTE:
        raise PromotionRefused(f"No verdict says that version {version.pk} should be promoted.")
    # Between verdict and promotion another version may have become champion: nothing was proven against that one.
    if verdict.champion_id != (champion.pk if champion else None):
        raise PromotionRefused(f"The verdict on version {version.pk} was against another champion; judge it again.")


def _set(slot: str, *, champion: PolicyVersion, previous: PolicyVersion | None) -> None:
    Slot.objects.update_or_create(
        name=slot, defaults={"champion": champion, "previous": previous, "challenger": None, "canary_share": 0}
    )


def roll_back(slot: str, by: Account | None, reason: str, expected: PolicyVersion | None = None) -> Promotion:
    """Undoes the last promotion. Repeated, it walks back in history, down to the first version.

    An alarm names the champion it is about: a person who was quicker is not overruled."""
    with transaction.atomic():
        row = lock_slot(slot)
        if expected is not None and row is not None and row.champion_id != expected.pk:
            raise PromotionRefused(f"Version {expected.pk} is no longer the champion.")
        history = standing_versions(slot)
        if row is None or len(history) < 2:
            raise PromotionRefused("There is no previous version to go back to.")
        undone = row.champion
        restored = PolicyVersion.objects.get(pk=history[-2])
        before = PolicyVersion.objects.get(pk=history[-3]) if len(history) > 2 else None
        _set(slot, champion=restored, previous=before)
        return Promotion.objects.create(
            slot=slot, kind=Promotion.Kind.ROLLBACK, version=restored, replaced=undone, by=by, reason=reason
        )


def standing_versions(slot: str) -> list[int]:
    """Ids of the versions that served one after the other, without those that were rolled back. The last is champion."""
    standing: list[int] = []
    for kind, version_id in Promotion.objects.filter(slot=slot).order_by("id").values_list("kind", "version_id"):
        if kind == Promotion.Kind.ROLLBACK:
            standing.pop()
        elif kind not in (Promotion.Kind.CANARY, Promotion.Kind.CANARY_END):
            standing.append(version_id)
    return standing


def start_canary(slot: str, version: PolicyVersion, share: float, by: Account | None, reason: str) -> Promotion:
    """Serves ``version`` to a share of the listeners, always the same ones."""
    if not 0 < share <= 0.5:
        raise PromotionRefused(f"The canary's share is {share:g}; it must be above 0 and at most 0.5.")
    with transaction.atomic():
        row = lock_slot(slot)
        if row is None:
            raise PromotionRefused("Nothing serves yet: there is no champion to compare a canary with.")
        if version.slot != slot or version.pk == row.champion_id:
            raise PromotionRefused(f"Version {version.pk} can't be the challenger of {slot}.")
        row.challenger, row.canary_share = version, share
        row.save(update_fields=["challenger", "canary_share", "changed_at"])
        return Promotion.objects.create(
            slot=slot, kind=Promotion.Kind.CANARY, version=version, replaced=row.champion, by=by, reason=reason
        )


def end_canary(slot: str, by: Account | None, reason: str, expected: PolicyVersion | None = None) -> Promotion:
    """Serves the champion to everyone again. An alarm names the canary it is about: one that came since stays."""
    with transaction.atomic():
        row = lock_slot(slot)
        if row is None or row.challenger is None:
            raise PromotionRefused("There is no canary to end.")
        if expected is not None and row.challenger_id != expected.pk:
            raise PromotionRefused(f"Version {expected.pk} is no longer the canary.")
        ended = row.challenger
        row.challenger, row.canary_share = None, 0
        row.save(update_fields=["challenger", "canary_share", "changed_at"])
        return Promotion.objects.create(
            slot=slot, kind=Promotion.Kind.CANARY_END, version=row.champion, replaced=ended, by=by, reason=reason
        )
