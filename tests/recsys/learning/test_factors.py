"""What tracks have in common is found from who liked what, and nothing is made of nothing."""

from __future__ import annotations

import numpy as np

from recsys.learning.factors import Factors, factorise

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
