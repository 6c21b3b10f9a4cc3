"""What the next state is worth, and returns over several steps: pure functions of tensors. Before: learner.py. After: its loss.

Shapes: `_A` ends with the listed actions, `_BT` begins with batch and time and may go on (heads); `...` is any shape."""

from __future__ import annotations

import torch
from torch import Tensor

CLOSED = -1e9
"""Stands for log 0: finite, so that 0 · log 0 stays 0, and far below every score, so that exp gives exactly 0."""


def close(scores_A: Tensor, mask_A: Tensor) -> Tensor:
    """Scores with CLOSED where the action is not open."""
    return torch.where(mask_A, scores_A, CLOSED).clamp(min=CLOSED)


def double_q_value(chooser_A: Tensor, estimate_A: Tensor, mask_A: Tensor) -> Tensor:
    """Value of the open action that `chooser` likes best, as `estimate` sees it; 0 where nothing is open. Shape ....

    Q⁻(s', argmax Q(s', ·)): van Hasselt et al. 2016, arXiv 1509.06461, equation 4. With `chooser` = `estimate` it is the plain
    maximum of Mnih et al. 2015.
    """
    best, index = torch.where(mask_A, chooser_A, CLOSED).max(dim=-1)
    value = estimate_A.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    # Far from either side, because CLOSED has other digits in bfloat16.
    return torch.where(best < CLOSED / 2, 0.0, value)


def log_masked_prior(log_prior_A: Tensor, mask_A: Tensor) -> Tensor:
    """log p₀ renormalised over the open actions; CLOSED or less elsewhere."""
    return torch.log_softmax(close(log_prior_A, mask_A), dim=-1)


def log_policy(g_A: Tensor, log_prior_A: Tensor, mask_A: Tensor, temperature: float) -> Tensor:
    """log π with π ∝ p₀ · exp(G/τ) over the open actions. With G = 0 it equals `log_masked_prior`, bit for bit.

    Fox et al. 2016, arXiv 1512.08562, equation 11; Jaques et al. 2017, arXiv 1611.02796, section 4.
    """
    return torch.log_softmax(close(log_prior_A + g_A / temperature, mask_A), dim=-1)


def kl_value(chooser_A: Tensor, estimate_A: Tensor, log_prior_A: Tensor, mask_A: Tensor, temperature: float) -> Tensor:
    """Σ π (G⁻ − τ log π/p₀), where π is the policy of `chooser` and G⁻ is `estimate`; 0 where nothing is open. Shape ....

    With `chooser` = `estimate` it is τ log Σ p₀ exp(G/τ), the value of G-learning (Fox et al. 2016, arXiv 1512.08562,
    equation 12). It is 0 wherever G is 0: leaving the prior is what costs.
    """
    log_pi_A = log_policy(chooser_A, log_prior_A, mask_A, temperature)
    divergence_A = log_pi_A - log_masked_prior(log_prior_A, mask_A)
    return (log_pi_A.exp() * (estimate_A - temperature * divergence_A) * mask_A).sum(dim=-1)


def psi_value(estimate_A: Tensor, mask_A: Tensor, temperature: float) -> Tensor:
    """τ log Σ exp(Ψ/τ) over the open actions; 0 where nothing is open. Shape ....

    Ψ-learning, Rawlik et al. 2012; Jaques et al. 2017, arXiv 1611.02796, equation 10.
    """
    value = temperature * torch.logsumexp(close(estimate_A / temperature, mask_A), dim=-1)
    return torch.where(mask_A.any(dim=-1), value, 0.0)


def n_step(reward_BT: Tensor, discount_BT: Tensor, value_BT: Tensor, taken_BT: Tensor, weight_BT: Tensor, steps: int) -> Tensor:
    """Targets of `steps` rewards and then the value of the state reached, fewer where the learnt steps end before.

    `value_BT` is V of each step's own state. `taken_BT` is the estimate of the taken action: for soft policies G⁻(s, a), which
    makes each step k = 1 … n − 1 also pay V − G⁻ = −γᵏ τ log π/p₀; V itself for greedy ones, which pay nothing.
    `weight_BT`: 0 where a step may not be passed through (not learnt from), else min(1, π/μ), or 1 for on-policy data
    (Sutton & Barto 2018, equation 7.2; Nachum et al. 2017, arXiv 1702.08892, equation 13; Munos et al. 2016, arXiv 1606.02647).
    """
    next_value_BT, next_taken_BT, next_weight_BT = _next(value_BT), _next(taken_BT), _next(weight_BT)
    target_BT = reward_BT + discount_BT * next_value_BT
    for _ in range(steps - 1):
        further_BT = next_weight_BT * (_next(target_BT) - next_taken_BT)
        target_BT = reward_BT + discount_BT * (next_value_BT + further_BT)
    return target_BT


def lambda_returns(reward_BT: Tensor, discount_BT: Tensor, value_BT: Tensor, taken_BT: Tensor, trace_BT: Tensor) -> Tensor:
    """R_t = r_t + γ_t [V_{t+1} + λ_{t+1} (R_{t+1} − taken_{t+1})], from the end to the beginning; arguments as in `n_step`.

    `trace_BT`: λ of passing through each step, times the weight of `n_step`. Where a step leaves no choice it is 1: such steps
    are one with the choice before them, as an option is (Sutton, Precup & Singh 1999, Artificial Intelligence 112).

    With taken = V: Peng & Williams 1996. With taken = G⁻(s, a) and w = 1: soft λ-returns, each step paying τ log π/p₀ = G⁻ − V.
    With λ · min(1, π/μ): Retrace(λ), Munos et al. 2016, arXiv 1606.02647, equations 3 and 4.
    """
    next_value_BT, next_taken_BT, next_trace_BT = _next(value_BT), _next(taken_BT), _next(trace_BT)
    # Everything that does not depend on R is one product for all steps; the loop keeps one fused operation per step.
    base_BT = reward_BT + discount_BT * (next_value_BT - next_trace_BT * next_taken_BT)
    factor_BT = discount_BT * next_trace_BT
    returns: list[Tensor] = []
    following = torch.zeros_like(base_BT[:, 0])
    for t in range(base_BT.shape[1] - 1, -1, -1):
        following = torch.addcmul(base_BT[:, t], factor_BT[:, t], following)
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


def truncated_weights(log_pi_BT: Tensor, log_behaviour_BT: Tensor) -> Tensor:
    """min(1, π/μ) of the taken actions: the traces of Retrace (Munos et al. 2016, arXiv 1606.02647, equation 4)."""
    return (log_pi_BT - log_behaviour_BT).clamp(max=0).exp()


def _next(x_BT: Tensor) -> Tensor:
    """Each step's successor, and 0 behind the last."""
    return torch.cat([x_BT[:, 1:], torch.zeros_like(x_BT[:, :1])], dim=1)
