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
MOST_FROM_PLEASURE = 3.0
HALF_LIFE_MINUTES = 120.0
"""After which what was heard weighs half as much; one to eight hours find the same in simulated listeners."""


@dataclass(frozen=True, kw_only=True)
class Lookahead:
    """The discounted rest of a session ≈ what the moment lets expect + ⟨content_X, x(track)⟩ + pleasure · what it brings."""

    content_X: Floats
    pleasure: float


def lookahead_of(dataset: ReplayDataset, content_TX: NDArray[np.float32], factors: TasteModels) -> Lookahead:
    """From the training part. A return is noise for the most part, a reward much less, and many rewards follow each track:
    what heard content does to them gives the direction, returns say how far, and add what rewards do not show."""
    taught = np.flatnonzero(~dataset.is_held_out_N)
    state_N, track_N = dataset.state_N[taught], dataset.track_N[taught]
    reward_N = dataset.reward_N[taught].astype(np.float64)
    rest_N = (returns_of(dataset) - dataset.reward_N)[taught]
    x_NX, heard_NX = content_TX[track_N].astype(np.float64), heard_content(dataset, content_TX, state_N)
    before_NP = np.column_stack([_before(dataset, state_N), factors.pleasure(dataset.listener_N[taught], track_N)])
    if len(taught) <= 2 * before_NP.shape[1]:
        return Lookahead(content_X=np.zeros(content_TX.shape[1]), pleasure=0.0)
    lasting_X = _lasting(before_NP, heard_NX, x_NX, reward_N)
    before_NP = np.column_stack([before_NP, heard_NX @ lasting_X, x_NX @ lasting_X])
    own_X = bayesian_regression(before_NP, x_NX, rest_N)
    pleasure, _, lasts = np.linalg.lstsq(before_NP, rest_N - x_NX @ own_X, rcond=None)[0][-3:]
    return Lookahead(
        content_X=own_X + max(0.0, float(lasts)) * lasting_X, pleasure=float(np.clip(pleasure, 0.0, MOST_FROM_PLEASURE))
    )


def heard_content(dataset: ReplayDataset, content_TX: NDArray[np.float32], state_N: NDArray[np.int64]) -> Floats:
    """Sum of the content of all plays in the window, each halved with every HALF_LIFE_MINUTES since."""
    states = dataset.states
    is_play_NL = states["row_open_ML"][state_N] & (states["row_signal_MLS"][state_N, :, SIGNAL_NAMES.index("play")] > 0)
    at_R, row_R = np.nonzero(is_play_NL)
    log_gap_R = states["row_signal_MLS"][state_N[at_R], row_R, SIGNAL_NAMES.index("log_gap")].astype(np.float64)
    left_R = 0.5 ** (np.expm1(10.0 * log_gap_R) / HALF_LIFE_MINUTES)
    track_R = states["row_track_ML"][state_N[at_R], row_R]
    return np.stack([np.bincount(at_R, left_R * x_T[track_R], len(state_N)) for x_T in content_TX.T], axis=1)


def _lasting(before_NP: Floats, heard_NX: Floats, x_NX: Floats, reward_N: Floats) -> Floats:
    """What heard content does to rewards of later tracks, whatever these are; of variance 1 over played tracks."""
    spread = float(heard_NX.std()) + 1e-12
    weight_X = bayesian_regression(before_NP, np.column_stack([heard_NX / spread, x_NX]), reward_N)[: x_NX.shape[1]]
    size = float((x_NX @ weight_X).std())
    return weight_X / size if size > 1e-9 else np.zeros_like(weight_X)


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
