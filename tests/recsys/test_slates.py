"""What a track adds to a slate, that slates drawn by it have the probabilities that are logged, and which slate is best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from dqn.policy import Gain, draw_sequentially, sequence_probabilities
from recsys.learning.choice import Choices
from recsys.learning.features import ListenerState, TrackTable
from recsys.learning.policy import RandomPolicy
from recsys.slates import best_picks, slate_gain

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STATE = ListenerState(listener_id=1, moment=NOW, rows=(), hour=9.0, weekday=0.4)
CANDIDATES = [1, 2, 3, 4, 5]
TABLE = TrackTable.from_rows(
    (number, [float(number), number % 2], ("reel", "jig")[number % 2], "", 60.0, True) for number in CANDIDATES
)
SCORES = np.array([[0.5, 0.2, -0.3, 0.1, 0.4], [0.3, 0.3, 0.0, -0.2, 0.6]])


class Chooser(RandomPolicy):
    """Scores and choices that are given."""

    temperature = 0.3

    def __init__(self, choices: Choices | None) -> None:
        self.given = choices

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> Any:
        """SCORES."""
        return SCORES

    def choices(self, state: ListenerState, track_ids: Sequence[int], scores_HN: Any) -> Choices | None:
        """What was given."""
        return self.given


CHOICES = Choices(
    weight_n=np.array([1.0, 0.4, 0.2, 0.9, 0.1]),
    position_P=np.array([1.0, 0.7, 0.5, 0.4, 0.3]),
    nothing=0.6,
    nothing_value_H=np.array([0.13, -0.07]),
    rivalry=1.0,
)


def gain_of(choices: Choices | None, *, count: int = 3, diversity: float = 0.0) -> Gain:
    return slate_gain(Chooser(choices), STATE, SCORES, TABLE, CANDIDATES, count=count, diversity=diversity)


def worth(picks: Sequence[int], head: int) -> float:
    """(Σ sQ + s₀Q₀)/(Σ s + s₀), by hand."""
    weights = [CHOICES.weight_n[pick] * CHOICES.position_P[at] for at, pick in enumerate(picks)]
    gained = sum(weight * SCORES[head, pick] for weight, pick in zip(weights, picks, strict=True))
    return float((gained + CHOICES.nothing * CHOICES.nothing_value_H[head]) / (sum(weights) + CHOICES.nothing))


@pytest.mark.parametrize("picks", [[], [4], [0, 3]])
def test_gains_are_differences_in_worth_up_to_one_factor(picks: list[int]) -> None:
    gain_Hn = gain_of(CHOICES)(picks)

    for head in (0, 1):
        others = [pick for pick in range(5) if pick not in picks]
        added = np.array([worth([*picks, pick], head) - worth(picks, head) for pick in others])
        factor = gain_Hn[head, others[0]] / added[0]
        assert factor > 0
        assert gain_Hn[head, others] == pytest.approx(factor * added)


def test_a_track_that_is_often_chosen_for_little_is_worth_less_than_its_rival() -> None:
    tempting = Choices(
        weight_n=np.array([1.0, 1.0, 1.0, 9.0, 1.0]),
        position_P=np.ones(5),
        nothing=0.5,
        nothing_value_H=np.zeros(2),
        rivalry=1.0,
    )
    by_score, by_worth = gain_of(None)([0]).mean(axis=0), gain_of(tempting)([0]).mean(axis=0)

    assert by_score[3] > by_score[2]
    assert by_worth[3] < by_worth[2]


def test_where_listeners_go_on_a_track_takes_no_choice_from_another() -> None:
    gain = gain_of(replace(CHOICES, rivalry=0.0, position_P=np.ones(5)))

    open_ones = [0, 1, 2]
    assert gain([3, 4])[:, open_ones] == pytest.approx(gain([])[:, open_ones])
    chance = CHOICES.weight_n / (CHOICES.weight_n + CHOICES.nothing)
    surplus = chance * (SCORES - CHOICES.nothing_value_H[:, None])
    assert gain([]) / gain([])[0, 0] == pytest.approx(surplus / surplus[0, 0])


def test_without_a_choice_model_and_in_a_slate_of_one_the_scores_decide() -> None:
    assert (gain_of(None)([1]) == SCORES).all()
    assert (gain_of(CHOICES, count=1)([]) == SCORES).all()


@pytest.mark.parametrize("draws", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_slates_are_drawn_as_often_as_their_probabilities_say(diversity: float, draws: int) -> None:
    gain = gain_of(CHOICES, diversity=diversity)
    generator = np.random.default_rng(3)
    drawn = Counter(draw_sequentially(gain, 2, epsilon=0.1, temperature=0.3, generator=generator).picks for _ in range(draws))
    slates = list(permutations(range(5), 2))
    expected = np.array([np.prod(sequence_probabilities(gain, list(picks), epsilon=0.1, temperature=0.3)) for picks in slates])
    seen = np.array([drawn[picks] for picks in slates])

    assert expected.sum() == pytest.approx(1.0)
    # 20 slates have 19 degrees of freedom: the 99.9 % point of chi-square is 43.8.
    assert ((seen - draws * expected) ** 2 / (draws * expected)).sum() < 43.8


def chosen_at_random(seed: int, candidates: int) -> tuple[Any, Choices]:
    """Scores of two heads and choices in which nothing is even: position effects that don't fall, tempting bad tracks."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(2, candidates)), Choices(
        weight_n=generator.exponential(size=candidates) ** 2,
        position_P=generator.uniform(0.1, 1.5, size=candidates),
        nothing=float(generator.exponential()),
        nothing_value_H=generator.normal(size=2),
        rivalry=0.9,
    )


