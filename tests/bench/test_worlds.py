"""The worlds that benchmarks measure in: known answers of the rebuilt environment and of the taste models."""

import numpy as np

from bench.interest_evolution_world import BUDGET_MINUTES, NOTHING, Users, live, random_slate
from bench.real_listeners_tastes import Belief, Factors


def test_random_slates_bring_what_the_published_world_brings() -> None:
    watched_U, _ = live(400, 3, random_slate)

    # 160.5 over many users; the standard error of 400 is 0.6.
    assert 156 < watched_U.mean() < 165


def test_a_step_without_a_click_costs_half_a_minute_and_moves_no_interest() -> None:
    users = Users.arrive(300, 1)
    before_UK = users.interests_UK.copy()

    action_U, minutes_U = users.choose(np.zeros((300, 10), dtype=np.int64), np.tile(np.arange(3), (300, 1)))

    idle_U = action_U == NOTHING
    assert 0 < idle_U.sum() < 300
    assert (users.budget_U[idle_U] == BUDGET_MINUTES - 0.5).all()
    assert (minutes_U[idle_U] == 0).all()
    assert (minutes_U[~idle_U] == 4).all()
    assert (users.interests_UK[idle_U] == before_UK[idle_U]).all()


def test_a_belief_is_the_ridge_regression_of_the_answers() -> None:
    generator = np.random.default_rng(4)
    q_Ik = generator.normal(size=(6, 3))
    moment_Ikk = q_Ik[:, :, None] * q_Ik[:, None, :]
    factors = Factors(bias_I=np.ones(6), mean_Ik=q_Ik, moment_Ikk=moment_Ikk, precision=2.0, prior_kk=np.eye(3))
    belief = Belief.start(factors, 1)
    answers = {0: 3.0, 4: 1.0, 2: 2.0}
    for track, value in answers.items():
        belief.learn(np.array([track]), np.array([value]), np.array([True]))

    mean_PA, spread_PA = belief.predict(np.arange(6)[None])

    rows_Ak, values_A = q_Ik[list(answers)], np.array(list(answers.values())) - 1
    covariance_kk = np.linalg.inv(np.eye(3) + 2 * rows_Ak.T @ rows_Ak)
    vector_k = covariance_kk @ (2 * rows_Ak.T @ values_A)
    np.testing.assert_allclose(mean_PA[0], 1 + q_Ik @ vector_k)
    np.testing.assert_allclose(spread_PA[0] ** 2, np.einsum("ik,kl,il->i", q_Ik, covariance_kk, q_Ik))


def test_who_did_not_answer_is_believed_of_as_before() -> None:
    factors = Factors(
        bias_I=np.zeros(2), mean_Ik=np.ones((2, 1)), moment_Ikk=np.ones((2, 1, 1)), precision=1.0, prior_kk=np.eye(1)
    )
    belief = Belief.start(factors, 2)

    belief.learn(np.array([0, 0]), np.array([3.0, 3.0]), np.array([True, False]))

    np.testing.assert_allclose(belief.predict(np.array([[0], [0]]))[0][:, 0], [1.5, 0.0])
