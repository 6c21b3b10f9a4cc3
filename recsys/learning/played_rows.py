"""The plays among a state's rows, newest first, and how each lies in the sequence. Before: features.py. After: next_tracks.py.

Letters: N states, L rows of a state, S signals, C clock, F features of a played row, T tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.learning.windows import CLOCK_NAMES, KIND_INDEX, SIGNAL_NAMES

Rows = NDArray[np.int64]
Bools = NDArray[np.bool_]

SIGNALS = ("in_session", "log_gap", "completion", "left_early", "was_recommended")
FEATURES = (
    *SIGNALS,
    *("age", "newest", "second", "followed_newest", "followed_both", "heard_later", "times", "same_artist", "run_of_artist"),
    "session_plays",
)
"""`followed_newest`: it was played after an earlier play of the track that is the newest one now."""


@dataclass(frozen=True, kw_only=True)
class PlayedRows:
    """Of N states; behind the last play rows are closed."""

    track_NL: Rows
    artist_NL: Rows
    """−1 where none is named."""
    open_NL: Bools
    feature_NLF: NDArray[np.float32]

    @classmethod
    def of(
        cls, row_track_NL: Rows, row_open_NL: Bools, row_signal_NLS: NDArray[Any], clock_NC: NDArray[Any], artist_T: Rows
    ) -> Self:
        """From encoded states; `artist_T` of the table they were encoded with."""
        signal_NLS = row_signal_NLS[:, ::-1].astype(np.float32)
        is_open_NL = row_open_NL[:, ::-1] & (signal_NLS[:, :, KIND_INDEX["play"]] > 0)
        order_NL = np.argsort(~is_open_NL, axis=1, kind="stable")
        open_NL = np.take_along_axis(is_open_NL, order_NL, axis=1)
        track_NL = np.take_along_axis(row_track_NL[:, ::-1], order_NL, axis=1)
        artist_NL = np.where(open_NL, artist_T[track_NL], -1)
        found = [np.take_along_axis(signal_NLS[:, :, SIGNAL_NAMES.index(name)], order_NL, axis=1) for name in SIGNALS]
        found += _in_sequence(track_NL, artist_NL, open_NL)
        found.append(np.broadcast_to(clock_NC[:, [CLOCK_NAMES.index("session_plays")]], track_NL.shape))
        feature_NLF = np.stack(found, axis=2).astype(np.float32) * open_NL[:, :, None]
        return cls(track_NL=track_NL, artist_NL=artist_NL, open_NL=open_NL, feature_NLF=feature_NLF)


def _in_sequence(track_NL: Rows, artist_NL: Rows, open_NL: Bools) -> list[NDArray[Any]]:
    """The features from `age` to `run_of_artist`."""
    length = track_NL.shape[1]
    age_NL = np.broadcast_to(np.arange(length), track_NL.shape)
    before_NL = _played_before(track_NL, open_NL, 1)
    followed_NL = (before_NL == track_NL[:, :1]) & open_NL
    both_NL = followed_NL & (_played_before(track_NL, open_NL, 2) == before_NL[:, :1])
    equal_NLL = (track_NL[:, :, None] == track_NL[:, None, :]) & open_NL[:, None, :]
    heard_later_NL = (equal_NLL & np.tri(length, k=-1, dtype=np.bool_)).any(axis=2)
    same_NL = (artist_NL == artist_NL[:, :1]) & (artist_NL >= 0)
    run_N1 = np.logical_and.accumulate(same_NL, axis=1).sum(axis=1, keepdims=True)
    return [
        np.log1p(age_NL) / 4,
        age_NL == 0,
        age_NL == 1,
        followed_NL,
        both_NL,
        heard_later_NL,
        np.log1p(equal_NLL.sum(axis=2)) / 4,
        same_NL,
        np.broadcast_to(np.log1p(run_N1) / 4, track_NL.shape),
    ]


def _played_before(track_NL: Rows, open_NL: Bools, by: int) -> Rows:
    """What was played so many plays before each row, −1 where nothing was."""
    before_NL = np.full_like(track_NL, -1)
    before_NL[:, :-by] = np.where(open_NL[:, by:], track_NL[:, by:], -1)
    return before_NL
