"""What a track does to the rest of its session, in closed form. Before: credit.py, factors.py. After: training.py.

Letters: N transitions, X content, P what is known before, S signals, L rows of a state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.learning.credit import returns_of
from recsys.learning.factors import TasteModels
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.windows import SIGNAL_NAMES

Floats = NDArray[np.float64]
ROUNDS = 30
PLEASURE_SCALE = 3.0
"""Pleasure varies by a third of a content feature; on one scale the two share one spread."""
MOST_FROM_PLEASURE = 3.0


@dataclass(frozen=True, kw_only=True)
class Lookahead:
    """The discounted rest of a session ≈ what the moment lets expect + ⟨content_X, x(track)⟩ + pleasure · what it brings."""

    content_X: Floats
    pleasure: float


def lookahead_of(dataset: ReplayDataset, content_TX: NDArray[np.float32], factors: TasteModels) -> Lookahead:
    """From the training part. A return is noise for the most part: a spread of weights that the log supports keeps that out."""
    taught = np.flatnonzero(~dataset.is_held_out_N)
    rest_N = (returns_of(dataset) - dataset.reward_N)[taught]
    track_N = dataset.track_N[taught]
    before_NP = _before(dataset, dataset.state_N[taught])
    pleasure_N = factors.pleasure(dataset.listener_N[taught], track_N)
    after_NX = np.column_stack([content_TX[track_N].astype(np.float64), PLEASURE_SCALE * pleasure_N])
    if len(taught) <= 2 * before_NP.shape[1]:
        return Lookahead(content_X=np.zeros(content_TX.shape[1]), pleasure=0.0)
    weight_X = bayesian_regression(before_NP, after_NX, rest_N)
    pleasure = float(np.clip(PLEASURE_SCALE * weight_X[-1], 0.0, MOST_FROM_PLEASURE))
    return Lookahead(content_X=weight_X[:-1], pleasure=pleasure)


def _before(dataset: ReplayDataset, state_N: NDArray[np.int64]) -> Floats:
    """What was known when the track began: signals of the window and of the open session, and the clock."""
    signal_NLS = dataset.states["row_signal_MLS"][state_N].astype(np.float32)
    inside_NL1 = signal_NLS[:, :, SIGNAL_NAMES.index("in_session")][:, :, None]
    rows_N1 = np.maximum(dataset.states["row_open_ML"][state_N].sum(axis=1, keepdims=True), 1)
    inside_NS = (signal_NLS * inside_NL1).sum(axis=1)
    clock_NC = dataset.states["clock_MC"][state_N]
    return np.column_stack(
        [
            np.ones(len(state_N)),
            signal_NLS.sum(axis=1) / rows_N1,
            inside_NS / np.maximum(inside_NL1.sum(axis=1), 1),
            inside_NS,
            clock_NC,
            clock_NC[:, 1:3] ** 2,
        ]
    ).astype(np.float64)


def bayesian_regression(before_NP: Floats, after_NX: Floats, value_N: Floats) -> Floats:
    """Posterior mean of w in value = before·anything + after·w + noise with w ~ N(0, s): s and the noise by expectation
    maximisation (MacKay 1992, Bayesian interpolation)."""
    basis, size, _ = np.linalg.svd(before_NP, full_matrices=False)
    basis = basis[:, size > 1e-6 * size[0]]
    value_N = value_N - basis @ (basis.T @ value_N)
    after_NX = after_NX - basis @ (basis.T @ after_NX)
    power_X, turn_XX = np.linalg.eigh(after_NX.T @ after_NX)
    power_X = np.maximum(power_X, 0.0)
    pulled_X = turn_XX.T @ (after_NX.T @ value_N)
    total = float(value_N @ value_N)
    spread, noise = 0.01, total / len(value_N) + 1e-9
    mean_X = np.zeros(len(power_X))
    for _ in range(ROUNDS):
        variance_X = 1.0 / (power_X / noise + 1.0 / spread)
        mean_X = variance_X * pulled_X / noise
        spread = float((mean_X**2 + variance_X).mean()) + 1e-12
        error = total - 2.0 * mean_X @ pulled_X + power_X @ (mean_X**2 + variance_X)
        noise = max(float(error), 0.0) / len(value_N) + 1e-9
    weight_X: Floats = turn_XX @ mean_X
    return weight_X
