"""What follows a track is found where it is there, and not where there is only noise."""

from __future__ import annotations

import numpy as np

from recsys.learning.lookahead import bayesian_regression


def test_weights_are_found_whatever_is_known_before() -> None:
    generator = np.random.default_rng(4)
    before_NP = np.column_stack([np.ones(2000), generator.normal(size=(2000, 3))])
    after_NX = generator.normal(size=(2000, 5)) + before_NP[:, 1:2]
    weight_X = np.array([0.5, -0.5, 0.0, 0.25, 0.0])
    value_N = 7.0 * before_NP[:, 1] + after_NX @ weight_X + 0.5 * generator.normal(size=2000)

    assert np.abs(bayesian_regression(before_NP, after_NX, value_N) - weight_X).max() < 0.1


def test_noise_is_not_taken_for_weights() -> None:
    generator = np.random.default_rng(4)
    before_NP, after_NX = np.ones((500, 1)), generator.normal(size=(500, 60))
    value_N = generator.normal(size=500)
    found = bayesian_regression(before_NP, after_NX, value_N)
    plain = np.linalg.lstsq(after_NX, value_N, rcond=None)[0]

    assert np.linalg.norm(found) < 0.5 * np.linalg.norm(plain)


def test_columns_that_repeat_what_is_known_are_harmless() -> None:
    generator = np.random.default_rng(4)
    one_N = np.ones((200, 1))
    after_NX = np.column_stack([generator.normal(size=200), np.ones(200)])
    found = bayesian_regression(np.hstack([one_N, one_N]), after_NX, 2.0 * after_NX[:, 0])

    assert abs(found[0] - 2.0) < 0.1
    assert abs(found[1]) < 1e-6
