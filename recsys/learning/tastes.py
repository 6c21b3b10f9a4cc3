"""What past rows say of a listener's taste, in numpy: `RecommenderNetwork.taste`. Before: windows.py. After: dqn_policy.py.

Letters: S states, L rows of a state, P tracks of the log, N listed, X numbers of a track, M taste models, Z their dimensions
together, k those of one with the listener's level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.learning.windows import SIGNAL_NAMES
from recsys.rewards import RewardWeights

Floats = NDArray[np.float64]


def added_by_signals(weights: RewardWeights) -> Floats:
    """What each signal of a row that stands adds to its track's outcome, as these rewards count it; a number per signal."""
    added = {
        "completion": weights.completion,
        "left_early": weights.early_leave,
        "like": weights.like,
        "dislike": weights.dislike,
        "rating": 2 * weights.rating,  # the signal counts in two stars
    }
    return np.array([added.get(name, 0.0) for name in SIGNAL_NAMES])


def worth_of_signals(weights: RewardWeights) -> Floats:
    """What each signal of a row that speaks, which is the only one of its track, tells of the whole outcome.

    Opinions are of tracks that were heard to their end."""
    return added_by_signals(weights) + weights.completion * np.isin(SIGNAL_NAMES, ["like", "dislike", "rate"])


@dataclass(frozen=True, kw_only=True)
class Told:
    """Outcomes that rows tell of, and what is known of their tracks.

    outcome = ⟨taste, vector⟩ + level + noise of this variance; taste and level are normal with mean 0. The posterior mean is
    linear in the outcomes (Bayesian linear regression: Bishop 2006, Pattern Recognition and Machine Learning, section 3.3)."""

    said_SL: Floats
    """Outcome beyond what everybody thinks of the track."""
    speaks_SL: Floats
    """1 where the row tells of an outcome, else 0."""
    variance_SLM: Floats
    """Of the outcome, given the taste: noise and what is not known of the track."""
    regressor_SLMk: Floats
    """Vector of the track in each model, then 1 for the level."""
    alone_Mkk: Floats
    """Precision of taste and level before anything was told."""

    def taste(self) -> Floats:
        """Posterior mean of the taste in each model, [S, Z]."""
        weighed_SMkL, precision_SMkk = self._normal_equations()
        pulled_SMk1 = weighed_SMkL @ self.said_SL[:, None, :, None]
        return np.asarray(np.linalg.solve(precision_SMkk, pulled_SMk1)[:, :, :-1, 0].reshape(len(self.said_SL), -1))

    def taste_by_row(self) -> Floats:
        """What each row gives to it, [S, L, Z]."""
        weighed_SMkL, precision_SMkk = self._normal_equations()
        given_SMkL = np.linalg.solve(precision_SMkk, weighed_SMkL * self.said_SL[:, None, None, :])
        return np.asarray(given_SMkL[:, :, :-1].transpose(0, 3, 1, 2).reshape(*self.said_SL.shape, -1))

    def _normal_equations(self) -> tuple[Floats, Floats]:
        precision_SML = self.speaks_SL[:, None, :] / self.variance_SLM.transpose(0, 2, 1)
        weighed_SMkL = precision_SML[:, :, None, :] * self.regressor_SLMk.transpose(0, 2, 3, 1)
        return weighed_SMkL, weighed_SMkL @ self.regressor_SLMk.transpose(0, 2, 1, 3) + self.alone_Mkk


@dataclass(frozen=True, kw_only=True)
class KnownTracks:
    """What answers told of each track: what everybody thinks of it, variances, vectors; side by side, as each row of a state
    reads them, and in single precision. The last is a track that came later: what is known is how little."""

    row_PX: NDArray[np.float32]
    alone_Mkk: Floats

    @classmethod
    def of_weights(cls, weights: Mapping[str, NDArray[Any]]) -> KnownTracks:
        """From what a checkpoint keeps."""
        precision_Mk, variance_PM = weights["taste_precision_Mk"].astype(np.float64), weights["row_variance_TM"]
        models, size = precision_Mk.shape
        popularity_P1 = np.append(weights["popularity_T"], 0.0)[:, None]
        regressor_PX = regressors(np.pad(weights["identity_TZ"], [(0, 1), (0, 0)]), models).reshape(-1, models * size)
        return cls(
            row_PX=np.concatenate([popularity_P1, variance_PM, regressor_PX], axis=1, dtype=np.float32),
            alone_Mkk=precision_Mk[:, :, None] * np.eye(size),
        )

    def popularity(self, place_N: NDArray[np.int64]) -> Floats:
        """What everybody thinks of each track, −1 being one that came later."""
        found: Floats = self.row_PX[place_N, 0].astype(np.float64)
        return found

    def identity(self, place_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of each track, all models side by side, [N, Z]."""
        models, size, _ = self.alone_Mkk.shape
        regressor_NMk = self.row_PX[place_N, 1 + models :].reshape(-1, models, size)
        return regressor_NMk[:, :, :-1].reshape(len(place_N), models * (size - 1))

    def told(self, place_SL: NDArray[np.int64], outcome_SL: Floats, speaks_SL: Floats) -> Told:
        """By rows about these tracks."""
        models, size, _ = self.alone_Mkk.shape
        row_SLX = self.row_PX[place_SL].astype(np.float64)
        return Told(
            said_SL=outcome_SL - row_SLX[:, :, 0],
            speaks_SL=speaks_SL,
            variance_SLM=row_SLX[:, :, 1 : 1 + models],
            regressor_SLMk=row_SLX[:, :, 1 + models :].reshape(*place_SL.shape, models, size),
            alone_Mkk=self.alone_Mkk,
        )


def regressors(vector_NZ: NDArray[Any], models: int) -> NDArray[Any]:
    """Of tracks: the vector of each model, and 1 for the listener's level, [N, M, k]."""
    vector_NMz = vector_NZ.reshape(len(vector_NZ), models, vector_NZ.shape[1] // models)
    return np.pad(vector_NMz, [(0, 0), (0, 0), (0, 1)], constant_values=1.0)
