"""Draws one token per line from π ∝ p₀ · exp(G/τ) over the open ones. Before: network, additions. After: writing.

Shapes: B lines, A tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from composer.learning.compiled import compiled

Scores = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]
NOTHING = -1
"""Token of a line that is free to choose."""


class Sums(NamedTuple):
    """Over the steps at which something was chosen."""

    log_policy_B: Floats
    """log π of the tokens, in nats; given ones count nothing."""
    log_behaviour_B: Floats
    """The same with log 1 where a guide forced the token."""
    log_prior_B: Floats
    """log p₀ of the tokens without masks."""
    kl_B: Floats
    """KL(π ‖ masked p₀)."""
    steps_B: Whole

    @classmethod
    def of(cls, lines: int) -> Sums:
        """Nothing yet."""
        policy_B, behaviour_B, prior_B, kl_B = (np.zeros(lines) for _ in range(4))
        return cls(policy_B, behaviour_B, prior_B, kl_B, np.zeros(lines, dtype=np.int64))


class Odds(NamedTuple):
    """What speaks for each token."""

    plain_BA: Scores
    """Unnormalised log p₀."""
    logits_BA: Scores
    """The same, flattened."""
    worth_BA: Scores
    """log π but for a constant."""
    open_BA: Mask

    @classmethod
    def of(
        cls, plain_BA: Scores, g_BA: Scores | None, flatness_B1: Scores, temperature: float, is_added: bool, open_BA: Mask
    ) -> Odds:
        """Without G the policy is the flattened prior; `is_added` is False for values that hold log p₀ already."""
        logits_BA = plain_BA / flatness_B1
        if g_BA is None:
            return cls(plain_BA, logits_BA, logits_BA, open_BA)
        worth_BA = g_BA / np.float32(temperature)
        return cls(plain_BA, logits_BA, worth_BA + logits_BA if is_added else worth_BA, open_BA)


def draw(odds: Odds, uniform_B: Floats, given_B: Whole, guided_B: Whole, done_B: Mask, sums: Sums) -> Whole:
    """The token of each line: the given one, else the guided one, else drawn by this uniform number; and counts it.

    A given token becomes the only open one, so that neither prior nor G is asked about it."""
    chosen_B = np.empty(len(uniform_B), dtype=np.int64)
    counted = (sums.log_policy_B, sums.log_behaviour_B, sums.log_prior_B, sums.kl_B)
    scores = (odds.plain_BA, odds.worth_BA)
    _draw(chosen_B, *scores, odds.open_BA, uniform_B, given_B, guided_B, done_B, *counted, sums.steps_B)
    return chosen_B


@compiled
def _draw(
    chosen_B: Whole,
    plain_BA: Scores,
    worth_BA: Scores,
    open_BA: Mask,
    uniform_B: Floats,
    given_B: Whole,
    guided_B: Whole,
    done_B: Mask,
    log_policy_B: Floats,
    log_behaviour_B: Floats,
    log_prior_B: Floats,
    kl_B: Floats,
    steps_B: Whole,
) -> None:
    tokens = open_BA.shape[1]
    odds_A = np.empty(tokens)
    for b in range(len(chosen_B)):
        open_A, plain_A, worth_A = open_BA[b], plain_BA[b], worth_BA[b]
        if done_B[b]:
            chosen_B[b] = np.argmax(open_A)
            continue
        if given_B[b] >= 0:
            chosen_B[b] = given_B[b]
            open_A[:] = False
            open_A[given_B[b]] = True
            continue
        top, top_of_prior = -np.inf, -np.inf
        for a in range(tokens):
            if open_A[a]:
                top, top_of_prior = max(top, worth_A[a]), max(top_of_prior, plain_A[a])
        total, total_of_prior = 0.0, 0.0
        for a in range(tokens):
            if open_A[a]:
                odds_A[a] = np.exp(worth_A[a] - top)
                total += odds_A[a]
                total_of_prior += np.exp(plain_A[a] - top_of_prior)
        chosen = guided_B[b]
        if chosen < 0:
            # The last open token takes what rounding leaves.
            left, chosen = uniform_B[b] * total, 0
            for a in range(tokens):
                if open_A[a]:
                    chosen = a
                    left -= odds_A[a]
                    if left < 0:
                        break
        chosen_B[b] = chosen
        norm, norm_of_prior = top + np.log(total), top_of_prior + np.log(total_of_prior)
        steps_B[b] += 1
        log_prior_B[b] += plain_A[chosen] - _log_sum(plain_A)
        log_policy_B[b] += worth_A[chosen] - norm
        if guided_B[b] < 0:
            log_behaviour_B[b] += worth_A[chosen] - norm
        # To the prior as it is, whatever flattens it here.
        for a in range(tokens):
            if open_A[a]:
                kl_B[b] += odds_A[a] / total * (worth_A[a] - norm - (plain_A[a] - norm_of_prior))


@compiled
def _log_sum(scores_A: Scores) -> float:
    """Logarithm of the sum of exp."""
    top, total = scores_A.max(), 0.0
    for a in range(len(scores_A)):
        total += np.exp(scores_A[a] - top)
    return float(top + np.log(total))
