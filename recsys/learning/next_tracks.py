"""What listeners play next when they choose for themselves. Before: next_choices.py counts. After: dqn_policy.py adds it to Q.

p(a|s) ∝ p₀(a) + Σᵢₖ gateᵢₖ·p_k(a | trackᵢ) over the played rows i of the state and the kinds k: shares that were counted.

Letters: P tracks of the log, T of a table, N states, L rows of a state, R rows of one state, F features, K kinds, E entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.learning.features import TrackTable
from recsys.learning.following import Table
from recsys.learning.played_rows import PlayedRows

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

KINDS = ("after", "near", "artist", "again")
"""Right after the row's track; within a few plays of it; by its artist; the row's track once more."""
UNPLAYED = 0.3
"""Plays that each track counts beside its own: a new one may be next, too."""
LARGEST_LOGIT = 15.0
GATE_STEP = 10.0
"""Logarithms of gates range over ±5: they move so much further than their weights do."""
PREFIX = "next_tracks."


@dataclass(frozen=True, kw_only=True)
class NextTracks:
    """The counted shares, by the rows of the table they were counted with."""

    after: Table
    near: Table
    plays_P: NDArray[np.float32]
    """Choices of each track."""

    def weights(self) -> dict[str, NDArray[Any]]:
        """As a checkpoint keeps them."""
        tables = {"after": self.after, "near": self.near}
        listed = {
            f"{kind}.{field.name}": getattr(table, field.name) for kind, table in tables.items() for field in fields(Table)
        }
        return {f"{PREFIX}{name}": array for name, array in {**listed, "plays_P": self.plays_P}.items()}

    @classmethod
    def of_weights(cls, weights: Mapping[str, NDArray[Any]]) -> Self | None:
        """What `weights` gave; None where the log had no choices to count."""
        if f"{PREFIX}plays_P" not in weights:
            return None
        after, near = (
            Table(**{field.name: weights[f"{PREFIX}{kind}.{field.name}"] for field in fields(Table)})
            for kind in ("after", "near")
        )
        return cls(after=after, near=near, plays_P=weights[f"{PREFIX}plays_P"])

    def background(self, place_T: Rows) -> Floats:
        """p₀ of the tracks at these places of the log (−1: came later), times the number of its tracks."""
        plays_T = np.where(place_T >= 0, np.append(self.plays_P, 0.0)[place_T], 0.0)
        tracks = len(self.plays_P)
        found: Floats = (plays_T + UNPLAYED) * tracks / (float(self.plays_P.sum()) + UNPLAYED * tracks)
        return found


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The shares over one table of tracks."""

    tables: NextTracks
    place_T: Rows
    """Of each track in the log, −1 where it came later."""
    row_P: Rows
    """Of each track of the log in the table, −1 where it is gone."""
    log_background_T: Floats
    artist_T: Rows
    share_of_artist_T: Floats
    plays_A: Floats
    track_by_artist: Rows
    start_A: Rows

    @classmethod
    def of(cls, tables: NextTracks, track_ids_P: Rows, table: TrackTable) -> Self:
        """Tracks that came later are tracks that nobody played."""
        place_T = np.minimum(np.searchsorted(track_ids_P, table.ids_T), len(track_ids_P) - 1)
        place_T = np.where(track_ids_P[place_T] == table.ids_T, place_T, -1)
        plays_T = np.where(place_T >= 0, np.append(tables.plays_P, 0.0)[place_T], 0.0) + UNPLAYED
        artist_T = table.artist_T
        artists = int(artist_T.max(initial=-1)) + 1
        known_T = (artist_T >= 0) & (place_T >= 0)
        plays_A = np.bincount(artist_T[known_T], plays_T[known_T], artists).astype(np.float64)
        order = np.argsort(artist_T, kind="stable")
        share_T = np.where(artist_T >= 0, plays_T / np.maximum(np.append(plays_A, 1.0)[artist_T], UNPLAYED), 0.0)
        return cls(
            tables=tables,
            place_T=place_T,
            row_P=table.rows_of(track_ids_P),
            log_background_T=np.log(tables.background(place_T)),
            artist_T=artist_T,
            share_of_artist_T=share_T,
            plays_A=plays_A,
            track_by_artist=order,
            start_A=np.searchsorted(artist_T[order], np.arange(artists + 1)),
        )

    def totals(self, played: PlayedRows) -> Floats:
        """What was counted of each row's track, NLK; 0 where a kind says nothing."""
        place_NL = np.where(played.open_NL, self.place_T[played.track_NL], -1)
        counted = [np.where(place_NL >= 0, each.total_P[place_NL], 0.0) for each in (self.tables.after, self.tables.near)]
        of_artist_NL = np.where(played.artist_NL >= 0, np.append(self.plays_A, 0.0)[played.artist_NL], 0.0)
        found: Floats = np.stack([*counted, of_artist_NL, played.open_NL], axis=2).astype(np.float64)
        return found

    def lift(self, track_R: Rows, gate_RK: Floats) -> tuple[Rows, Floats]:
        """(tracks, log p(a|s)/p₀(a) of each, up to a number that is the same for all); tracks that are not named have 0.

        `track_R` are the rows of the table of the plays of one state.
        """
        track_E, chance_E = self.chances(track_R, gate_RK, track_R)
        named, place_E = np.unique(track_E, return_inverse=True)
        return named, np.log1p(np.bincount(place_E, chance_E, len(named)))

    def chances(self, track_R: Rows, gate_RK: Floats, heard: Rows) -> tuple[Rows, Floats]:
        """(track, what these rows give to it over p₀), a track any number of times. `heard` are the tracks of all rows."""
        place_R = self.place_T[track_R]
        counted = np.flatnonzero(place_R >= 0)
        tracks, chances = [], []
        for kind, table in enumerate((self.tables.after, self.tables.near)):
            at, place_E, share_E = table.of_rows(place_R[counted])
            tracks.append(self.row_P[place_E])
            chances.append(gate_RK[counted[at], kind] * share_E)
        track_E, chance_E = self._of_artists(track_R, gate_RK[:, KINDS.index("artist")])
        track_E, chance_E = np.concatenate([*tracks, track_E]), np.concatenate([*chances, chance_E])
        # Only `again` speaks of tracks that were heard.
        kept = (track_E >= 0) & ~np.isin(track_E, heard)
        track_E = np.concatenate([track_E[kept], track_R])
        chance_E = np.concatenate([chance_E[kept], gate_RK[:, KINDS.index("again")]])
        # p₀ is counted in units of 1/P, shares are not.
        return track_E, chance_E * len(self.tables.plays_P) / np.exp(self.log_background_T[track_E])

    def lift_by_row(self, track_R: Rows, gate_RK: Floats, listed: Rows) -> Floats:
        """What each row gives to log p(a|s)/p₀(a) of the listed tracks, less the mean over all tracks, [R, listed]: as much of
        the whole as of the chance."""
        rows = [self.chances(track_R[row : row + 1], gate_RK[row : row + 1], track_R) for row in range(len(track_R))]
        named, place_E = np.unique(np.concatenate([track_E for track_E, _ in rows]), return_inverse=True)
        row_E = np.repeat(np.arange(len(rows)), [len(track_E) for track_E, _ in rows])
        chance_E = np.concatenate([chance_E for _, chance_E in rows])
        chance_RT = np.bincount(row_E * len(named) + place_E, chance_E, len(rows) * len(named)).reshape(len(rows), -1)
        whole_T = chance_RT.sum(axis=0)
        given_RT = chance_RT * np.divide(np.log1p(whole_T), whole_T, out=np.zeros(len(named)), where=whole_T > 0)
        mean_R1 = given_RT.sum(axis=1, keepdims=True) / len(self.place_T)
        given: Floats = np.stack([at_rows(listed, named, given_T) for given_T in given_RT]) - mean_R1
        return given

    def _of_artists(self, track_R: Rows, gate_R: Floats) -> tuple[Rows, Floats]:
        named = self.artist_T[track_R] >= 0
        artist_C, place = np.unique(self.artist_T[track_R][named], return_inverse=True)
        gate_C = np.bincount(place, gate_R[named], len(artist_C))
        size_C = self.start_A[artist_C + 1] - self.start_A[artist_C]
        listed = np.arange(size_C.sum()) + np.repeat(self.start_A[artist_C + 1] - np.cumsum(size_C), size_C)
        track_E = self.track_by_artist[listed]
        return track_E, np.repeat(gate_C, size_C) * self.share_of_artist_T[track_E]


def gates(weights: Mapping[str, Floats], feature_RF: NDArray[Any], total_RK: Floats) -> Floats:
    """How much each row says by each kind: `RecommenderNetwork.next_gates` in numpy."""
    hidden = np.maximum(feature_RF @ weights["next_hidden.weight"].T + weights["next_hidden.bias"], 0.0)
    logit_RK = np.concatenate([hidden, feature_RF], axis=-1) @ weights["next_gate.weight"].T + weights["next_gate.bias"]
    logit_RK = logit_RK + weights["next_total_K"] * np.log1p(total_RK)
    found: Floats = np.where(total_RK > 0, np.exp(np.minimum(GATE_STEP * logit_RK, LARGEST_LOGIT)), 0.0)
    return found


def at_rows(rows_N: Rows, named: Rows, lift: Floats) -> Floats:
    """The lift of each of these rows, 0 for those that are not named."""
    if not len(named):
        return np.zeros(len(rows_N))
    place_N = np.minimum(np.searchsorted(named, rows_N), len(named) - 1)
    found: Floats = np.where(named[place_N] == rows_N, lift[place_N], 0.0)
    return found
