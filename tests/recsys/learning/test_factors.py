"""What tracks have in common is found from who liked what, and nothing is made of nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.learning.factors import Factors, Known, factorise, taste_models_of
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
        own = factors.taste_LK[-1] * factors.size
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
        own = [row for row in rows if row[0] == listener]
        place = int(np.searchsorted(factors.listeners_L, listener))
        beyond = sum(w / factors.noise * (o - factors.mean - factors.level_L[place] - factors.bias_T[track]) for _, o, w in own)
        share = sum(w for _, _, w in own) / factors.noise
        precision = np.linalg.inv(factors.covariance_TKK[track])
        pulled = precision @ factors.track_TK[track] - beyond * factors.taste_LK[place]
        by_hand = np.linalg.solve(precision - share * factors.taste_square_LKK[place], pulled) / factors.size
        np.testing.assert_allclose(left_out.vector_NZ[at, 3 * number : 3 * number + 3], by_hand, atol=1e-4)
        left = 0.0
        for who, outcome, w in rows:
            if who != listener:
                theirs = int(np.searchsorted(factors.listeners_L, who))
                joined = factors.taste_LK[theirs] @ factors.track_TK[track]
                left += w / factors.noise * (outcome - factors.mean - factors.level_L[theirs] - joined)
        biases.append(left / (1.0 / factors.bias_variance_T[track] - share))
    assert len(own) == 2
    assert left_out.bias_N[at] == pytest.approx(float(np.mean(biases)), abs=1e-4)
    assert len(left_out.bias_N) == len(taught)
