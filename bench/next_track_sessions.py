"""Plays of listeners who chose for themselves, and which of them may be learnt from (30Music). After: next_track.

Letters: N plays, in the order of listener and time; T tracks; M steps to be predicted."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEARNT_SHARE = 0.7
"""Of each slice's time: what is later is predicted."""
VALIDATION_SHARE = 0.2
"""Of each slice's time that may be learnt from: its end, on which peers choose their weights."""
TOP = 10


@dataclass(frozen=True, kw_only=True)
class Plays:
    """Everything that was played. Tracks, listeners and sessions are numbers from 0."""

    listener_N: Indices
    session_N: Indices
    time_N: Indices
    track_N: Indices
    artist_T: Indices
    until_N: Floats
    """How far the slice's time had gone, 0 … 1; in a file that may be learnt from as a whole always below LEARNT_SHARE."""

    @classmethod
    def read(cls, train: Path, test: Path | None) -> Plays:
        """One file is split by time; of two, the first one is learnt from as a whole."""
        rows = [(place, row) for place, path in enumerate((train, test)) if path is not None for row in _rows(path)]
        slice_N = _numbered([f"{place} {row['slice']}" for place, row in rows])
        time_N = np.array([int(float(row["unix_time"])) for _, row in rows], dtype=np.int64)
        until_N = np.zeros(len(rows))
        for each in range(int(slice_N.max()) + 1):
            here = slice_N == each
            first, last = time_N[here].min(), time_N[here].max()
            until_N[here] = (time_N[here] - first) / max(1, last - first)
        if test is not None:
            until_N[np.array([place == 0 for place, _ in rows])] *= np.nextafter(LEARNT_SHARE, 0)
        listener_N = _numbered([row["user_id"] for _, row in rows])
        session_N = _numbered([f"{row['user_id']} {row['session_id']}" for _, row in rows])
        track_N = _numbered([row["track_id"] for _, row in rows])
        artist_T = np.zeros(int(track_N.max()) + 1, dtype=np.int64)
        artist_T[track_N] = _numbered([row["artist_id"] for _, row in rows])
        order = np.lexsort((np.arange(len(rows)), time_N, listener_N))
        return cls(
            listener_N=listener_N[order],
            session_N=session_N[order],
            time_N=time_N[order],
            track_N=track_N[order],
            artist_T=artist_T,
            until_N=until_N[order],
        )

    @property
    def learnt_N(self) -> Bools:
        """What may be learnt from."""
        return self.until_N < LEARNT_SHARE

    @property
    def artist_N(self) -> Indices:
        """Of each play."""
        return self.artist_T[self.track_N]

    def first_of(self, at: int) -> int:
        """The place of the first play of this play's listener."""
        return int(np.searchsorted(self.listener_N, self.listener_N[at]))

    @property
    def session_before_N(self) -> Bools:
        """Whether something was played before in the same session."""
        _, first = np.unique(self.session_N, return_index=True)
        found = np.ones(len(self.session_N), dtype=np.bool_)
        found[first] = False
        return found

    def known_T(self) -> Bools:
        """Tracks that were played in what may be learnt from: the catalogue of everybody who predicts."""
        known = np.zeros(len(self.artist_T), dtype=np.bool_)
        known[self.track_N[self.learnt_N]] = True
        return known

    def steps_M(self) -> Indices:
        """Plays to be predicted: later ones with something before them in their session."""
        return np.flatnonzero(~self.learnt_N & self.session_before_N)

    def for_validation(self) -> Plays:
        """What may be learnt from, with its own end as what is to be predicted; nothing later is in it."""
        learnt = self.only(self.learnt_N)
        return replace(learnt, until_N=learnt.until_N / (1 - VALIDATION_SHARE))

    def only(self, kept_N: Bools) -> Plays:
        """Some of the plays."""
        return replace(
            self,
            listener_N=self.listener_N[kept_N],
            session_N=self.session_N[kept_N],
            time_N=self.time_N[kept_N],
            track_N=self.track_N[kept_N],
            until_N=self.until_N[kept_N],
        )


def changes_artist(plays: Plays, steps_M: Indices) -> Bools:
    """Whether the step goes on with another artist than the session's last track."""
    last: dict[int, int] = {}
    changes_N = np.zeros(len(plays.track_N), dtype=np.bool_)
    for at, (session, artist) in enumerate(zip(plays.session_N.tolist(), plays.artist_N.tolist(), strict=True)):
        changes_N[at] = last.get(session, artist) != artist
        last[session] = artist
    return changes_N[steps_M]


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        return list(csv.DictReader(file))


def _numbered(names: list[str]) -> Indices:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
