"""Plays of people as the service's log and states have them. Before: next_track_sessions. After: next_track."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.next_track_sessions import Bools, Plays
from bench.rows_log import log_of_rows

HEARD_SECONDS = 30.0
"""Last.fm takes a play from half of the track or four minutes on, and no track below half a minute: each counts as heard."""
LONGEST_SECONDS = 240.0


@dataclass(kw_only=True)
class Listening:
    """Plays as the service's log has them."""

    plays: Plays
    rows_of_listener: dict[int, list[Any]]
    place_of_row: dict[int, list[int]]
    table: Any
    excluded_ids: frozenset[int]
    """Tracks that nobody had played in what is learnt from."""

    @classmethod
    def of(cls, plays: Plays) -> Listening:
        """Track, listener and row ids are the numbers + 1."""
        from recsys.feedback import FeedbackRow

        rows: defaultdict[int, list[Any]] = defaultdict(list)
        places: defaultdict[int, list[int]] = defaultdict(list)
        follows = np.r_[plays.listener_N[1:] == plays.listener_N[:-1], False]
        gap_N = np.where(follows, np.r_[plays.time_N[1:], 0] - plays.time_N, LONGEST_SECONDS)
        heard_N = np.minimum(gap_N, LONGEST_SECONDS).astype(float)
        for at, (listener, track, began, heard) in enumerate(
            zip(plays.listener_N.tolist(), plays.track_N.tolist(), plays.time_N.tolist(), heard_N.tolist(), strict=True)
        ):
            ended = datetime.fromtimestamp(began + heard, tz=UTC)
            rows[listener].append(
                FeedbackRow(
                    id=at + 1, track_id=track + 1, kind="play", value=max(heard, HEARD_SECONDS), track_position_seconds=None,
                    occurred_at=ended, received_at=ended, recommendation_id=None, position=None,
                )
            )  # fmt: skip
            places[listener].append(at)
        known_T = plays.known_T()
        return cls(
            plays=plays,
            rows_of_listener=rows,
            place_of_row=places,
            table=_table(plays, np.ones(len(known_T), dtype=np.bool_)),
            excluded_ids=frozenset((np.flatnonzero(~known_T) + 1).tolist()),
        )

    def learnt_log(self, as_of: datetime) -> Any:
        """What may be learnt from, as a training reads it."""
        learnt_N = self.plays.learnt_N
        kept = {
            listener: [row for row, place in zip(rows, self.place_of_row[listener], strict=True) if learnt_N[place]]
            for listener, rows in self.rows_of_listener.items()
        }
        kept = {listener: rows for listener, rows in kept.items() if rows}

        return log_of_rows(kept, as_of)

    def dataset(self, configuration: Any) -> Any:
        """The service's replay dataset of what may be learnt from: its table holds no other track."""
        from recsys.learning import replay_dataset
        from recsys.rewards import RewardWeights

        last = int(self.plays.time_N[self.plays.learnt_N].max())
        as_of = datetime.fromtimestamp(last, tz=UTC) + timedelta(hours=1)
        known = _table(self.plays, self.plays.known_T())
        return replay_dataset.build(
            configuration, as_of=as_of, table=known, weights=RewardWeights(), log=self.learnt_log(as_of)
        )

    def state(self, at: int) -> Any:
        """What the service knows of the listener when the play begins."""
        from recsys.learning.features import moment_of, state_of_rows

        listener = int(self.plays.listener_N[at])
        number = at - self.plays.first_of(at)
        rows = self.rows_of_listener[listener][max(0, number - 50) : number]
        return state_of_rows(listener, moment_of(float(self.plays.time_N[at])), rows, zone=ZoneInfo("UTC"))


def _table(plays: Plays, kept_T: Bools) -> Any:
    """Tracks of which artist and id are known, and nothing else."""
    from recsys.learning.features import TrackTable

    return TrackTable.from_rows(
        (track + 1, [0.0], "", str(plays.artist_T[track]), HEARD_SECONDS, True) for track in np.flatnonzero(kept_T).tolist()
    )