def mean_worth(scores_Hn: Any, choices: Choices, picks: Sequence[int]) -> float:
    """(Σ sQ + s₀Q₀)/(Σ s + s₀), the mean over heads, by hand."""
    weights = [choices.weight_n[pick] * choices.position_P[at] for at, pick in enumerate(picks)]
    worths = [
        (sum(w * scores_n[pick] for w, pick in zip(weights, picks, strict=True)) + choices.nothing * nothing_value)
        / (sum(weights) + choices.nothing)
        for scores_n, nothing_value in zip(scores_Hn, choices.nothing_value_H, strict=True)
    ]
    return float(np.mean(worths))


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_the_best_slate_is_the_best_of_all_slates(count: int) -> None:
    is_greedy_less = 0
    for seed in range(30):
        scores_Hn, choices = chosen_at_random(seed, candidates=6)
        policy, candidates = Chooser(choices), list(range(6))

        picks = best_picks(policy, STATE, scores_Hn, candidates, count=count)

        best = max(mean_worth(scores_Hn, choices, slate) for slate in permutations(range(6), count))
        assert len(set(picks)) == count
        assert mean_worth(scores_Hn, choices, picks) == pytest.approx(best, abs=1e-12)
        gain = slate_gain(policy, STATE, scores_Hn, TABLE, candidates, count=count, diversity=0.0)
        greedy: list[int] = []
        while len(greedy) < count:
            greedy.append(max(set(range(6)) - set(greedy), key=lambda pick: gain(greedy).mean(axis=0)[pick]))
        is_greedy_less += mean_worth(scores_Hn, choices, greedy) < best - 1e-9

    assert is_greedy_less > 0  # else one could do without the search


def test_the_best_slate_is_the_one_that_draws_come_to_without_exploration_where_tracks_are_no_rivals() -> None:
    choices = replace(CHOICES, rivalry=0.0)
    gain = gain_of(choices, count=5)
    drawn = draw_sequentially(
        lambda picks: gain(picks).mean(axis=0), 5, epsilon=0.0, temperature=1e-9, generator=np.random.default_rng(0)
    )

    assert best_picks(Chooser(choices), STATE, SCORES, CANDIDATES, count=5) == list(drawn.picks)


def test_without_a_choice_model_and_in_a_slate_of_one_the_highest_scores_are_best() -> None:
    by_mean = [4, 0, 1, 3, 2]

    assert best_picks(Chooser(None), STATE, SCORES, CANDIDATES, count=3) == by_mean[:3]
    assert best_picks(Chooser(None), STATE, SCORES, CANDIDATES, count=9) == by_mean
    assert best_picks(Chooser(CHOICES), STATE, SCORES, CANDIDATES, count=1) == by_mean[:1]
