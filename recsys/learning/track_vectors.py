"""What a trained policy knows of each track, in numpy. Before: a checkpoint, its matrix. After: dqn_policy.py scores by it.

Letters: T tracks, P of the checkpoint, N those it lacks, X content, Y the same after one layer, Z track vector, H heads,
d tower dimensions, W = H·d + H."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.learning.features import TrackTable
from recsys.learning.next_tracks import Placed

if TYPE_CHECKING:
    from recsys.learning.dqn_policy import DqnPolicy

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TrackVectors:
    """What the policy knows of each track of one table."""

    table: TrackTable
    indexed: TrackTable
    """The same with the checkpoint's numbers of styles."""
    content_TY: NDArray[np.float32]
    """Content after one layer, by which the rows of a state are weighed."""
    g_TW: NDArray[np.float32]
    """H·d numbers of (1 + κ)·g, then H of (1 + κ)·b + what follows: Q less V is one product with f."""
    mean_W: Floats
    place_T: NDArray[np.int64]
    """Of each track in the checkpoint, −1 where it came later."""
    placed: Placed | None
    """What listeners play next by themselves; None where nothing was counted."""


def vectors_of(policy: DqnPolicy, table: TrackTable) -> TrackVectors:
    """Of every track of a table. Tracks that came later have no embedding of their own."""
    w, indexed = policy.weights, table.indexed_by(policy.scaling.styles)
    content_TX = policy.scaling.content(indexed).astype(np.float64)
    place_T = np.minimum(np.searchsorted(policy.track_ids_P, table.ids_T), len(policy.track_ids_P) - 1)
    place_T = np.where(policy.track_ids_P[place_T] == table.ids_T, place_T, -1)
    hidden_TY = np.maximum(content_TX @ w["content.weight"].T + w["content.bias"], 0.0)
    placed = None
    if policy.next_tracks is not None and policy.next_scale > 0:
        placed = Placed.of(policy.next_tracks, policy.track_ids_P, table)
    g_TW = _matrix(policy, content_TX, hidden_TY, place_T, placed)
    return TrackVectors(
        table=table,
        indexed=indexed,
        content_TY=hidden_TY.astype(np.float32),
        g_TW=g_TW,
        mean_W=g_TW.mean(axis=0, dtype=np.float64),
        place_T=place_T,
        placed=placed,
    )


def _matrix(
    policy: DqnPolicy, content_TX: Floats, hidden_TY: Floats, place_T: NDArray[np.int64], placed: Placed | None
) -> NDArray[np.float32]:
    """(1 + κ)·g and (1 + κ)·b + what follows: what was exported, as it is mapped where it has every track in this order."""
    w, width = policy.weights, policy.configuration.tower_width
    if policy.matrix_PW is not None and len(place_T) == len(policy.track_ids_P) and (place_T >= 0).all():
        return policy.matrix_PW
    g_TW = np.empty((len(place_T), policy.configuration.heads * (width + 1)), dtype=np.float32)
    fresh = np.ones(len(place_T), dtype=np.bool_)
    if policy.matrix_PW is not None:
        fresh = place_T < 0
        g_TW[~fresh] = policy.matrix_PW[place_T[~fresh]]
    place_N = place_T[fresh]
    bias = hidden_TY[fresh] @ w["bias.weight"].T + w["bias.bias"] + np.tanh(content_TX[fresh]) @ w["prior_XH"]
    bias += policy.known.popularity(place_N)[:, None] * w["popularity_H"]
    ahead_H = 1.0 + w["lookahead_H"]
    bias = bias * ahead_H + content_TX[fresh] @ w["after_XH"]
    if placed is not None:
        bias += policy.next_scale * placed.log_background_T[fresh, None]
    z_NZ = np.concatenate([hidden_TY[fresh], policy.known.identity(place_N)], axis=1)
    towers = (z_NZ @ w["tower_g.weight"].T + w["tower_g.bias"]) * np.repeat(ahead_H, width)
    g_TW[fresh] = np.concatenate([towers, bias], axis=1)
    return g_TW
