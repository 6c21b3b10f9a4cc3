"""What the prior is flattened by, and that a wish of closeness is heard."""

from __future__ import annotations

import pytest

from composer.constraints import Plan
from composer.learning.writing import FLATNESS_OF_TUNES, FLATTEST, flatness_of
from composer.steering import Steering


def test_far_from_the_known_flattens_the_prior_and_close_to_it_sharpens_it() -> None:
    asked = [flatness_of(Plan(steering=Steering(closeness=wish)), 1.0) for wish in (0.0, 0.5, 1.0)]

    assert asked == pytest.approx([FLATTEST, (FLATTEST + 1 / FLATTEST) / 2, 1 / FLATTEST])
    assert flatness_of(Plan(steering=Steering()), 1.0) == 1.0


def test_phrases_are_flattened_more_than_tunes() -> None:
    assert flatness_of(Plan(steering=Steering(bars=2)), 1.2) == 1.2
    assert flatness_of(Plan(steering=Steering(bars=8)), 1.2) == pytest.approx(1.2**FLATNESS_OF_TUNES)
