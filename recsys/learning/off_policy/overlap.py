"""Whether a log can speak about a policy at all. Before: importance weights. After: checks of the gate.

Letters: R logged choices. Weights are π/μ, not clipped: clipping first would hide what these figures are there to show."""

from __future__ import annotations

import numpy as np

from recsys.learning.off_policy.estimators import Floats

SMALLEST_POWER, LARGEST_POWER = -6, 10
"""The histogram's classes are powers of two: 1/64 and less … 1024 and more."""


def effective_samples(weight_R: Floats) -> float:
    """(Σw)²/Σw²: how many equally weighted observations the weighted ones are worth (Kish 1965)."""
    square = float((weight_R**2).sum())
    return float(weight_R.sum()) ** 2 / square if square > 0 else 0.0


def clipped_share(weight_R: Floats, largest: float) -> float:
    """Share of the weights above `largest`."""
    return float((weight_R > largest).mean()) if len(weight_R) else 0.0


def overlap_histogram(weight_R: Floats) -> list[tuple[float, float]]:
    """(weight, share of the log) by powers of two. A policy that the log knows has its mass around 1."""
    power_R = np.clip(np.round(np.log2(np.maximum(weight_R, 1e-300))), SMALLEST_POWER, LARGEST_POWER)
    powers = range(SMALLEST_POWER, LARGEST_POWER + 1)
    return [(2.0**power, float((power_R == power).mean()) if len(weight_R) else 0.0) for power in powers]
