"""Acting with known probabilities, in numpy. Before: scores or gains of a policy. After: logged slates, off-policy estimates.

Shapes: n candidates, H heads of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Gain = Callable[[list[int]], NDArray[np.float64]]
"""Gains of all n candidates given the picks so far: shape n, or H × n for an ensemble. Those of picked ones do not matter."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A slate that was drawn, and how likely it was."""

    picks: tuple[int, ...]
    """Indices of candidates, in order."""
    probabilities: tuple[float, ...]
    """Exact probability of each pick given the picks before it, above 0; their product is the probability of the slate."""
    gains: tuple[float, ...]
    """Gain of each pick at its turn, under the head that drew."""
    head: int
    """The head that drew; 0 where there is one."""


def softmax_with_exploration(scores_n: NDArray[np.float64], epsilon: float, temperature: float) -> NDArray[np.float64]:
    """ε/n + (1 − ε)·softmax(scores/temperature) over the last axis; each row sums to 1."""
    _check(epsilon, temperature)
    shifted = (scores_n - scores_n.max(axis=-1, keepdims=True)) / temperature
    weights = np.exp(shifted)
    chances: NDArray[np.float64] = epsilon / scores_n.shape[-1] + (1 - epsilon) * weights / weights.sum(axis=-1, keepdims=True)
    return chances


def draw_sequentially(gain: Gain, count: int, *, epsilon: float, temperature: float, generator: np.random.Generator) -> Drawn:
    """Draws `count` different candidates, position after position among the open ones.

    With an ensemble one head is drawn for the whole slate (Thompson sampling); the probability of a pick is the average over
    the heads, each weighted by how likely it was to have made the picks before: exactly what an observer who does not know the
    head would say. Fewer candidates than `count` give a shorter slate.
    """
    return _walk(gain, count, None, epsilon, temperature, generator)


def sequence_probabilities(gain: Gain, picks: Sequence[int], *, epsilon: float, temperature: float) -> tuple[float, ...]:
    """Probability of each of these picks given the ones before it, had `draw_sequentially` acted with this gain."""
    return _walk(gain, len(picks), picks, epsilon, temperature, None).probabilities


def marginal_gain(
    q: NDArray[np.float64],
    choice_n: NDArray[np.float64],
    no_choice: float,
    no_choice_value: float | NDArray[np.float64],
    picks: Sequence[int],
) -> NDArray[np.float64]:
    """What each candidate would add to the worth (Σ sQ + s₀Q₀)/(Σ s + s₀) of the slate of `picks`; shape of `q`, n or H × n.
    `no_choice_value` is one number, or H × 1.

    SlateQ, Ie et al. 2019, arXiv 1905.12767, section 5.2: taking the highest gain each time is its greedy slate.
    """
    chosen = list(picks)
    total = choice_n[chosen].sum() + no_choice
    gained = (q[..., chosen] * choice_n[chosen]).sum(axis=-1, keepdims=True) + no_choice * no_choice_value
    worth = gained / total if total > 0 else np.full_like(gained, no_choice_value)
    # (gained + sQ)/(total + s) − worth, in the form that does not subtract nearly equal numbers.
    return np.asarray(choice_n * (q - worth) / np.maximum(total + choice_n, 1e-12))


def _walk(
    gain: Gain,
    count: int,
    given: Sequence[int] | None,
    epsilon: float,
    temperature: float,
    generator: np.random.Generator | None,
) -> Drawn:
    gains_Hn = np.atleast_2d(gain([]))
    heads, n = gains_Hn.shape
    head = int(generator.integers(heads)) if generator is not None and heads > 1 else 0
    open_n = np.ones(n, dtype=bool)
    weight_H = np.full(heads, 1 / heads)
    picks: list[int] = []
    probabilities: list[float] = []
    drawn_gains: list[float] = []
    for position in range(min(count, n)):
        if position:
            gains_Hn = np.atleast_2d(gain(list(picks)))
        places = np.flatnonzero(open_n)
        chances_Hn = softmax_with_exploration(gains_Hn[:, places], epsilon, temperature)
        if given is None:
            assert generator is not None
            # The last step of a cumulative sum may end below 1 by rounding: the minimum keeps the draw inside.
            place = min(int(np.searchsorted(np.cumsum(chances_Hn[head]), generator.random(), side="right")), len(places) - 1)
        else:
            place = int(np.searchsorted(places, given[position]))
            if place == len(places) or places[place] != given[position]:
                raise ValueError(f"pick {given[position]} at position {position} was not open")
        joint_H = weight_H * chances_Hn[:, place]
        # The heads' weights sum to 1 up to rounding: the last candidate may not have more, which the log would refuse.
        probabilities.append(min(1.0, float(joint_H.sum())))
        # Bayes: a head that would rarely have made this pick speaks less about the next one.
        weight_H = joint_H / joint_H.sum()
        picks.append(int(places[place]))
        drawn_gains.append(float(gains_Hn[head, picks[-1]]))
        open_n[picks[-1]] = False
    return Drawn(picks=tuple(picks), probabilities=tuple(probabilities), gains=tuple(drawn_gains), head=head)


def _check(epsilon: float, temperature: float) -> None:
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon is {epsilon} and must be between 0 and 1")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature} and must be above 0")
