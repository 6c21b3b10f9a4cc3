"""Feedback rows of many states as signals and clocks: the one feature code of training and serving. After: features.py.

Letters: R rows at hand, N states, L rows of a state, O that may answer others, S signals of a row, C numbers of the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.feedback import FeedbackRow
from recsys.models import Feedback
from recsys.rewards import RewardWeights
from recsys.standing import kinds_about

WINDOW = 50
"""Rows of feedback a state remembers."""
SESSION_GAP_SECONDS = 30 * 60.0
KINDS: tuple[str, ...] = tuple(Feedback.Kind.values)
KIND_INDEX = {kind: index for index, kind in enumerate(KINDS)}
SIGNAL_NAMES = (*KINDS, "completion", "left_early", "rating", "was_recommended", "log_gap", "in_session", "speaks")
CLOCK_NAMES = (
    "in_session",
    "session_log_seconds",
    "session_plays",
    "hour_sin",
    "hour_cos",
    "weekday_sin",
    "weekday_cos",
    "rows",
)

OPINIONS = ("like", "dislike", "rate")
"""Kinds of rows that say what a track is worth until they are taken back."""
_OPINIONS = np.isin(KINDS, OPINIONS)
_SPEAKING = _OPINIONS | np.isin(KINDS, ["play"])
_BACK = np.array([[later in kinds_about(earlier) for later in KINDS] for earlier in KINDS])
_ANSWERING = _BACK.any(axis=0) | _OPINIONS
"""Kinds of rows that may silence an earlier one."""
_ONE_OF_KINDS = np.eye(len(KINDS), len(SIGNAL_NAMES), dtype=np.float32)
_TURN = np.array([2 * math.pi / 24, 2 * math.pi / 7])
"""What an hour and a weekday are of their circles."""


@dataclass(frozen=True, kw_only=True)
class RowColumns:
    """Feedback rows as arrays, oldest first, and a last place that stands for “no row”."""

    track_R: NDArray[np.int64]
    """Ids, −1 for no row."""
    kind_R: NDArray[np.int64]
    value_R: NDArray[np.float64]
    recommended_R: NDArray[np.bool_]
    occurred_R: NDArray[np.float64]
    began_R: NDArray[np.float64]
    """A play is sent at its end: it began as many seconds earlier as were heard."""

    @classmethod
    def of(cls, rows: Sequence[FeedbackRow]) -> RowColumns:
        """One list for each column."""
        kind_R = np.array([KIND_INDEX[row.kind] for row in rows] + [0], dtype=np.int64)
        value_R = np.array([row.value or 0.0 for row in rows] + [0.0])
        occurred_R = np.array([row.occurred_at.timestamp() for row in rows] + [0.0])
        return cls(
            track_R=np.array([row.track_id for row in rows] + [-1], dtype=np.int64),
            kind_R=kind_R,
            value_R=value_R,
            recommended_R=np.array([row.recommendation_id is not None for row in rows] + [False]),
            occurred_R=occurred_R,
            began_R=occurred_R - (kind_R == KIND_INDEX["play"]) * value_R,
        )

    def signals(self, duration_R: NDArray[np.float64], weights: RewardWeights) -> NDArray[np.float32]:
        """What each row tells by itself, [R, S]; the last three signals depend on the state it is seen in. The weights say what
        leaving early is."""
        signal_RS = _ONE_OF_KINDS[self.kind_R]
        play_R, rate_R = signal_RS[:, KIND_INDEX["play"]], signal_RS[:, KIND_INDEX["rate"]]
        early_R = np.minimum(weights.early_leave_seconds, weights.early_leave_share * duration_R)
        at = len(KINDS)
        signal_RS[:, at] = play_R * np.minimum(self.value_R / np.maximum(duration_R, 1e-6), 1.0)
        signal_RS[:, at + 1] = play_R * (self.value_R < early_R)
        signal_RS[:, at + 2] = rate_R * ((self.value_R - 3.0) / 2.0)
        signal_RS[:, at + 3] = self.recommended_R
        return signal_RS


def in_open_session(
    began_NL: NDArray[np.float64],
    occurred_NL: NDArray[np.float64],
    open_NL: NDArray[np.bool_],
    moment_N: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which rows belong to the session that is still open at the moment: no gap above 30 minutes after them."""
    if not occurred_NL.shape[1]:
        return np.zeros_like(open_NL)
    following = np.concatenate([began_NL[:, 1:], moment_N[:, None]], axis=1)
    is_near = (following - occurred_NL <= SESSION_GAP_SECONDS) & open_NL
    return np.logical_and.accumulate(is_near[:, ::-1], axis=1)[:, ::-1]


