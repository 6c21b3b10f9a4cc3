"""What each candidate adds to a slate, given the picks so far, and which slate is best. Before: a policy's scores. After:
recommending.py draws by the gains; best_slates.py shows the best.

Letters: n candidates, H heads, D features φ, P positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dqn.policy import Gain, marginal_gain
from recsys.learning.choice import Choices
from recsys.learning.features import ListenerState, TrackTable
from recsys.learning.policy import RecommenderPolicy

DIVERSITY_SCALE = 2.0
"""What the diversity dial at 1 takes from a copy of an earlier pick, in spreads of the gains."""
MOSTLY_RIVALS = 0.5
"""From this rivalry on, of most slates that are played at all, one track is played."""
Floats = NDArray[np.float64]


def slate_gain(
    policy: RecommenderPolicy,
    state: ListenerState,
    scores_Hn: Floats,
    table: TrackTable,
    candidates: Sequence[int],
    *,
    count: int,
    diversity: float,
) -> Gain:
    """Gain of each candidate for a slate of `count`: its worth to the listener less its likeness to the most similar pick.

    Maximal marginal relevance, Carbonell & Goldstein 1998. It is part of what is drawn from, so the probabilities stay exact.
    """
    # In a slate of one (radio) the track plays by itself: nothing is chosen.
    choices = policy.choices(state, candidates, scores_Hn) if min(count, len(candidates)) > 1 else None
    worth = _as_scored(scores_Hn) if choices is None else _as_chosen(scores_Hn, choices)
    if diversity == 0:
        return worth
    likeness_nn = _likeness(table, candidates)
    scale = diversity * DIVERSITY_SCALE * max(float(worth([]).mean(axis=0).std()), policy.temperature)
    return lambda picks: worth(picks) - scale * likeness_nn[:, picks].max(axis=1, initial=0.0)


def best_picks(
    policy: RecommenderPolicy, state: ListenerState, scores_Hn: Floats, candidates: Sequence[int], *, count: int
) -> list[int]:
    """The slate of the highest worth by the mean over heads, in order: what the draws lean to, searched for exactly.

    Without a choice model it is the highest scores. With one it maximises (Σ sQ + s₀Q₀)/(Σ s + s₀), position effects in s, if
    listeners rather play one track of a slate; if they rather go on, picks hardly touch each other, and the highest gain is
    taken at each position. The diversity dial, which has no best slate but a way of drawing, stays out of it.
    """
    count = min(count, len(candidates))
    choices = policy.choices(state, candidates, scores_Hn) if count > 1 else None
    mean_n = scores_Hn.mean(axis=0)
    if choices is None:
        return [int(pick) for pick in np.argsort(-mean_n, kind="stable")[:count]]
    if choices.rivalry >= MOSTLY_RIVALS:
        return _highest_worth(mean_n, choices, count)
    gain, picks = _as_chosen(scores_Hn, choices), list[int]()
    for _ in range(count):
        gain_n = gain(picks).mean(axis=0)
        gain_n[picks] = -np.inf
        picks.append(int(gain_n.argmax()))
    return picks


def _highest_worth(q_n: Floats, choices: Choices, count: int) -> list[int]:
    """Dinkelbach 1967: a ratio is maximal where the slate that maximises Σ s(Q − v) + s₀(Q₀ − v) is worth v itself.

    For a fixed v that slate takes the `count` highest s(Q − v), the highest at the position at which most is chosen, and so on
    (rearrangement). v, the worth of the last slate, rises until it is the highest: there are only so many slates.
    """
    position_P = choices.position_P[np.minimum(np.arange(count), len(choices.position_P) - 1)]
    places = np.argsort(-position_P, kind="stable")
    best, found = -np.inf, list[int]()
    picks = np.argsort(-q_n, kind="stable")[:count]
    while True:
        weight_P = choices.weight_n[picks] * position_P
        gained = float(weight_P @ q_n[picks]) + choices.nothing * float(choices.nothing_value_H.mean())
        worth = gained / (float(weight_P.sum()) + choices.nothing)
        if worth <= best:
            return found
        best, found = worth, [int(pick) for pick in picks]
        picks = np.empty(count, dtype=np.int64)
        picks[places] = np.argsort(-choices.weight_n * (q_n - best), kind="stable")[:count]


def _as_scored(scores_Hn: Floats) -> Gain:
    """Each track by itself: of a policy without a choice model."""
    return lambda picks: scores_Hn


def _as_chosen(scores_Hn: Floats, choices: Choices) -> Gain:
    """What a track adds to (Σ sQ + s₀Q₀)/(Σ s + s₀), the worth of a slate of which one track is chosen, or nothing.

    Earlier picks count as far as they are rivals. Where listeners play one track of a slate, this is the worth itself. Where
    they go on until nothing of it pleases any more, a track takes no choice from another: it is played before nothing is
    chosen with chance s/(s + s₀) (Plackett-Luce), whatever else is there. The log says how often which is the case.

    In units of reward per choice at every position: a track that is chosen as often as the average candidate gains what its Q
    has above the worth of the slate so far. The factor is the same for all candidates, so their order is that of the worth.
    """

    def gain(picks: list[int]) -> Floats:
        place_P = np.minimum(np.arange(len(picks) + 1), len(choices.position_P) - 1)
        weight_n = choices.weight_n * choices.position_P[place_P[-1]]
        usual = float(weight_n.mean())
        weight_n[picks] = choices.rivalry * choices.weight_n[picks] * choices.position_P[place_P[:-1]]
        total = float(weight_n[picks].sum()) + choices.nothing
        added_Hn = marginal_gain(scores_Hn, weight_n, choices.nothing, choices.nothing_value_H[:, None], picks)
        return added_Hn * ((total + usual) / usual)

    return gain


def _likeness(table: TrackTable, candidates: Sequence[int]) -> Floats:
    """0 … 1: half from the angle between standardised features, half from an equal style."""
    rows = table.rows_of(candidates)
    features_nD = table.features_TD[rows].astype(np.float64)
    spread_D = features_nD.std(axis=0)
    features_nD = (features_nD - features_nD.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1.0)
    length_n = np.linalg.norm(features_nD, axis=1, keepdims=True)
    features_nD /= np.where(length_n > 0, length_n, 1.0)
    likeness_nn: Floats = np.clip(features_nD @ features_nD.T, 0.0, 1.0)
    likeness_nn += table.style_T[rows][:, None] == table.style_T[rows]
    likeness_nn *= 0.5
    return likeness_nn
