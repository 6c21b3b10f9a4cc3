"""What a training reads: feedback, declared styles, slates. Before: feedback.py, shards.py. After: replay_dataset.py."""

from __future__ import annotations

import hashlib
import zoneinfo
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.conf import settings

from accounts.models import Listener
from recsys.feedback import FeedbackRow
from recsys.learning.shards import FEEDBACK, SLATES, bring_up_to_date, closed_days
from recsys.learning.windows import WINDOW
from recsys.models import Feedback, Preferences, Recommendation

Versions = Sequence[tuple[datetime, tuple[str, ...]]]
"""Declared styles, oldest first."""
MOST_ROWS_OF_A_LISTENER = 100_000
"""The newest ones: fifty a day for five years. More would teach little, take memory, and let one listener speak for all."""
LOGGED = ("id", "listener_id", "created_at", "candidates", "tracks", "probabilities", "epsilon", "policy_version_id")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedSlate:
    """One slate, as far as learning reads it."""

    id: int
    listener_id: int
    created_at: datetime
    diversity: float
    candidates: Sequence[int]
    tracks: Sequence[int]
    probabilities: Sequence[float]
    epsilon: float
    policy_version_id: int


class Log:
    """Rows received until a moment. Real and simulated listeners never meet in one (ENCORE_SIMULATED)."""

    def __init__(self, as_of: datetime) -> None:
        self.as_of = as_of

    def feedback(self) -> tuple[dict[int, list[FeedbackRow]], Any]:
        """Rows by listener in the order in which they were received, the newest of them, and the hash over them."""
        newest: dict[int, deque[FeedbackRow]] = {}
        for listener_id, row in self._rows():
            newest.setdefault(listener_id, deque(maxlen=MOST_ROWS_OF_A_LISTENER)).append(row)
        found = {listener_id: list(rows) for listener_id, rows in sorted(newest.items())}
        digest = hashlib.sha256()
        for listener_id, rows in found.items():
            for row in rows:
                digest.update(repr((listener_id, row)).encode())
        return found, digest

    def _rows(self, since: datetime | None = None) -> Iterator[tuple[int, FeedbackRow]]:
        """Each listener's rows in the order in which they were received."""
        found = Feedback.objects.filter(listener__is_simulated=settings.ENCORE_SIMULATED, received_at__lte=self.as_of)
        found = found.filter(received_at__gte=since) if since else found
        rows = found.order_by("listener_id", "received_at", "id").values_list("listener_id", *FeedbackRow.__slots__)
        for listener_id, *values in rows.iterator(10_000):
            yield listener_id, FeedbackRow(**dict(zip(FeedbackRow.__slots__, values, strict=True)))

    def zones(self) -> dict[int, zoneinfo.ZoneInfo]:
        """Where each listener is."""
        listeners = Listener.objects.filter(is_simulated=settings.ENCORE_SIMULATED).select_related("account").iterator(2000)
        return {listener.pk: listener.time_zone for listener in listeners}

    def declared_styles(self) -> defaultdict[int, list[tuple[datetime, tuple[str, ...]]]]:
        """Versions of the declared styles by listener, oldest first."""
        versions: defaultdict[int, list[tuple[datetime, tuple[str, ...]]]] = defaultdict(list)
        rows = Preferences.objects.filter(received_at__lte=self.as_of).order_by("received_at", "id")
        for listener_id, received_at, styles in rows.values_list("listener_id", "received_at", "styles").iterator(10_000):
            versions[listener_id].append((received_at, tuple(styles)))
        return versions

    def slates(self) -> Iterator[LoggedSlate]:
        """Every slate, oldest first."""
        return self._slates()

    def _slates(self, since: datetime | None = None) -> Iterator[LoggedSlate]:
        found = Recommendation.objects.filter(created_at__lte=self.as_of, listener__is_simulated=settings.ENCORE_SIMULATED)
        found = found.filter(created_at__gte=since) if since else found
        # What was played in a private session is not in the log: its slates would look unplayed.
        found = found.exclude(dials__contains={"is_private_session": True}).order_by("created_at", "id")
        for *values, diversity in found.values_list(*LOGGED, "dials__diversity").iterator(1000):
            yield LoggedSlate(**dict(zip(LOGGED, values, strict=True)), diversity=float(diversity or 0.0))


class ShardLog(Log):
    """The same rows: those of closed days out of replay shards, those of today out of the database."""

    def __init__(self, as_of: datetime) -> None:
        super().__init__(as_of)
        self.shards = bring_up_to_date(as_of)

    def _rows(self, since: datetime | None = None) -> Iterator[tuple[int, FeedbackRow]]:
        for shard in self.shards[FEEDBACK.name]:
            for each in shard.rows():
                yield each.pop("listener_id"), _feedback_row(each)
        yield from super()._rows(closed_days(self.as_of))

    def _slates(self, since: datetime | None = None) -> Iterator[LoggedSlate]:
        for _, shards in groupby(self.shards[SLATES.name], key=lambda shard: shard.day):
            day = [_logged_slate(each) for shard in shards for each in shard.rows()]
            yield from sorted(day, key=lambda slate: (slate.created_at, slate.id))
        yield from super()._slates(closed_days(self.as_of))


def _feedback_row(each: dict[str, Any]) -> FeedbackRow:
    """JSON writes a whole float as an integer, and a time as text."""
    for name in ("value", "track_position_seconds"):
        each[name] = None if each[name] is None else float(each[name])
    for name in ("occurred_at", "received_at"):
        each[name] = datetime.fromisoformat(each[name])
    return FeedbackRow(**each)


def _logged_slate(each: dict[str, Any]) -> LoggedSlate:
    each["created_at"] = datetime.fromisoformat(each["created_at"])
    each["diversity"], each["epsilon"] = float(each["diversity"] or 0.0), float(each["epsilon"])
    each["probabilities"] = [float(chance) for chance in each["probabilities"]]
    return LoggedSlate(**each)


def is_remembered(rows: Sequence[FeedbackRow], moment: datetime) -> bool:
    """Whether the state of that moment can be made of these rows: not of one that lies before the oldest that were read."""
    return len(rows) < MOST_ROWS_OF_A_LISTENER or rows[2 * WINDOW].received_at <= moment


def styles_as_of(versions: Versions, moment: datetime) -> tuple[str, ...]:
    """The last version received until the moment."""
    at = bisect_right(versions, moment, key=lambda version: version[0])
    return versions[at - 1][1] if at else ()
