"""People being asked track by track: what is counted, what stays open, and when a rating is expected to be a like."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from bench.real_listeners_draws import Draws
from bench.real_listeners_sessions import Asked, People, Tastes, by_chance, chance_of_like
from bench.real_listeners_tastes import Belief, Factors

nan = np.nan


def tastes_of(bias_I: list[float]) -> Tastes:
    """Models that expect these ratings of everybody, and know of no differences between people."""
    bias = np.array(bias_I)
    nothing = np.zeros((len(bias), 1))
    factors = Factors(bias_I=bias, mean_Ik=nothing, moment_Ikk=nothing[:, :, None], precision=4.0, prior_kk=np.eye(1))
    draws = Draws(bias_SI=2 * (bias[None] - 2.5), factor_SIk=nothing[None], edge_SL=np.array([[-np.inf, -2, 0, 2, np.inf]]))
    return Tastes(rating=factors, rough=factors, draws=draws, means_IF=np.zeros((len(bias), 2)))


def test_a_rating_expected_between_two_levels_is_a_like_half_of_the_time() -> None:
    belief = Belief.start(tastes_of([2.5, 3.0, 1.0]).rating, 1)

    chance_PA = chance_of_like(belief, np.array([[0, 1, 2]]))

    # Noise of precision 4 has a spread of one half: 3.0 and 1.0 lie 1 and −3 spreads from the edge.
    assert_allclose(chance_PA[0], [0.5, 0.8413447, 0.0013499], atol=1e-6)


def test_models_that_agree_say_together_what_each_says() -> None:
    asked = Asked.start(People.of(np.array([[3.0, 1.0, 2.0]])), tastes_of([2.5, 3.0, 1.0]))

    assert_allclose(asked.chance()[0], [0.5, 0.8413447, 0.0013499], atol=1e-6)


def test_the_best_open_track_is_asked_for_once_and_only_real_answers_count() -> None:
    people = People.of(np.array([[3.0, 1.0, 4.0], [nan, 4.0, nan]]))
    asked = Asked.start(people, tastes_of([2.0, 2.5, 3.0]))

    rewards = [asked.ask(by_chance(asked)) for _ in range(3)]

    assert_array_equal([reward_P for reward_P, _ in rewards], [[1, 1], [0, 0], [1, 0]])
    assert_array_equal([answered_P for _, answered_P in rewards], [[True, True], [True, False], [True, False]])
