"""Which slate is best when the listener chooses one of its tracks, or none. Before: Q and choice weights. After: learner.py.

A slate is worth (Σ sQ + s₀Q₀)/(Σ s + s₀) over its tracks. Shapes: `_A` ends with the listed tracks; `...` is any shape."""

from __future__ import annotations

import torch
from torch import Tensor

from dqn.targets import CLOSED

ROUNDS = 12
"""Rounds of Dinkelbach's method. It converges superlinearly and ends exactly, after five or six rounds as a rule."""


def slate_value(
    chooser_A: Tensor,
    estimate_A: Tensor,
    choice_A: Tensor,
    no_choice: Tensor,
    no_choice_value: Tensor,
    mask_A: Tensor,
    size: int,
) -> Tensor:
    """Value of the slate of `size` open tracks that is best by `chooser`, as `estimate` sees it: (Σ sQ + s₀Q₀)/(Σ s + s₀).

    SlateQ, Ie et al. 2019, arXiv 1905.12767, equations 16 and 19, with the value of choosing nothing kept. Shape ....
    """
    picked_A = best_slate(chooser_A, choice_A, no_choice, no_choice_value, mask_A, size)
    return slate_worth(picked_A, estimate_A, choice_A, no_choice, no_choice_value)


def slate_worth(picked_A: Tensor, q_A: Tensor, choice_A: Tensor, no_choice: Tensor, no_choice_value: Tensor) -> Tensor:
    """(Σ sQ + s₀Q₀)/(Σ s + s₀) over the picked tracks (True in `picked_A`); Q₀ where nothing can be chosen. Shape ...."""
    weight_A = torch.where(picked_A, choice_A, 0.0)
    total = weight_A.sum(dim=-1) + no_choice
    gained = (weight_A * q_A).sum(dim=-1) + no_choice * no_choice_value
    return torch.where(total > 0, gained / total.clamp(min=1e-12), no_choice_value)


def best_slate(q_A: Tensor, choice_A: Tensor, no_choice: Tensor, no_choice_value: Tensor, mask_A: Tensor, size: int) -> Tensor:
    """The best `size` open tracks (all of them where there are fewer), exactly, as True in `picked_A`.

    Dinkelbach 1967: a ratio is maximal where the set that maximises Σ s(Q − v) + s₀(Q₀ − v) attains 0; for a fixed v that set
    is simply the top `size` by s(Q − v). Each round sets v to the worth of the set found.
    """
    worth = slate_worth(torch.zeros_like(mask_A), q_A, choice_A, no_choice, no_choice_value)
    picked_A = torch.zeros_like(mask_A)
    for _ in range(ROUNDS):
        margin_A = torch.where(mask_A, choice_A * (q_A - worth.unsqueeze(-1)), CLOSED)
        picked_A = _top(margin_A, size) & mask_A
        worth = slate_worth(picked_A, q_A, choice_A, no_choice, no_choice_value)
    return picked_A


def greedy_slate(
    q_A: Tensor, choice_A: Tensor, no_choice: Tensor, no_choice_value: Tensor, mask_A: Tensor, size: int
) -> Tensor:
    """`size` open tracks taken one after another, each with the highest worth of the slate so far together with it, as True.

    What acting does without exploration (`policy.marginal_gain`); at most a little worse than `best_slate`.
    """
    picked_A = torch.zeros_like(mask_A)
    total, gained = no_choice, no_choice * no_choice_value
    for _ in range(min(size, mask_A.shape[-1])):
        worth_A = (gained.unsqueeze(-1) + choice_A * q_A) / (total.unsqueeze(-1) + choice_A).clamp(min=1e-12)
        added_A = _top(torch.where(mask_A & ~picked_A, worth_A, CLOSED), 1) & mask_A & ~picked_A
        picked_A = picked_A | added_A
        weight_A = torch.where(added_A, choice_A, 0.0)
        total, gained = total + weight_A.sum(dim=-1), gained + (weight_A * q_A).sum(dim=-1)
    return picked_A


def _top(scores_A: Tensor, size: int) -> Tensor:
    places = scores_A.topk(min(size, scores_A.shape[-1]), dim=-1).indices
    return torch.zeros_like(scores_A, dtype=torch.bool).scatter(-1, places, True)
