"""Why the network scores a track as it does, and what the choice hangs on. Before: dqn_policy.py. After: reasons.py.

Letters: n candidates, H heads, d tower dimensions, E causes, C clock, F parts of the moment, W = H·d + H."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.learning.features import Arrays, ListenerState, TrackTable, declared_shares, encode_without, track_table
from recsys.learning.next_tracks import at_rows
from recsys.learning.policy import Reason, falls
from recsys.learning.windows import CLOCK_NAMES

if TYPE_CHECKING:
    from recsys.learning.dqn_policy import DqnPolicy
    from recsys.learning.track_vectors import TrackVectors

Floats = NDArray[np.float64]
SINGLE, OF_ONE_STYLE, LATELY = "heard", "heard_style", "heard_lately"
MOMENT: dict[str, tuple[str, ...]] = {
    "hour": ("hour_sin", "hour_cos"),
    "weekday": ("weekday_sin", "weekday_cos"),
    "session": ("in_session", "session_log_seconds", "session_plays"),
    "history": ("rows",),
}
"""Numbers of the clock by what they tell of the moment: the time of day and week, how far the session has come, and how much
was heard before. At 0: the mean of all hours and days, a session that begins, a listener who heard nothing yet."""
PART_FC = np.array([[name in names for name in CLOCK_NAMES] for names in MOMENT.values()])


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Heard tracks whose rows are taken away together, one part of the moment, or one declared style: always in this order."""

    kind: str
    track_ids: tuple[int, ...] = ()
    style: str | None = None


def explain(policy: DqnPolicy, state: ListenerState, track_ids: Sequence[int], candidates: Sequence[int]) -> list[list[Reason]]:
    """Reasons that sum to the mean score of each track, above the catalogue's mean: heard tracks, declared styles, each part of
    the moment, b(a) as `popular`, and what belongs to no single cause as `residual`. Strongest support first.

    Given which rows there are, f is linear in what they say, so the split is exact: only V(s) and the mean are left.
    A cause `carries` a track that falls among the candidates once the log is without it: one track of many alike takes its
    rivals along, and older rows come into the window. Where no single one carries it, the heard tracks of one style may do
    together, or all of lately; these then stand for their members. Of the moment the clock is without a part.
    """
    vectors = policy.vectors(track_table())
    moment = [Cause(kind=kind) for kind in MOMENT]
    declared = [Cause(kind="declared", style=style) for style in state.styles]
    causes = [*_heard_causes(state, vectors.indexed), *moment, *declared]
    rows_n = vectors.table.rows_of(candidates)
    score_n = policy.score_rows(state, vectors.table, rows_n).mean(axis=0)
    without = _without(policy, state, vectors, [cause.track_ids for cause in causes if cause.track_ids])
    given_En = _given(policy, state, vectors, causes, rows_n) + _given_next(policy, state, vectors, causes, rows_n)
    lost_En = _lost(policy, state, vectors, causes, without, rows_n)
    lost_En[: len(without["clock_C"])] += _lost_next(policy, state, vectors, without, rows_n)
    left_En = score_n - lost_En
    place = {track_id: at for at, track_id in enumerate(candidates)}
    listed = [place[track_id] for track_id in track_ids]
    carries_En = falls(score_n, left_En, listed)
    popular_n = _popular(policy, vectors, rows_n)
    explained = []
    for column, at in enumerate(listed):
        reasons = _told(causes, given_En[:, at], carries_En[:, column])
        reasons.append(Reason(kind="popular", contribution=float(popular_n[at])))
        rest = float(score_n[at]) - math.fsum(reason.contribution for reason in reasons)
        reasons.append(Reason(kind="residual", contribution=rest))
        explained.append(sorted(reasons, key=lambda reason: -reason.contribution))
    return explained


def _heard_causes(state: ListenerState, table: TrackTable) -> list[Cause]:
    """Each heard track, newest first; then those of each style together; then all."""
    heard = list(dict.fromkeys(row.track_id for row in reversed(state.rows)))
    of_style: defaultdict[str, list[int]] = defaultdict(list)
    for track_id, row in zip(heard, table.rows_of(heard), strict=True):
        if row >= 0:
            of_style[table.style_names[row]].append(track_id)
    causes = [Cause(kind=SINGLE, track_ids=(track_id,)) for track_id in heard]
    causes += [Cause(kind=OF_ONE_STYLE, track_ids=tuple(of), style=style) for style, of in of_style.items() if len(of) > 1]
    return [*causes, Cause(kind=LATELY, track_ids=tuple(heard))] if len(of_style) > 1 else causes


def _without(policy: DqnPolicy, state: ListenerState, vectors: TrackVectors, heard: Sequence[tuple[int, ...]]) -> Arrays:
    """The state as it were without the rows of each cause that was heard, then as it is without each part of the moment."""
    gone = encode_without(state, vectors.indexed, heard, policy.reward_weights)
    arrays, _ = policy.seen(state, vectors)
    timeless = {name: np.repeat(array, len(MOMENT), axis=0) for name, array in arrays.items()}
    timeless["clock_C"] = np.where(PART_FC, np.float32(0), arrays["clock_C"])
    return {name: np.concatenate([gone[name], timeless[name]]) for name in gone}


