"""Taste models drawn from their posterior: answers that can be computed otherwise, and two camps known by construction."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from bench.real_listeners_draws import DrawnBelief, Draws, draw_tastes, normal_below, normal_density, truncated_moments
from bench.real_listeners_tastes import Floats, variational_bayes

EDGES = np.array([[-np.inf, -1.0, 0.0, 1.2, np.inf]])
EVERYBODY = np.array([True])


def one_draw(factor_Ik: list[list[float]], bias_I: list[float], edge_SL: Floats = EDGES) -> DrawnBelief:
    """What a single draw believes of one person."""
    draws = Draws(bias_SI=np.array([bias_I]), factor_SIk=np.array([factor_Ik]), edge_SL=edge_SL)
    return DrawnBelief.start(draws, 1)


def test_truncated_moments_know_the_whole_line_and_the_half_line() -> None:
    mean, loss = truncated_moments(np.array([-np.inf, 0.0, -np.inf]), np.array([np.inf, np.inf, 0.0]))

    half = np.sqrt(2 / np.pi)
    assert_allclose(mean, [0, half, -half], atol=1e-12)
    assert_allclose(loss, [0, half**2, half**2], atol=1e-12)


def test_one_answer_leaves_the_posterior_that_integration_finds() -> None:
    belief = one_draw([[0.9]], [0.3])

    belief.learn(np.array([0]), np.array([3.0]), EVERYBODY)

    u = np.linspace(-8, 8, 20001)
    weight = normal_density(u) * (normal_below(1.2 - 0.3 - 0.9 * u) - normal_below(0.0 - 0.3 - 0.9 * u))
    weight /= weight.sum()
    mean = (weight * u).sum()
    assert_allclose(belief.mean_SPk[0, 0, 0], mean, atol=1e-6)
    assert_allclose(belief.covariance_SPkk[0, 0, 0, 0], (weight * (u - mean) ** 2).sum(), atol=1e-6)


def test_levels_that_are_narrow_condition_a_normal_exactly() -> None:
    value, width = 0.7, 1e-3
    factor_Ik = [[0.8, -0.5], [0.4, 1.1]]
    narrow = np.array([[-np.inf, value - width / 2, value + width / 2, np.inf]])
    belief = one_draw(factor_Ik, [0.1, -0.2], narrow)

    for track in (0, 1):
        belief.learn(np.array([track]), np.array([2.0]), EVERYBODY)

    q_Ik = np.array(factor_Ik)
    covariance_kk = np.linalg.inv(np.eye(2) + q_Ik.T @ q_Ik)
    assert_allclose(belief.mean_SPk[0, 0], covariance_kk @ q_Ik.T @ (value - np.array([0.1, -0.2])), atol=1e-5)
    assert_allclose(belief.covariance_SPkk[0, 0], covariance_kk, atol=1e-5)


def test_before_any_answer_the_chance_is_the_average_of_the_draws() -> None:
    draws = Draws(
        bias_SI=np.array([[0.5], [-1.0]]),
        factor_SIk=np.array([[[1.0, 0.0]], [[0.0, 2.0]]]),
        edge_SL=np.repeat(EDGES, 2, axis=0),
    )

    chance_PA = DrawnBelief.start(draws, 1).chance_of_like(np.array([[0]]))

    assert_allclose(chance_PA[0, 0], (normal_below(np.array(0.5 / 2**0.5)) + normal_below(np.array(-1 / 5**0.5))) / 2)


def test_who_did_not_answer_is_believed_of_as_before() -> None:
    belief = one_draw([[0.9]], [0.3])

    belief.learn(np.array([0]), np.array([0.0]), np.array([False]))

    assert_array_equal(belief.mean_SPk, 0)
    assert_array_equal(belief.covariance_SPkk, 1)


def two_camps() -> Floats:
    """Half the ratings of 60 people: even ones like even tracks and not the others, odd ones the reverse."""
    generator = np.random.default_rng(8)
    same_NI = (np.arange(60)[:, None] + np.arange(20)) % 2 == 0
    rated_NI: Floats = np.where(same_NI, 4.0, 1.0) + generator.integers(2, size=same_NI.shape) * np.where(same_NI, -1, 1)
    rated_NI[generator.random(rated_NI.shape) < 0.5] = np.nan
    return rated_NI


def test_one_answer_tells_which_camp_somebody_belongs_to() -> None:
    rated_NI = two_camps()
    draws = draw_tastes(rated_NI, variational_bayes(rated_NI, 2, 0), 0)
    belief = DrawnBelief.start(draws, 1)

    belief.learn(np.array([0]), np.array([4.0]), EVERYBODY)

    chance_I = belief.chance_of_like(np.arange(20)[None])[0]
    assert chance_I[2::2].min() > chance_I[1::2].max()


def test_the_same_seed_draws_the_same() -> None:
    rated_NI = two_camps()
    first = variational_bayes(rated_NI, 2, 0)

    once, again, other = (draw_tastes(rated_NI, first, seed) for seed in (1, 1, 2))

    assert_array_equal(once.factor_SIk, again.factor_SIk)
    assert not np.array_equal(once.factor_SIk, other.factor_SIk)
