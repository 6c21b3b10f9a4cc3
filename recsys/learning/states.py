"""The states of a whole log as arrays. Before: log.py, windows.py. After: replay_dataset.py.

Letters: E feedback rows, M states, L rows of a state, S signals, C clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from recsys.feedback import FeedbackRow
from recsys.learning.features import Arrays, TrackTable, declared_shares
from recsys.learning.windows import WINDOW, RowColumns, encode_windows
from recsys.rewards import RewardWeights

CHUNK = 4096
"""States that are encoded at once."""


@dataclass(kw_only=True)
class States:
    """Moments of listeners over one list of feedback rows, each listener's rows one after another as they were received."""

    rows: list[FeedbackRow] = field(default_factory=list)
    window_ends: list[tuple[int, int]] = field(default_factory=list)
    """Per state: the listener's first row in `rows`, and the end of what the state saw."""
    moments: list[float] = field(default_factory=list)
    clocks: list[tuple[float, float]] = field(default_factory=list)
    """(hour, weekday) where the listener is."""
    declared: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, first: int, end: int, moment: float, clock: tuple[float, float], styles: tuple[str, ...]) -> int:
        """The number of the new state."""
        self.window_ends.append((first, end))
        self.moments.append(moment)
        self.clocks.append(clock)
        self.declared.append(styles)
        return len(self.moments) - 1

    def encoded(self, table: TrackTable, row_of_track: Mapping[int, int], weights: RewardWeights) -> Arrays:
        """row_track_ML, row_open_ML, row_signal_MLS (kept as float16), clock_MC, declared_MS."""
        rows = RowColumns.of(self.rows)
        track_E = np.array([row_of_track[row.track_id] for row in self.rows], dtype=np.int64)
        signal_ES = rows.signals(np.append(table.duration_seconds_T[track_E], 1.0), weights)
        first_M, end_M = (np.array(column, dtype=np.int64) for column in zip(*self.window_ends, strict=True))
        moment_M = np.array(self.moments)
        local_M2 = np.array(self.clocks)
        window_ML = end_M[:, None] - WINDOW + np.arange(WINDOW)
        open_ML = window_ML >= first_M[:, None]
        window_ML = np.maximum(window_ML, 0)
        signals, clocks = [], []
        for start in range(0, len(moment_M), CHUNK):
            here = slice(start, start + CHUNK)
            signal, clock = encode_windows(rows, signal_ES, window_ML[here], open_ML[here], moment_M[here], local_M2[here])
            signals.append(signal.astype(np.float16))
            clocks.append(clock)
        return {
            "row_track_ML": np.where(open_ML, track_E[window_ML], 0),
            "row_open_ML": open_ML,
            "row_signal_MLS": np.concatenate(signals),
            "clock_MC": np.concatenate(clocks),
            "declared_MS": np.stack([declared_shares(styles, table.styles) for styles in self.declared]),
        }
