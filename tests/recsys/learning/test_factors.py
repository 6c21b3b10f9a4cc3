"""What tracks have in common is found from who liked what, and nothing is made of nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.learning.factors import Factors, Known, Said, Side, factorise, taste_models_of
from recsys.learning.replay_dataset import ReplayDataset

LISTENERS, TRACKS = 40, 30


def of_checkerboard(seed: int = 0) -> Factors:
    """Listeners like the tracks whose number is even or odd as theirs; each heard two of three tracks."""
    pairs = [(listener, track) for listener in range(LISTENERS) for track in range(TRACKS) if (listener + 2 * track) % 3]
    listener_N, track_N = (np.array(column) for column in zip(*pairs, strict=True))
    outcome_N = np.where(listener_N % 2 == track_N % 2, 1.0, 0.0)
    return factorise(listener_N, track_N, outcome_N, np.ones(len(pairs)), tracks=TRACKS + 1, width=3, seed=seed)


def test_unheard_tracks_are_ranked_by_what_listeners_alike_said() -> None:
    for seed in range(3):
        factors = of_checkerboard(seed)
        for listener in range(LISTENERS):
            unheard = np.array([track for track in range(TRACKS) if (listener + 2 * track) % 3 == 0])
            pleasure = factors.pleasure(np.full(len(unheard), listener), unheard)
            liked = unheard % 2 == listener % 2
            assert pleasure[liked].min() > pleasure[~liked].max() + 0.5


def test_a_track_that_nobody_heard_says_nothing() -> None:
    factors = of_checkerboard()

    assert np.abs(factors.track_TK[TRACKS]).max() == 0.0
    assert factors.bias_T[TRACKS] == 0.0


def test_one_seed_gives_the_same_factors() -> None:
    assert np.array_equal(of_checkerboard().track_TK, of_checkerboard().track_TK)


def test_scaled_vectors_have_mean_square_one() -> None:
    assert np.isclose((of_checkerboard().scaled() ** 2).mean(), 1.0, atol=1e-5)


def test_without_dimensions_there_is_still_what_everybody_thinks() -> None:
    listener_N, track_N = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    factors = factorise(listener_N, track_N, 1.0 * (track_N == 0), np.ones(20), tracks=2, width=0, seed=0)

    assert factors.bias_T[0] > factors.bias_T[1] + 0.5
    assert factors.scaled().shape == (2, 0)


def opposed(flipped: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The checkerboard with every pair heard; the last listener may say the opposite about the last track."""
    listener_N, track_N = np.divmod(np.arange(LISTENERS * TRACKS), TRACKS)
    outcome_N = np.where(listener_N % 2 == track_N % 2, 1.0, 0.0)
    if flipped:
        outcome_N[-1] = 1.0 - outcome_N[-1]
    return listener_N, track_N, outcome_N, np.ones(len(outcome_N))


def test_what_is_left_of_a_track_without_its_only_listener_is_nothing() -> None:
    listener_N, track_N, outcome_N, weight_N = opposed(flipped=False)
    alone = np.array([3]), np.array([TRACKS]), np.array([1.0]), np.array([1.0])
    told = tuple(np.concatenate(pair) for pair in zip((listener_N, track_N, outcome_N, weight_N), alone, strict=True))
    factors = factorise(*told, tracks=TRACKS + 1, width=3, seed=0)

    vector_NK, bias_N = factors.left_out(*told)

    assert np.abs(vector_NK[-1]).max() < 1e-4
    assert abs(bias_N[-1]) < 1e-4
    assert np.abs(factors.scaled()[TRACKS]).max() > 0.01


def test_a_bias_left_out_is_exact_where_outcomes_are_noise() -> None:
    generator = np.random.default_rng(5)
    listener_N, track_N = np.divmod(np.arange(300), 30)
    listener_N, track_N = np.append(listener_N, [3, 4]), np.append(track_N, [30, 31])
    told = listener_N, track_N, generator.normal(size=302), np.ones(302)
    factors = factorise(*told, tracks=32, width=2, seed=0)

    vector_NK, bias_N = factors.left_out(*told)

    assert np.abs(bias_N[-2:]).max() < 1e-6
    assert np.abs(vector_NK[-2:]).max() < 1e-4
    assert np.abs(factors.bias_T[-2:]).min() > 1e-3


def test_a_track_left_out_does_not_know_what_its_listener_said() -> None:
    found = []
    for flipped in (False, True):
        told = opposed(flipped)
        factors = factorise(*told, tracks=TRACKS, width=3, seed=0)
        vector_NK, bias_N = factors.left_out(*told)
        own = factors.listener.vector_GK[-1] * factors.size
        found.append((vector_NK[-1] @ own + bias_N[-1], factors.pleasure(np.array([LISTENERS - 1]), np.array([TRACKS - 1]))[0]))

    (left_out, whole), (left_out_of_flipped, whole_of_flipped) = found
    assert abs(left_out - left_out_of_flipped) < abs(whole - whole_of_flipped) / 2


