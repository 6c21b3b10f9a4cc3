from itertools import combinations

import numpy as np
import pytest
import torch

from dqn.policy import marginal_gain
from dqn.slates import best_slate, greedy_slate, slate_value, slate_worth

ROWS, TRACKS = 40, 8


def draw(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "q_A": torch.randn(ROWS, TRACKS, generator=generator, dtype=torch.float64),
        "choice_A": torch.rand(ROWS, TRACKS, generator=generator, dtype=torch.float64) * 3,
        "no_choice": torch.rand(ROWS, generator=generator, dtype=torch.float64),
        "no_choice_value": torch.randn(ROWS, generator=generator, dtype=torch.float64),
    }


def worth_by_hand(row: dict[str, torch.Tensor], slate: tuple[int, ...]) -> float:
    q, s = row["q_A"].tolist(), row["choice_A"].tolist()
    s0, q0 = float(row["no_choice"]), float(row["no_choice_value"])
    return float((sum(s[a] * q[a] for a in slate) + s0 * q0) / (sum(s[a] for a in slate) + s0))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_best_slate_is_what_brute_force_finds(size: int) -> None:
    drawn = draw(size)
    mask = torch.rand(ROWS, TRACKS, generator=torch.Generator().manual_seed(9)) < 0.8

    picked = best_slate(**drawn, mask_A=mask, size=size)

    for b in range(ROWS):
        row = {name: tensor[b] for name, tensor in drawn.items()}
        places = mask[b].nonzero().flatten().tolist()
        best = max(worth_by_hand(row, slate) for slate in combinations(places, min(size, len(places))))
        found = tuple(picked[b].nonzero().flatten().tolist())
        assert set(found) <= set(places)
        assert worth_by_hand(row, found) == pytest.approx(best)


def test_greedy_is_what_taking_the_highest_marginal_gain_gives() -> None:
    drawn = draw(4)
    mask = torch.ones(ROWS, TRACKS, dtype=torch.bool)

    picked = greedy_slate(**drawn, mask_A=mask, size=3)

    for b in range(ROWS):
        row = {name: tensor[b].numpy() for name, tensor in drawn.items()}
        picks: list[int] = []
        for _ in range(3):
            gain = marginal_gain(row["q_A"], row["choice_A"], float(row["no_choice"]), float(row["no_choice_value"]), picks)
            gain[picks] = -np.inf
            picks.append(int(gain.argmax()))
        assert sorted(picks) == picked[b].nonzero().flatten().tolist()


def test_greedy_comes_close_to_the_best() -> None:
    drawn = draw(5)
    mask = torch.ones(ROWS, TRACKS, dtype=torch.bool)
    worths = {
        name: slate_worth(search(**drawn, mask_A=mask, size=3), **drawn)
        for name, search in {"best": best_slate, "greedy": greedy_slate}.items()
    }

    assert bool((worths["greedy"] <= worths["best"] + 1e-12).all())
    assert float((worths["best"] - worths["greedy"]).mean()) < 0.02


def test_marginal_gain_is_the_difference_in_worth() -> None:
    q, s = np.array([1.0, 4.0, 2.0]), np.array([1.0, 0.5, 2.0])

    gain = marginal_gain(q, s, 1.0, 0.5, [0])

    before = (1 * 1 + 1 * 0.5) / 2
    after = (1 * 1 + 0.5 * 4 + 1 * 0.5) / 2.5
    assert gain[1] == pytest.approx(after - before)


def test_marginal_gain_keeps_the_heads_apart() -> None:
    q = np.array([[1.0, 4.0, 2.0], [3.0, 0.0, 1.0]])
    s = np.array([1.0, 0.5, 2.0])

    both = marginal_gain(q, s, 1.0, 0.5, [2])

    np.testing.assert_allclose(both, [marginal_gain(head, s, 1.0, 0.5, [2]) for head in q])


def test_an_empty_slate_is_worth_choosing_nothing() -> None:
    drawn = draw(6)
    nothing = torch.zeros(ROWS, TRACKS, dtype=torch.bool)

    torch.testing.assert_close(slate_worth(nothing, **drawn), drawn["no_choice_value"])
    torch.testing.assert_close(
        slate_value(drawn["q_A"], drawn["q_A"], drawn["choice_A"], drawn["no_choice"], drawn["no_choice_value"], nothing, 3),
        drawn["no_choice_value"],
    )
