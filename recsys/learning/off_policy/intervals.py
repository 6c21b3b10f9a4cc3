"""How sure an estimate is: a studentised bootstrap over listeners. Before: estimators.py, sequential.py. After: the gate.

Letters: R observations, C clusters (listeners), K columns, B resamples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.learning.off_policy.estimators import Estimator, Floats

RESAMPLES = 1000
MOST_STUDENTISED = 64
"""Columns up to which the spread within each resample is reckoned too; above, the interval is a percentile one."""
FEWEST_CLUSTERS = 10
"""Of fewer listeners a resample says nothing about how different listeners are: two would give an interval without width."""
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(estimator: Estimator, cluster_R: Integers, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Value and 95 % interval over resampled clusters: one listener's tracks are no independent witnesses.

    Bootstrap-t (Efron & Tibshirani 1993, chapter 12.5): heavy weights make the estimate's own spread uncertain, and plain
    percentiles then cover too little. Where there are fewer than FEWEST_CLUSTERS, the interval is everything."""
    sums_CK = cluster_sums(estimator.columns_RK, cluster_R)
    value = float(estimator.of_sums(sums_CK.sum(axis=0))) if len(sums_CK) else float("nan")
    if len(sums_CK) < FEWEST_CLUSTERS or not np.isfinite(value):
        return Estimate(value=value, low=-np.inf, high=np.inf)
    counts_BC = resample_counts(len(sums_CK), resamples, seed)
    if sums_CK.shape[1] > MOST_STUDENTISED:
        low, high = _quantiles(estimator.of_sums(counts_BC @ sums_CK))
        return Estimate(value=value, low=low, high=high)
    spread = float(_spread(estimator.of_sums, sums_CK, np.ones((1, len(sums_CK))))[0])
    if spread <= 1e-12 * max(1.0, abs(value)):
        return Estimate(value=value, low=value, high=value)
    drawn_B = estimator.of_sums(counts_BC @ sums_CK)
    spread_B = _spread(estimator.of_sums, sums_CK, counts_BC)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = _quantiles((drawn_B - value) / spread_B)
    return Estimate(value=value, low=value - high * spread, high=value - low * spread)


def _quantiles(drawn_B: Floats) -> tuple[float, float]:
    """Everything where more resamples than lie outside the interval have no estimate: it could be any."""
    told_B = drawn_B[np.isfinite(drawn_B)]
    if len(told_B) < 0.975 * len(drawn_B):
        return -np.inf, np.inf
    low, high = np.quantile(told_B, [0.025, 0.975])
    return float(low), float(high)


def _spread(of_sums: Callable[[Floats], Floats], sums_CK: Floats, counts_BC: Floats) -> Floats:
    """Standard error of each resample's estimate by linearisation: how much each cluster moves it, to first order."""
    clusters = len(sums_CK)
    total_BK = counts_BC @ sums_CK
    step_K = 1e-4 * np.sqrt((sums_CK**2).sum(axis=0)) + 1e-12
    slope_BK = np.empty_like(total_BK)
    for column, step in enumerate(step_K):
        moved_BK = total_BK.copy()
        moved_BK[:, column] += step
        above_B = of_sums(moved_BK)
        moved_BK[:, column] -= 2 * step
        slope_BK[:, column] = (above_B - of_sums(moved_BK)) / (2 * step)
    influence_BC = slope_BK @ sums_CK.T
    influence_BC = influence_BC - (counts_BC * influence_BC).sum(axis=1, keepdims=True) / clusters
    spread_B: Floats = np.sqrt(clusters / (clusters - 1) * (counts_BC * influence_BC**2).sum(axis=1))
    return spread_B


def cluster_sums(columns_RK: Floats, cluster_R: Integers) -> Floats:
    """Sums of the columns by cluster, C × K."""
    clusters, place_R = np.unique(cluster_R, return_inverse=True)
    sums_CK = np.zeros((len(clusters), columns_RK.shape[1]))
    np.add.at(sums_CK, place_R, columns_RK)
    return sums_CK


def resample_counts(clusters: int, resamples: int, seed: int) -> Floats:
    """How often each cluster is drawn in each resample, B × C: as many draws with replacement as there are clusters."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(clusters, np.full(clusters, 1.0 / clusters), size=resamples).astype(np.float64)
