"""What is made up for training: copies are forced where they can become a motif that comes again."""

from __future__ import annotations

import numpy as np
import torch

from composer.constraints import Plan
from composer.learning.condition import CONDITION
from composer.learning.network import Prior
from composer.learning.wishes import CopyGuide, short_plan
from composer.learning.writing import Writer
from composer.line import Line
from composer.rewards import MOTIF_TICKS
from composer.steering import Steering


def share_with_half_a_bar_again(forced_share: float, count: int = 64) -> float:
    """Of phrases by a prior that knows nothing."""
    torch.manual_seed(1)
    plans = [short_plan("reel")] * count
    written = Writer(prior=Prior(hidden=16).eval()).write(
        plans,
        styles=[0] * count,
        condition_BC=np.zeros((count, CONDITION), dtype=np.float32),
        generators=[np.random.default_rng(number) for number in range(count)],
        guide=CopyGuide(plans, forced_share, np.random.default_rng(2)),
    )
    return float(np.mean([Line(melody).repeated_ticks.max() >= MOTIF_TICKS for melody in written.melodies]))


def test_a_phrase_that_is_made_to_copy_mostly_repeats_half_a_bar() -> None:
    assert share_with_half_a_bar_again(0.0) == 0.0
    assert share_with_half_a_bar_again(1.0) > 0.5


def test_tunes_are_made_to_copy_by_their_form_alone() -> None:
    plans = [Plan(steering=Steering(bars=bars)) for bars in (2, 4, 8)]

    assert CopyGuide(plans, 1.0, np.random.default_rng(3)).is_forced_B.tolist() == [True, True, False]