def test_outcomes_of_one_pair_are_left_out_together() -> None:
    told = opposed(flipped=False)
    twice = tuple(np.concatenate([column, column[-1:]]) for column in told)
    factors = factorise(*twice, tracks=TRACKS, width=3, seed=0)

    vector_NK, bias_N = factors.left_out(*twice)

    assert np.array_equal(vector_NK[-1], vector_NK[-2])
    assert bias_N[-1] == bias_N[-2]


def of_normal(groups: int, seed: int, unsure: float) -> Side:
    """Groups of which a vector of two dimensions and a number are known as normal."""
    generator = np.random.default_rng(seed)
    root_GXX = np.sqrt(unsure) * generator.normal(size=(groups, 3, 3))
    covariance_GXX = root_GXX @ root_GXX.swapaxes(1, 2)
    return Side(mean_GX=generator.normal(size=(groups, 3)), covariance_GXX=covariance_GXX, prior_XX=np.eye(3))


def test_with_known_tastes_a_track_is_what_joint_normal_outcomes_make_of_it() -> None:
    """Against the other formula: the normal distribution of a track and its outcomes together, given the outcomes."""
    generator = np.random.default_rng(3)
    listeners = of_normal(12, seed=1, unsure=0.0)
    place_N, track_N = np.arange(12), np.repeat([0, 1], [9, 3])
    outcome_N, weight_N, noise = generator.normal(size=12), generator.uniform(0.3, 1.0, size=12), 0.4
    root_XX = generator.normal(size=(3, 3))
    prior_XX = root_XX @ root_XX.T

    found = Said.of(track_N, 3, listeners, place_N, weight_N, outcome_N).posterior(prior_XX, noise)

    for track in range(3):
        of_track = track_N == track
        x_NX = np.column_stack([listeners.mean_GX[of_track, :2], np.ones(of_track.sum())])
        both_NN = x_NX @ prior_XX @ x_NX.T + np.diag(noise / weight_N[of_track])
        gain_XN = prior_XX @ x_NX.T @ np.linalg.inv(both_NN)
        expected_X = gain_XN @ (outcome_N[of_track] - listeners.mean_GX[of_track, 2])
        np.testing.assert_allclose(found.mean_GX[track], expected_X, atol=1e-9)
        np.testing.assert_allclose(found.covariance_GXX[track], prior_XX - gain_XN @ x_NX @ prior_XX, atol=1e-9)


def test_what_tracks_explain_is_the_expected_square_by_second_moments() -> None:
    """E (outcome − level − bias − ⟨taste, track⟩)² over all pairs, from moments of both sides of each pair."""
    listeners, tracks = of_normal(6, seed=1, unsure=0.3), of_normal(5, seed=2, unsure=0.3)
    place_N, track_N = np.divmod(np.arange(30), 5)
    generator = np.random.default_rng(4)
    outcome_N, weight_N = generator.normal(size=30), generator.uniform(0.3, 1.0, size=30)
    by_hand = 0.0
    for place, track, outcome, weight in zip(place_N, track_N, outcome_N, weight_N, strict=True):
        of_listener, of_track = (
            np.outer(mean, mean) + covariance
            for mean, covariance in (
                (np.append(listeners.mean_GX[place], 1.0), np.pad(listeners.covariance_GXX[place], (0, 1))),
                (
                    np.insert(tracks.mean_GX[track], 2, 1.0),
                    np.insert(np.insert(tracks.covariance_GXX[track], 2, 0, 0), 2, 0, 1),
                ),
            )
        )
        means = np.append(listeners.mean_GX[place], 1.0) @ np.insert(tracks.mean_GX[track], 2, 1.0)
        by_hand += weight * (outcome**2 - 2 * outcome * means + (of_listener * of_track).sum())

    said = Said.of(track_N, 5, listeners, place_N, weight_N, outcome_N)

    levels = (outcome_N - listeners.number_G[place_N]) ** 2 + listeners.covariance_GXX[place_N, 2, 2]
    assert weight_N @ levels - said.explained(tracks) == pytest.approx(by_hand)


def test_what_everybody_thinks_of_a_track_says_whom_it_pleases() -> None:
    """Tracks that please many please one kind of listener above all. Of a track that the other kind alone heard, and liked
    less than most, it is known that the first kind likes it still less."""
    generator = np.random.default_rng(6)
    listener_N, track_N = np.divmod(np.arange(60 * 40), 40)
    worth_T, is_keen_N = generator.normal(size=40), listener_N % 2 == 1
    worth_T[-1] = -2.0
    heard_N = (track_N < 39) | ~is_keen_N
    outcome_N = worth_T[track_N] * (1.0 + is_keen_N) + 0.1 * generator.normal(size=len(track_N))
    factors = factorise(
        listener_N[heard_N], track_N[heard_N], outcome_N[heard_N], np.ones(heard_N.sum()), tracks=40, width=2, seed=0
    )

    pleasure_of_keen = factors.pleasure(np.arange(1, 60, 2), np.full(30, 39))
    pleasure_of_others = factors.pleasure(np.arange(0, 60, 2), np.full(30, 39))

    assert pleasure_of_keen.mean() == pytest.approx(-4.0 - factors.mean, abs=0.5)
    assert pleasure_of_others.mean() == pytest.approx(-2.0 - factors.mean, abs=0.5)


