"""The bandit that is trained beside every policy looks at nothing but the reward of the track itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from accounts.models import Listener
from dqn.checkpoint import read_checkpoint
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import train
from tests.recsys.learning.conftest import MONDAY, SMALL, Context

pytestmark = pytest.mark.django_db


def test_it_is_the_same_whether_its_log_was_read_for_looking_ahead_or_not(
    dataset: ReplayDataset, checkerboard: list[Listener], tmp_path: Path
) -> None:
    myopic = replace(SMALL, discount=0.0, updates=40)
    log_without_future = build(myopic, as_of=MONDAY + timedelta(days=10))

    beside = train(Context(folder=tmp_path / "beside", configuration=myopic), dataset)
    alone = train(Context(folder=tmp_path / "alone", configuration=myopic), log_without_future)

    weights, expected = read_checkpoint(beside.checkpoint).weights, read_checkpoint(alone.checkpoint).weights
    assert (dataset.discount_N > 0).any()
    assert not log_without_future.discount_N.any()
    assert weights.keys() == expected.keys()
    assert all(np.array_equal(weights[name], expected[name]) for name in weights)
