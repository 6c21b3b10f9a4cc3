"""The small log that obp carries, read as it lies in the package: obp's own reader asks for a pandas that is no more."""

from __future__ import annotations

import csv
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.learning.off_policy.estimators import Floats


@dataclass(frozen=True, kw_only=True)
class OpenBanditLog:
    """10,000 rows of Saito et al. 2020 (arXiv 2008.07146)."""

    action_R: NDArray[np.int64]
    position_R: NDArray[np.int64]
    reward_R: Floats
    probability_R: Floats
    actions: int


def open_bandit_log(policy: str, campaign: str) -> OpenBanditLog:
    """`bts` or `random`; `all`, `men` or `women`."""
    found = importlib.util.find_spec("obp")
    if found is None or found.origin is None:
        pytest.skip("obp is not installed (pip install -e .[dev])")
    file = Path(found.origin).parent / "dataset" / "obd" / policy / campaign / f"{campaign}.csv"
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    action_R = np.array([int(row["item_id"]) for row in rows])
    return OpenBanditLog(
        action_R=action_R,
        position_R=np.array([int(row["position"]) - 1 for row in rows]),
        reward_R=np.array([float(row["click"]) for row in rows]),
        probability_R=np.array([float(row["propensity_score"]) for row in rows]),
        actions=int(action_R.max()) + 1,
    )
