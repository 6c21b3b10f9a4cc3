"""A listener's rows in pages, newest first, each as quick as the first. Before: feedback.py, standing.py. After: pages, API.

A page is found by where the one before it ended: nothing is counted, and nothing before it is read."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import DateTimeField, Func, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan

from recsys.browsing import BrokenCursor
from recsys.models import Feedback

NO_CURSOR = "this is no cursor of a history"


@dataclass(frozen=True, kw_only=True)
class HistoryPage:
    """Some of the rows, newest first, and where to go on in both directions; None where there are no more."""

    rows: list[Feedback]
    older: str | None
    newer: str | None


def page_of(rows: QuerySet[Feedback], size: int, *, older_than: str = "", newer_than: str = "") -> HistoryPage:
    """The rows, which are ordered newest first, next to a cursor; the newest ones without. BrokenCursor for another text."""
    if newer_than:
        moment, pk = _read(newer_than)
        beyond = rows.filter(GreaterThan(_row("occurred_at", "id"), _row(Value(moment), Value(pk))))
        found = list(beyond.reverse()[: size + 1])
        if len(found) > size:
            shown = found[size - 1 :: -1]
            return HistoryPage(rows=shown, older=_write(shown[-1]), newer=_write(shown[0]))
        # Fewer than a page are newer: the first page, which is full.
    elif older_than:
        moment, pk = _read(older_than)
        rows = rows.filter(LessThan(_row("occurred_at", "id"), _row(Value(moment), Value(pk))))
    found = list(rows[: size + 1])
    shown = found[:size]
    return HistoryPage(
        rows=shown,
        older=_write(shown[-1]) if len(found) > size else None,
        newer=_write(shown[0]) if older_than and shown else None,
    )


def _row(*parts: Any) -> Func:
    """Both columns as one: a comparison that the index can jump to."""
    return Func(*parts, function="ROW", output_field=DateTimeField())


def _write(row: Feedback) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.occurred_at.isoformat(), row.pk]).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, int]:
    try:
        moment, pk = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        parsed = datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise BrokenCursor(NO_CURSOR) from error
    if not isinstance(pk, int) or abs(pk) > 2**63 - 1:
        raise BrokenCursor(NO_CURSOR)
    return parsed, pk
