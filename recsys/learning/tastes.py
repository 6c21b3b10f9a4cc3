"""What past rows say of a listener's taste, in numpy: `RecommenderNetwork.taste`. Before: windows.py. After: dqn_policy.py.

Letters: S states, L rows of a state, M taste models, Z their dimensions together, k those of one with the listener's level."""

from __future__ import annotations

from dataclasses import dataclass

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
    vector_SLZ: Floats
    """Of the track, all models side by side."""
    alone_Mk: Floats
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
        (states, length), (models, size) = self.said_SL.shape, self.alone_Mk.shape
        e_SMLk = np.ones((states, models, length, size))
        e_SMLk[..., :-1] = self.vector_SLZ.reshape(states, length, models, size - 1).transpose(0, 2, 1, 3)
        precision_SML = self.speaks_SL[:, None, :] / self.variance_SLM.transpose(0, 2, 1)
        weighed_SMkL = (precision_SML[..., None] * e_SMLk).swapaxes(2, 3)
        return weighed_SMkL, weighed_SMkL @ e_SMLk + self.alone_Mk[:, :, None] * np.eye(size)