def session_clock(
    began_NL: NDArray[np.float64],
    is_play_NL: NDArray[np.bool_],
    inside_NL: NDArray[np.bool_],
    moment_N: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(seconds since the open session's first row, tracks played in it)."""
    if not began_NL.shape[1]:
        return np.zeros(len(moment_N)), np.zeros(len(moment_N), dtype=np.int64)
    first_N = np.where(inside_NL, began_NL, moment_N[:, None]).min(axis=1)
    return np.maximum(moment_N - first_N, 0.0), (inside_NL & is_play_NL).sum(axis=1)


def speaking(
    kind_NL: NDArray[np.int64],
    track_NL: NDArray[np.int64],
    occurred_NL: NDArray[np.float64],
    open_NL: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which rows say how much their track pleased: the newest opinions, and plays of which there is no later opinion.

    Later is what occurred later, whenever it was received."""
    stands_NL = _SPEAKING[kind_NL] & open_NL
    # Only they can silence another row: most rows are plays, and most pairs of rows need no look.
    at_O = np.flatnonzero((_ANSWERING[kind_NL] & open_NL).any(axis=0))
    if not len(at_O):
        return stands_NL
    passed_NLO = occurred_NL[:, None, at_O] - occurred_NL[:, :, None]
    is_later_NLO = (passed_NLO > 0) | ((passed_NLO == 0) & (at_O > np.arange(kind_NL.shape[1])[:, None]))
    is_later_NLO &= (track_NL[:, :, None] == track_NL[:, None, at_O]) & open_NL[:, None, at_O]
    stands_NL &= ~(is_later_NLO & _BACK[kind_NL[:, :, None], kind_NL[:, None, at_O]]).any(axis=2)
    is_opinion_NL = stands_NL & _OPINIONS[kind_NL]
    has_opinion_NL = (is_later_NLO & is_opinion_NL[:, None, at_O]).any(axis=2)
    found: NDArray[np.bool_] = is_opinion_NL | (stands_NL & ~has_opinion_NL)
    return found


def encode_windows(
    rows: RowColumns,
    signal_RS: NDArray[np.float32],
    at_NL: NDArray[np.int64],
    open_NL: NDArray[np.bool_],
    moment_N: NDArray[np.float64],
    local_N2: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(signals [N, L, S], clock [N, C]): the one feature code of training and serving. `at_NL` says which rows each state sees,
    oldest first, at the right end; places that are not open stay 0. Hour and weekday are those where the listener is."""
    kind_NL, occurred_NL, began_NL = rows.kind_R[at_NL], rows.occurred_R[at_NL], rows.began_R[at_NL]
    inside_NL = in_open_session(began_NL, occurred_NL, open_NL, moment_N)
    elapsed_N, plays_N = session_clock(began_NL, kind_NL == KIND_INDEX["play"], inside_NL, moment_N)
    signals = signal_RS[at_NL]
    signals[:, :, -3] = np.log1p(np.maximum(moment_N[:, None] - occurred_NL, 0.0) / 60.0) / 10.0
    signals[:, :, -2] = inside_NL
    signals[:, :, -1] = speaking(kind_NL, rows.track_R[at_NL], occurred_NL, open_NL)
    signals *= open_NL[:, :, None]
    turn_N2 = local_N2 * _TURN
    clock = np.empty((len(at_NL), len(CLOCK_NAMES)), dtype=np.float32)
    clock[:, 0] = plays_N > 0
    clock[:, 1] = np.log1p(elapsed_N / 60.0) / 5.0
    clock[:, 2] = plays_N / 20.0
    clock[:, 3:7:2], clock[:, 4:7:2] = np.sin(turn_N2), np.cos(turn_N2)
    clock[:, 7] = open_NL.sum(axis=1) / open_NL.shape[1]
    return signals, clock
