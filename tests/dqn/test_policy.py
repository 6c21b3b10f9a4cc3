from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from dqn.policy import draw_sequentially, sequence_probabilities, softmax_with_exploration

SCORES = np.array([0.3, -1.0, 2.0, 0.0, 1.2])
HEADS = np.array([[0.3, -1.0, 2.0, 0.0, 1.2], [2.0, 0.5, -2.0, 0.1, 0.0], [0.0, 0.0, 0.0, 3.0, 0.0]])


def falling(picks: list[int]) -> NDArray[np.float64]:
    """Gains that depend on the picks before."""
    return SCORES - 0.5 * len(picks) + 0.7 * sum(picks) * np.cos(np.arange(5))


def headed(picks: list[int]) -> NDArray[np.float64]:
    return HEADS * (1 + len(picks))


def test_softmax_with_exploration_by_hand() -> None:
    found = softmax_with_exploration(np.array([0.0, np.log(3.0)]), 0.2, 1.0)

    assert found.tolist() == pytest.approx([0.1 + 0.8 * 0.25, 0.1 + 0.8 * 0.75])


def test_huge_scores_do_not_overflow() -> None:
    assert softmax_with_exploration(np.array([1e6, 0.0, -1e6]), 0.3, 0.01).tolist() == pytest.approx([0.8, 0.1, 0.1])


@pytest.mark.parametrize(("epsilon", "temperature"), [(-0.1, 1.0), (1.1, 1.0), (0.1, 0.0)])
def test_it_refuses_impossible_settings(epsilon: float, temperature: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        softmax_with_exploration(SCORES, epsilon, temperature)


@pytest.mark.parametrize("gain", [falling, headed])
def test_probabilities_of_all_slates_sum_to_one(gain) -> None:  # type: ignore[no-untyped-def]
    slates = permutations(range(5), 3)
    total = sum(np.prod(sequence_probabilities(gain, slate, epsilon=0.2, temperature=0.7)) for slate in slates)

    assert total == pytest.approx(1.0)


@pytest.mark.parametrize(("gain", "seed"), [pytest.param(falling, 1, marks=pytest.mark.slow), (headed, 2)])
def test_a_hundred_thousand_draws_agree_with_the_logged_probabilities(gain, seed: int) -> None:  # type: ignore[no-untyped-def]
    generator = np.random.default_rng(seed)
    draws = 100_000
    seen: dict[tuple[int, ...], int] = {}
    logged: dict[tuple[int, ...], float] = {}
    # The gains depend on the picks alone: computing them once for each beginning saves most of the time.
    fast = _Remembered(gain)
    for _ in range(draws):
        drawn = draw_sequentially(fast, 2, epsilon=0.2, temperature=0.9, generator=generator)
        seen[drawn.picks] = seen.get(drawn.picks, 0) + 1
        logged[drawn.picks] = float(np.prod(drawn.probabilities))

    slates: list[tuple[int, ...]] = list(permutations(range(5), 2))
    expected = {
        slate: draws * float(np.prod(sequence_probabilities(gain, slate, epsilon=0.2, temperature=0.9))) for slate in slates
    }
    chi_square = sum((seen.get(slate, 0) - expected[slate]) ** 2 / expected[slate] for slate in slates)

    # 20 slates have 19 degrees of freedom: the 99.9 % point of chi-square is 43.8.
    assert chi_square < 43.8
    for slate, probability in logged.items():
        assert probability * draws == pytest.approx(expected[slate])


class _Remembered:
    def __init__(self, gain) -> None:  # type: ignore[no-untyped-def]
        self.gain = gain
        self.known: dict[tuple[int, ...], NDArray[np.float64]] = {}

    def __call__(self, picks: list[int]) -> NDArray[np.float64]:
        key = tuple(picks)
        if key not in self.known:
            self.known[key] = self.gain(picks)
        return self.known[key]


def test_the_first_pick_of_an_ensemble_has_the_average_probability_of_the_heads() -> None:
    drawn = draw_sequentially(headed, 1, epsilon=0.1, temperature=1.0, generator=np.random.default_rng(3))

    average = softmax_with_exploration(HEADS, 0.1, 1.0).mean(axis=0)
    assert drawn.probabilities[0] == pytest.approx(average[drawn.picks[0]])
    assert 0 <= drawn.head < 3
    assert drawn.gains[0] == HEADS[drawn.head, drawn.picks[0]]


def test_logged_probabilities_are_found_again() -> None:
    drawn = draw_sequentially(falling, 4, epsilon=0.1, temperature=0.5, generator=np.random.default_rng(5))

    assert sequence_probabilities(falling, drawn.picks, epsilon=0.1, temperature=0.5) == drawn.probabilities


def test_nothing_is_picked_twice_and_few_candidates_give_a_short_slate() -> None:
    drawn = draw_sequentially(falling, 9, epsilon=0.5, temperature=1.0, generator=np.random.default_rng(6))

    assert sorted(drawn.picks) == [0, 1, 2, 3, 4]
    assert drawn.probabilities[-1] == pytest.approx(1.0)


def test_no_candidates_give_an_empty_slate() -> None:
    drawn = draw_sequentially(lambda _: np.zeros(0), 3, epsilon=0.1, temperature=1.0, generator=np.random.default_rng(7))

    assert drawn.picks == ()


def test_every_pick_has_at_least_the_probability_of_exploration() -> None:
    steep = SCORES * 1000
    found = [sequence_probabilities(lambda _: steep, [pick], epsilon=0.1, temperature=1.0)[0] for pick in range(5)]

    assert min(found) == pytest.approx(0.02)


def test_the_same_seed_draws_the_same_slate() -> None:
    slates = [draw_sequentially(headed, 3, epsilon=0.1, temperature=1.0, generator=np.random.default_rng(8)) for _ in range(2)]

    assert slates[0] == slates[1]


def test_a_pick_that_was_not_open_is_refused() -> None:
    with pytest.raises(ValueError, match="not open"):
        sequence_probabilities(falling, [1, 1], epsilon=0.1, temperature=1.0)


@pytest.mark.parametrize("seed", range(20))
def test_the_last_candidate_is_no_more_than_certain(seed: int) -> None:
    generator = np.random.default_rng(seed)
    gains_Hn = generator.normal(size=(5, 12))

    drawn = draw_sequentially(lambda picks: gains_Hn, 12, epsilon=0.1, temperature=0.3, generator=generator)

    assert len(drawn.picks) == 12
    assert drawn.probabilities[-1] == pytest.approx(1.0)
    assert max(drawn.probabilities) <= 1.0
