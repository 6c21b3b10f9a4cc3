"""What teaches which row says what is played next: past choices, seen without their own session. Before: following.py,
replay_dataset.py. After: training.py.

Letters: N choices, L rows of a state, F features, K kinds, T tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.learning.credit import follows_of
from recsys.learning.following import Counted, Sums, steps_within
from recsys.learning.next_tracks import KINDS, UNPLAYED, NextTracks
from recsys.learning.played_rows import PlayedRows
from recsys.learning.replay_dataset import ReplayDataset

NEAR_PLAYS = 5
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
MOST_CHOICES = 20_000
"""Spread evenly over the log: a few hundred weights need no more."""
LOOKED_AT = 5
"""So many times as many are looked at for choices that could be foreseen."""


@dataclass(frozen=True, kw_only=True)
class NextChoices:
    """For each choice, what every row said of the track that was then played."""

    feature_NLF: NDArray[np.float32]
    total_NLK: NDArray[np.float32]
    """What was counted of the row's track; 0 where a kind says nothing."""
    share_NLK: NDArray[np.float32]
    background_N: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.background_N)

    def named(self) -> dict[str, NDArray[np.float32]]:
        """As `RecommenderNetwork.next_track_loss` takes a batch of them."""
        return {
            "feature_BLF": self.feature_NLF,
            "total_BLK": self.total_NLK,
            "share_BLK": self.share_NLK,
            "background_B": self.background_N,
        }


def next_tracks_of(dataset: ReplayDataset) -> tuple[NextTracks | None, NextChoices | None]:
    """The tables of the training part, and the choices that teach how to read them; None where nobody chose."""
    # Sessions stand from their last play to their first; here they are read as they were lived.
    session_N = np.cumsum(~follows_of(dataset)).astype(np.int64)[::-1]
    track_N, taught_N = dataset.track_N[::-1], ~dataset.is_held_out_N[::-1]
    chosen_N = dataset.is_own_choice_N[::-1] & taught_N
    tracks = len(dataset.table)
    after, near = (
        steps_within(session_N[taught_N], track_N[taught_N], chosen_N[taught_N], distance, both_ways=both, tracks=tracks)
        for distance, both in ((1, False), (NEAR_PLAYS, True))
    )
    plays_P = np.bincount(track_N[chosen_N], minlength=tracks).astype(np.float32)
    tables = NextTracks(after=after.table(), near=near.table(), plays_P=plays_P)
    at = np.flatnonzero(chosen_N)
    if not len(at):
        return None, None
    at = _spread(at, LOOKED_AT * MOST_CHOICES)
    own = Sums.of(session_N[chosen_N] * tracks + track_N[chosen_N], np.ones(int(chosen_N.sum())))
    others_N = plays_P[track_N[at]] - own.at(session_N[at] * tracks + track_N[at])
    # What no other session chose and the listener had not heard can't be foreseen: it would only teach that tables are wrong.
    open_NL, heard_NL = (dataset.states[name][dataset.state_N[::-1][at]] for name in ("row_open_ML", "row_track_ML"))
    foreseen = (others_N > 0) | (open_NL & (heard_NL == track_N[at][:, None])).any(axis=1)
    at, others_N = (_spread(found[foreseen], MOST_CHOICES) for found in (at, others_N))
    states = {name: array[dataset.state_N[::-1][at]] for name, array in dataset.states.items()}
    played = PlayedRows.of(
        states["row_track_ML"], states["row_open_ML"], states["row_signal_MLS"], states["clock_MC"], dataset.table.artist_T
    )
    choice = _Choice(played=played, session_N1=session_N[at][:, None], track_N1=track_N[at][:, None])
    return tables, choice.seen(tables, after, near, own, others_N, dataset.table.artist_T)


def _spread(found: NDArray[Any], most: int) -> NDArray[Any]:
    """At most so many, evenly spread."""
    return found[:: -(-len(found) // most) or 1]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """The chosen tracks, their sessions, and the rows before them."""

    played: PlayedRows
    session_N1: Rows
    track_N1: Rows

    def seen(
        self, tables: NextTracks, after: Counted, near: Counted, own: Sums, others_N: Floats, artist_T: Rows
    ) -> NextChoices:
        rows, tracks = self.played, len(tables.plays_P)
        is_again_NL = rows.open_NL & (rows.track_NL == self.track_N1)
        found = [
            *(each.without(self.session_N1, rows.track_NL, self.track_N1) for each in (after, near)),
            self._of_artist(tables, own, others_N, artist_T),
            (is_again_NL, np.ones(is_again_NL.shape)),
        ]
        share_NLK = np.stack([share for share, _ in found], axis=2) * rows.open_NL[:, :, None]
        total_NLK = np.stack([total for _, total in found], axis=2) * rows.open_NL[:, :, None]
        # Only `again` speaks of tracks that were heard.
        share_NLK[is_again_NL.any(axis=1)] *= np.array(KINDS) == "again"
        return NextChoices(
            feature_NLF=rows.feature_NLF,
            total_NLK=total_NLK.astype(np.float32),
            share_NLK=share_NLK.astype(np.float32),
            background_N=((others_N + UNPLAYED) / (tables.plays_P.sum() + UNPLAYED * tracks)).astype(np.float32),
        )

    def _of_artist(self, tables: NextTracks, own: Sums, others_N: Floats, artist_T: Rows) -> tuple[Floats, Floats]:
        """(share of the track among its artist's, plays of the row's artist)."""
        artists = int(artist_T.max(initial=-1)) + 1
        named_T = artist_T >= 0
        plays_A = np.bincount(artist_T[named_T], tables.plays_P[named_T] + UNPLAYED, artists)
        own_artist = Sums.of(own.key_E // len(artist_T) * (artists + 1) + artist_T[own.key_E % len(artist_T)] + 1, own.sum_E)
        artist_NL = self.played.artist_NL
        gone_NL = own_artist.at(self.session_N1 * (artists + 1) + artist_NL + 1)
        total_NL = np.where(artist_NL >= 0, np.append(plays_A, 0.0)[artist_NL] - gone_NL, 0.0)
        same_NL = (artist_NL == artist_T[self.track_N1]) & (artist_NL >= 0)
        share_NL = np.where(same_NL & (total_NL > 0), (others_N[:, None] + UNPLAYED) / np.maximum(total_NL, UNPLAYED), 0.0)
        return share_NL, total_NL
