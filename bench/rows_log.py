"""Feedback rows at hand as the log that a training reads. After: next_track_log, real_listeners_log."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo


def log_of_rows(rows_of_listener: dict[int, list[Any]], as_of: datetime) -> Any:
    """A `Log` of these rows, oldest first: nothing was recommended, no style declared, everybody lives in UTC."""
    from recsys.learning.log import Log

    class RowsLog(Log):
        def feedback(self) -> tuple[dict[int, list[Any]], Any]:
            counts = [(listener, len(rows)) for listener, rows in rows_of_listener.items()]
            return rows_of_listener, hashlib.sha256(repr(counts).encode())

        def zones(self) -> dict[int, Any]:
            return dict.fromkeys(rows_of_listener, ZoneInfo("UTC"))

        def declared_styles(self) -> defaultdict[int, list[Any]]:
            return defaultdict(list)

        def slates(self) -> Iterator[Any]:
            return iter(())

    return RowsLog(as_of)
