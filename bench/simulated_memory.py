"""The log of simulated listeners in memory, drawn and learned from as in the service. After: simulated_listeners.py.

Slates come from `draw_slate`, states from `state_of_rows`, datasets from `replay_dataset.build`: the service's own code."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any


@dataclass(kw_only=True)
class Memory:
    """What everybody did so far, and who serves. Copied deeply, it goes on alone."""

    listeners: Sequence[Any]
    styles: dict[int, tuple[str, ...]]
    table: Any
    dials: Any
    """Preferences as a new listener has them."""
    serving: Any = None
    rows: defaultdict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    slates: list[Any] = field(default_factory=list)
    standing: dict[tuple[int, int], str] = field(default_factory=dict)
    """(listener, track) → the last like or dislike."""
    count: int = 0

    def serve(self, listener: Any, moment: datetime, seed: int) -> Any:
        """A slate as `recommending.recommend` draws it; reasons are left out."""
        from django.conf import settings

        from recsys import recommending
        from recsys.learning.features import state_of_rows
        from recsys.learning.log import LoggedSlate
        from recsys.simulation import SLATE

        rows = self.rows[listener.pk]
        state = state_of_rows(listener.pk, moment, rows, zone=listener.time_zone, styles=self.styles.get(listener.pk, ()))
        drawn = recommending.draw_slate(
            self.serving, state, self.table, self._excluded(listener.pk), self.dials, (), SLATE, seed
        )
        self.slates.append(
            LoggedSlate(
                id=len(self.slates) + 1,
                listener_id=listener.pk,
                created_at=moment,
                diversity=self.dials.diversity,
                candidates=drawn.candidates,
                tracks=drawn.tracks,
                probabilities=drawn.probabilities,
                epsilon=settings.ENCORE_EPSILON,
                policy_version_id=0,
            )
        )
        return SimpleNamespace(pk=len(self.slates), tracks=drawn.tracks)

    def _excluded(self, listener_id: int) -> Any:
        from recsys import recommending

        window = recommending.heard_window(self.dials, self.table)
        heard = dict.fromkeys(row.track_id for row in reversed(self.rows[listener_id]) if row.kind == "play")
        disliked = [track for (who, track), kind in self.standing.items() if who == listener_id and kind == "dislike"]
        return recommending.Excluded(banned=frozenset(disliked), heard=frozenset(list(heard)[:window]))

    def record(self, listener: Any, rows: Sequence[Any], moment: datetime) -> None:
        """What `feedback.record` would store."""
        for row in rows:
            self.count += 1
            self.rows[listener.pk].append(row.as_row(self.count, moment))
            if row.kind in ("like", "dislike"):
                self.standing[listener.pk, row.track_id] = row.kind

    def outcomes(self, durations: dict[int, float], before: datetime) -> dict[int, tuple[float, float]]:
        """Track → (sum of outcomes, plays) of rows received before a moment, as `popularity_as_of` counts them."""
        from recsys.rewards import RewardWeights
        from recsys.standing import standing_of

        weights = RewardWeights()
        told: list[tuple[int, float, float]] = []
        for listened in self.rows.values():
            rows = [row for row in listened if row.received_at < before]
            for row in (row for row in rows if row.kind == "play"):
                early = weights.early_leave * weights.is_left_early(row.value, durations[row.track_id])
                told.append((row.track_id, weights.completion * min(1.0, row.value / durations[row.track_id]) + early, 1.0))
            stands = standing_of((row.track_id, row.kind, row.value) for row in rows)
            told += [(track, weights.like, 0.0) for track in stands.liked]
            told += [(track, weights.dislike, 0.0) for track in stands.disliked]
            told += [(track, weights.rating * (stars - 3.0), 0.0) for track, stars in stands.ratings.items()]
        sums: dict[int, tuple[float, float]] = {}
        for track, outcome, plays in told:
            before_it = sums.get(track, (0.0, 0.0))
            sums[track] = (before_it[0] + outcome, before_it[1] + plays)
        return sums


def memory_log(memory: Memory, as_of: datetime, since_ever: datetime) -> Any:
    """The memory as a training reads it."""
    from recsys.learning.log import Log

    class MemoryLog(Log):
        def feedback(self) -> tuple[dict[int, list[Any]], Any]:
            rows = {listener: list(rows) for listener, rows in memory.rows.items() if rows}
            return rows, hashlib.sha256(repr((as_of, memory.count)).encode())

        def zones(self) -> dict[int, Any]:
            return {listener.pk: listener.time_zone for listener in memory.listeners}

        def declared_styles(self) -> defaultdict[int, list[Any]]:
            return defaultdict(list, {listener: [(since_ever, styles)] for listener, styles in memory.styles.items()})

        def slates(self) -> Iterator[Any]:
            return iter(memory.slates)

    return MemoryLog(as_of)
