"""Feedback rows of many states as signals and clocks: the one feature code of training and serving. After: features.py.

Letters: N states, L rows of a state, S signals of a row, C numbers of the clock."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

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
_ONE_OF_KINDS = np.eye(len(KINDS), dtype=np.float32)


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
    length = kind_NL.shape[1]
    passed_NLL = occurred_NL[:, None, :] - occurred_NL[:, :, None]
    is_later_NLL = (passed_NLL > 0) | ((passed_NLL == 0) & ~np.tri(length, dtype=np.bool_))
    is_later_NLL &= (track_NL[:, :, None] == track_NL[:, None, :]) & open_NL[:, None, :]
    is_back_NL = (is_later_NLL & _BACK[kind_NL[:, :, None], kind_NL[:, None, :]]).any(axis=2)
    stands_NL = _SPEAKING[kind_NL] & open_NL & ~is_back_NL
    has_opinion_NL = (is_later_NLL & (stands_NL & _OPINIONS[kind_NL])[:, None, :]).any(axis=2)
    found: NDArray[np.bool_] = stands_NL & (_OPINIONS[kind_NL] | ~has_opinion_NL)
    return found


def encode_windows(
    *,
    kind_NL: NDArray[np.int64],
    track_NL: NDArray[np.int64],
    value_NL: NDArray[np.float64],
    duration_NL: NDArray[np.float64],
    recommended_NL: NDArray[np.bool_],
    occurred_NL: NDArray[np.float64],
    open_NL: NDArray[np.bool_],
    moment_N: NDArray[np.float64],
    hour_N: NDArray[np.float64],
    weekday_N: NDArray[np.float64],
    weights: RewardWeights,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(signals [N, L, S], clock [N, C]): the one feature code of training and serving. Rows oldest first, at the right end.

    The weights say what leaving early is."""
    count, length = kind_NL.shape
    is_play = kind_NL == KIND_INDEX["play"]
    # A play is sent at its end: it began as many seconds earlier as were heard.
    began_NL = occurred_NL - is_play * value_NL
    inside_NL = in_open_session(began_NL, occurred_NL, open_NL, moment_N)
    elapsed_N, plays_N = session_clock(began_NL, is_play & open_NL, inside_NL, moment_N)
    signals = np.zeros((count, length, len(SIGNAL_NAMES)), dtype=np.float32)
    signals[:, :, : len(KINDS)] = _ONE_OF_KINDS[kind_NL]
    gap = np.maximum(moment_N[:, None] - occurred_NL, 0.0)
    early_NL = np.minimum(weights.early_leave_seconds, weights.early_leave_share * duration_NL)
    at = len(KINDS)
    signals[:, :, at] = is_play * np.minimum(value_NL / np.maximum(duration_NL, 1e-6), 1.0)
    signals[:, :, at + 1] = is_play & (value_NL < early_NL)
    signals[:, :, at + 2] = (kind_NL == KIND_INDEX["rate"]) * ((value_NL - 3.0) / 2.0)
    signals[:, :, at + 3] = recommended_NL
    signals[:, :, at + 4] = np.log1p(gap / 60.0) / 10.0
    signals[:, :, at + 5] = inside_NL
    signals[:, :, at + 6] = speaking(kind_NL, track_NL, occurred_NL, open_NL)
    signals *= open_NL[:, :, None]
    clock = np.empty((count, len(CLOCK_NAMES)), dtype=np.float32)
    clock[:, 0] = plays_N > 0
    clock[:, 1] = np.log1p(elapsed_N / 60.0) / 5.0
    clock[:, 2] = plays_N / 20.0
    clock[:, 3], clock[:, 4] = np.sin(hour_N * (2 * math.pi / 24)), np.cos(hour_N * (2 * math.pi / 24))
    clock[:, 5], clock[:, 6] = np.sin(weekday_N * (2 * math.pi / 7)), np.cos(weekday_N * (2 * math.pi / 7))
    clock[:, 7] = open_NL.sum(axis=1) / length
    return signals, clock