Passed = tuple[list[int], list[int]]
"""Listeners, and which row of the table each passed over."""


def with_passed_over(dataset: ReplayDataset, passed: Passed) -> ReplayDataset:
    """The same log, in which these tracks were shown as well and passed over for another."""
    listener_K, track_K = (np.array(column, dtype=np.int64) for column in passed)
    return replace(dataset, passed_listener_K=listener_K, passed_track_K=track_K)


def known_of(dataset: ReplayDataset, weight: float) -> Known:
    return taste_models_of(dataset, models=2, width=3, passed_over_weight=weight, seed=1)


def shows(dataset: ReplayDataset) -> Passed:
    """Six taught listeners, who each passed over the same three tracks."""
    listeners = np.unique(dataset.listener_N[~dataset.is_held_out_N])[:6].tolist()
    return [listener for listener in listeners for _ in range(3)], [0, 1, 2] * len(listeners)


def all_of(known: Known) -> list[np.ndarray]:
    """Every array that training takes from it."""
    models, left_out = known
    of_tracks: list[np.ndarray] = [models.vectors(), models.bias_T, models.precisions(), models.row_variances()]
    return [*of_tracks, left_out.vector_NZ, left_out.bias_N]


def assert_same(one: Known, other: Known, tolerance: float = 0.0) -> None:
    for mine, theirs in zip(all_of(one), all_of(other), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


def test_what_was_passed_over_without_weight_says_nothing(dataset: ReplayDataset) -> None:
    assert_same(known_of(with_passed_over(dataset, shows(dataset)), 0.0), known_of(dataset, 0.3))


def test_passing_over_twice_with_half_the_weight_says_the_same(dataset: ReplayDataset) -> None:
    listeners, tracks = shows(dataset)

    twice = known_of(with_passed_over(dataset, (listeners * 2, tracks * 2)), 0.5)

    assert_same(twice, known_of(with_passed_over(dataset, (listeners, tracks)), 1.0), tolerance=1e-4)


def test_what_was_passed_over_lowers_its_track_the_more_the_heavier_it_weighs(dataset: ReplayDataset) -> None:
    shown = with_passed_over(dataset, shows(dataset))

    bias = [known_of(shown, weight)[0].bias_T[:3].mean() for weight in (0.0, 0.3, 1.0)]

    assert bias[0] > bias[1] > bias[2]


def test_left_out_is_the_own_word_with_what_was_passed_over_and_nobody_elses(dataset: ReplayDataset) -> None:
    taught = np.flatnonzero(~dataset.is_held_out_N)
    at = 0
    listener, track = int(dataset.listener_N[taught[at]]), int(dataset.track_N[taught[at]])
    others = [int(each) for each in np.unique(dataset.listener_N[taught]) if each != listener][:5]
    shown = with_passed_over(dataset, ([listener, *others], [track] * (1 + len(others))))
    weight = 0.4

    models, left_out = known_of(shown, weight)

    rows = [(int(dataset.listener_N[n]), float(dataset.reward_N[n]), 1.0) for n in taught if dataset.track_N[n] == track]
    rows += [(each, 0.0, weight) for each in (listener, *others)]
    biases = []
    for number, factors in enumerate(models.each):
        # The precision that others leave: all of it less the own terms, of which E x xᵀ and E x·(outcome − level) are by hand.
        mean_LX, covariance_LXX = factors.listener.mean_GX, factors.listener.covariance_GXX
        precision = np.linalg.inv(factors.track.covariance_GXX[track])
        pulled = precision @ factors.track.mean_GX[track]
        for _, outcome, w in [row for row in rows if row[0] == listener]:
            place = int(np.searchsorted(factors.listeners_L, listener))
            x = np.append(mean_LX[place, :-1], 1.0)
            unsure = np.zeros((4, 4))
            unsure[:3, :3] = covariance_LXX[place, :3, :3]
            tied = np.append(covariance_LXX[place, 3, :3], 0.0)
            precision = precision - w / factors.noise * (np.outer(x, x) + unsure)
            pulled = pulled - w / factors.noise * ((outcome - factors.mean - mean_LX[place, -1]) * x - tied)
        by_hand = np.linalg.solve(precision, pulled)
        np.testing.assert_allclose(left_out.vector_NZ[at, 3 * number : 3 * number + 3], by_hand[:3] / factors.size, atol=1e-4)
        biases.append(by_hand[3])
    own = [row for row in rows if row[0] == listener]
    assert len(own) == 2
    assert left_out.bias_N[at] == pytest.approx(float(np.mean(biases)), abs=1e-4)
    assert len(left_out.bias_N) == len(taught)