def _given(
    policy: DqnPolicy, state: ListenerState, vectors: TrackVectors, causes: Sequence[Cause], rows_n: NDArray[np.int64]
) -> Floats:
    """given_En: what each cause adds to the score of each candidate, above what it adds to the catalogue's mean.

    A group adds what its tracks add."""
    arrays, whole_HD = policy.seen(state, vectors)
    past, declared, clock = policy.state_tower(vectors)
    said_LX = policy.rows_said(arrays, vectors)[0]
    heard_L = np.where(arrays["row_open_L"][0], vectors.table.ids_T[arrays["row_track_L"][0]], -1)
    heard_EW = _is_of([cause for cause in causes if cause.track_ids], heard_L) @ (said_LX @ past)
    moment_FW = np.where(PART_FC, arrays["clock_C"], 0.0) @ clock
    # A style that came after the training is one of the unknown ones, whose place is the last.
    place_S = [[*policy.scaling.styles, style].index(style) for style in state.styles]
    declared_SW = declared[place_S] / max(1, len(state.styles))
    added_EHD = np.concatenate([heard_EW, moment_FW, declared_SW]).reshape(-1, *whole_HD.shape)
    return np.asarray(np.einsum("ehd,nhd->en", added_EHD, _towers(policy, vectors, rows_n)))


def _is_of(causes: Sequence[Cause], heard_L: NDArray[np.int64]) -> Floats:
    """1 where a row is about a track of the cause, [E, L]."""
    heard = heard_L.tolist()
    tracks = [frozenset(cause.track_ids) for cause in causes]
    return np.array([[track in each for track in heard] for each in tracks], dtype=np.float64).reshape(-1, len(heard))


def _lost(
    policy: DqnPolicy,
    state: ListenerState,
    vectors: TrackVectors,
    causes: Sequence[Cause],
    without: Arrays,
    rows_n: NDArray[np.int64],
) -> Floats:
    """lost_En: what each candidate would lose, had the listener never left the rows or never declared the style, or without
    what the clock says."""
    arrays, whole_HD = policy.seen(state, vectors)
    _, declared, _ = policy.state_tower(vectors)
    changed_EHD = np.zeros((len(causes), *whole_HD.shape))
    undeclared = len(without["clock_C"])
    changed_EHD[:undeclared] = whole_HD - policy.state_vectors(without, vectors)
    for at, cause in enumerate(causes[undeclared:], start=undeclared):
        others = declared_shares([style for style in state.styles if style != cause.style], policy.scaling.styles)
        changed_EHD[at] = ((arrays["declared_S"][0] - others) @ declared).reshape(whole_HD.shape)
    return np.asarray(np.einsum("ehd,nhd->en", changed_EHD, _towers(policy, vectors, rows_n)))


def _given_next(
    policy: DqnPolicy, state: ListenerState, vectors: TrackVectors, causes: Sequence[Cause], rows_n: NDArray[np.int64]
) -> Floats:
    """given_En: each cause's part of log p of what is played next, above its mean over the catalogue."""
    given_En = np.zeros((len(causes), len(rows_n)))
    arrays, _ = policy.seen(state, vectors)
    for track_R, gate_RK in policy.next_gates(arrays, vectors):
        if not len(track_R):
            continue
        assert vectors.placed is not None
        by_row_Rn = policy.next_scale * vectors.placed.lift_by_row(track_R, gate_RK, rows_n)
        given_En = _is_of(causes, vectors.table.ids_T[track_R]) @ by_row_Rn
    return given_En


def _lost_next(
    policy: DqnPolicy, state: ListenerState, vectors: TrackVectors, without: Arrays, rows_n: NDArray[np.int64]
) -> Floats:
    """lost_En: by how much log p of what is played next falls without each cause but declared styles."""
    lost_En = np.zeros((len(without["clock_C"]), len(rows_n)))
    if vectors.placed is None:
        return lost_En
    arrays, _ = policy.seen(state, vectors)
    (whole,) = policy.lifts(arrays, vectors)
    for at, left in enumerate(policy.lifts(without, vectors)):
        lost_En[at] = policy.next_scale * (at_rows(rows_n, *whole) - at_rows(rows_n, *left))
    return lost_En


def _towers(policy: DqnPolicy, vectors: TrackVectors, rows_n: NDArray[np.int64]) -> Floats:
    """g less its mean over the catalogue, in such units that a product with f, summed over heads, is a mean score."""
    heads, width = policy.configuration.heads, policy.configuration.tower_width
    g_nW = vectors.g_TW[rows_n, : heads * width] - vectors.mean_W[: heads * width]
    g_nHd: Floats = g_nW.reshape(-1, heads, width) / (math.sqrt(width) * heads)
    return g_nHd


def _popular(policy: DqnPolicy, vectors: TrackVectors, rows_n: NDArray[np.int64]) -> Floats:
    """b(a) above its mean over the catalogue."""
    towers = policy.configuration.heads * policy.configuration.tower_width
    bias_n: Floats = vectors.g_TW[rows_n, towers:].astype(np.float64).mean(axis=1) - vectors.mean_W[towers:].mean()
    return bias_n


def _told(causes: Sequence[Cause], given_E: Floats, carries_E: NDArray[np.bool_]) -> list[Reason]:
    """Each cause once: the group that carries the track instead of its single ones, where none of these does."""
    carrying: list[int] = []
    for kind in (SINGLE, OF_ONE_STYLE, LATELY):
        carrying = [at for at, cause in enumerate(causes) if cause.kind == kind and carries_E[at] and given_E[at] > 0]
        if carrying:
            break
    chosen = max(carrying, key=lambda at: given_E[at], default=None)
    group = None if chosen is None or causes[chosen].kind == SINGLE else chosen
    in_group = set() if group is None else set(causes[group].track_ids)
    reasons = []
    for at, cause in enumerate(causes):
        is_single = cause.kind == SINGLE and cause.track_ids[0] not in in_group
        if is_single or not cause.track_ids or at == group:
            reasons.append(
                Reason(
                    kind=cause.kind,
                    contribution=float(given_E[at]),
                    track_id=cause.track_ids[0] if is_single else None,
                    track_ids=cause.track_ids,
                    style=cause.style,
                    carries=bool(carries_E[at]),
                )
            )
    return reasons
