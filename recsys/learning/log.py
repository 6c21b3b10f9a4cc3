"""What a training reads of the database: feedback, declared styles, slates. Before: feedback.py. After: replay_dataset.py."""

from __future__ import annotations

import hashlib
import zoneinfo
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.models import Listener
from recsys.feedback import FeedbackRow
from recsys.models import Feedback, Preferences, Recommendation

_COPIED = ("listener_id", *FeedbackRow.__slots__)
Versions = Sequence[tuple[datetime, tuple[str, ...]]]
"""Declared styles, oldest first."""
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
        """Rows by listener in the order in which they were received, and the hash over them."""
        rows = (
            Feedback.objects.filter(listener__is_simulated=settings.ENCORE_SIMULATED, received_at__lte=self.as_of)
            .order_by("listener_id", "received_at", "id")
            .values_list(*_COPIED)
            .iterator(10_000)
        )
        digest = hashlib.sha256()
        found: dict[int, list[FeedbackRow]] = {}
        for listener_id, *values in rows:
            digest.update(repr((listener_id, *values)).encode())
            found.setdefault(listener_id, []).append(FeedbackRow(**dict(zip(FeedbackRow.__slots__, values, strict=True))))
        return found, digest

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
        found = Recommendation.objects.filter(created_at__lte=self.as_of, listener__is_simulated=settings.ENCORE_SIMULATED)
        # What was played in a private session is not in the log: its slates would look unplayed.
        found = found.exclude(dials__contains={"is_private_session": True}).order_by("created_at", "id")
        for *values, diversity in found.values_list(*LOGGED, "dials__diversity").iterator(1000):
            yield LoggedSlate(**dict(zip(LOGGED, values, strict=True)), diversity=float(diversity or 0.0))


def styles_as_of(versions: Versions, moment: datetime) -> tuple[str, ...]:
    """The last version received until the moment."""
    at = bisect_right(versions, moment, key=lambda version: version[0])
    return versions[at - 1][1] if at else ()
