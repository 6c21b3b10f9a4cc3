"""Estimators of one choice: IPS, SNIPS, doubly robust, per position. Before: weights and rewards of a log. After: intervals.py.

Letters: R logged choices, K columns, … leading dimensions of resamples. Weights are π(a|x)/μ(a|x) of what was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """An estimate as a function of sums over the log: resampling listeners then needs their sums only, not their rows."""

    columns_RK: Floats
    """What is summed, one row per observation."""
    of_sums: Callable[[Floats], Floats]
    """Sums of the columns (…, K) to the estimate (…)."""

    @property
    def value(self) -> float:
        """The estimate on the whole log; not a number where nothing was logged or every weight is 0."""
        return float(self.of_sums(self.columns_RK.sum(axis=0)))


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below; not a number where there is nothing to divide by, and no warning about it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def ips(weight_R: Floats, reward_R: Floats) -> Estimator:
    """Mean of w·r (Horvitz & Thompson 1952)."""
    columns_RK = np.stack([weight_R * reward_R, np.ones_like(weight_R)], axis=1)
    return Estimator(columns_RK=columns_RK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]))


def snips(weight_R: Floats, reward_R: Floats) -> Estimator:
    """Σ w·r / Σ w (Swaminathan & Joachims 2015, the self-normalised estimator)."""
    columns_RK = np.stack([weight_R * reward_R, weight_R], axis=1)
    return Estimator(columns_RK=columns_RK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]))


def doubly_robust(weight_R: Floats, reward_R: Floats, expected_R: Floats, modelled_R: Floats) -> Estimator:
    """Mean of Σ_a π(a)·r̂(a) + w·(r − r̂(taken)) (Dudík et al. 2011, arXiv 1103.4601, equation 2).

    `expected_R` is Σ_a π(a|x)·r̂(x, a) over what could be chosen, `modelled_R` is r̂ of what was."""
    columns_RK = np.stack([expected_R + weight_R * (reward_R - modelled_R), np.ones_like(weight_R)], axis=1)
    return Estimator(columns_RK=columns_RK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]))


def self_normalised_doubly_robust(weight_R: Floats, reward_R: Floats, expected_R: Floats, modelled_R: Floats) -> Estimator:
    """Mean of Σ_a π(a)·r̂(a), plus Σ w·(r − r̂(taken)) / Σ w (Robins et al. 2007, arXiv 0804.2965; as in obp)."""
    columns_RK = np.stack([expected_R, np.ones_like(weight_R), weight_R * (reward_R - modelled_R), weight_R], axis=1)
    return Estimator(columns_RK=columns_RK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]) + ratio(s[..., 2], s[..., 3]))


def at_position(estimator: Estimator, position_R: NDArray[np.int64], position: int) -> Estimator:
    """The same estimator on one position of the slate; the other rows count as nothing."""
    return Estimator(columns_RK=estimator.columns_RK * (position_R == position)[:, None], of_sums=estimator.of_sums)


def difference(new: Estimator, old: Estimator) -> Estimator:
    """The new policy's estimate less the old one's, on the same observations: what both share cancels in its interval."""
    split = new.columns_RK.shape[1]
    return Estimator(
        columns_RK=np.concatenate([new.columns_RK, old.columns_RK], axis=1),
        of_sums=lambda s: new.of_sums(s[..., :split]) - old.of_sums(s[..., split:]),
    )
