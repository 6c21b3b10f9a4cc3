"""Fits the choice model to a trained network. Before: training.py. After: the checkpoint keeps it, dqn_policy.py serves it.

Letters: J slates, P positions, B slates looked at at once, H heads, d tower dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.learning.choice import ChoiceModel, fit_choice_model
from recsys.learning.credit import returns_of
from recsys.learning.network import RecommenderNetwork, observe
from recsys.learning.replay_dataset import ReplayDataset

Floats = NDArray[np.float64]
CHUNK = 1024
PRIOR_SLATES = 10.0
"""Slates of which nothing was chosen count as if so many more had been worth V(s)."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the network says about each slate, mean over heads."""

    pleasure_JP: Floats
    """A of each shown track."""
    ahead_JP: Floats
    """Q − V of each shown track."""
    value_J: Floats


def choice_of(
    network: RecommenderNetwork, dataset: ReplayDataset, *, discount: float
) -> tuple[ChoiceModel | None, dict[str, float]]:
    """The model, and how well it foretells slates of held-out listeners."""
    offers = dataset.offers
    if not len(offers):
        return None, {}
    seen = _seen(network, dataset)
    clock_JC = dataset.states["clock_MC"][offers.state_J].astype(np.float64)
    model = fit_choice_model(offers, seen.pleasure_JP, clock_JC, _nothing_value(dataset, seen, discount))
    if model is None:
        return None, {}
    chance = model.probabilities(offers, seen.pleasure_JP, clock_JC)
    return model, _figures(model, dataset, chance)


def _nothing_value(dataset: ReplayDataset, seen: Seen, discount: float) -> float:
    """Q₀ less V(s): what came after slates of which nothing was chosen, on the yardstick of those of which something was.

    A network that over- or undervalues every moment is wrong by as much where something was chosen: that is taken off.
    """
    offers, returns_N = dataset.offers, returns_of(dataset)
    followed_J = np.where(offers.followed_J >= 0, returns_N[offers.followed_J], 0.0)
    taught_J, chosen_J = ~offers.is_held_out_J, offers.position_J >= 0
    expected_J = seen.value_J + seen.ahead_JP[np.arange(len(offers)), np.maximum(offers.position_J, 0)]
    wrong_J = (followed_J - expected_J)[taught_J & chosen_J]
    nothing_J = (discount * followed_J - seen.value_J)[taught_J & ~chosen_J]
    wrong = float(wrong_J.mean()) if len(wrong_J) else 0.0
    return float((nothing_J - wrong).sum() / (len(nothing_J) + PRIOR_SLATES))


def _figures(model: ChoiceModel, dataset: ReplayDataset, chance: Floats) -> dict[str, float]:
    """Of held-out slates where there are any: log-likelihood per slate, how often a track is chosen, foretold and seen."""
    offers = dataset.offers
    of = np.flatnonzero(offers.is_held_out_J if offers.is_held_out_J.any() else ~offers.is_held_out_J)
    likelihood = np.log(chance[of, offers.position_J[of] + 1])
    return {
        "choice_pleasure": model.pleasure,
        "choice_nothing_value": model.nothing_value,
        "choice_rivalry": model.rivalry,
        "choice_log_likelihood": float(likelihood.mean()),
        "choice_foretold": float(1.0 - chance[of, 0].mean()),
        "choice_seen": float((offers.position_J[of] >= 0).mean()),
    }


@torch.no_grad()
def _seen(network: RecommenderNetwork, dataset: ReplayDataset) -> Seen:
    c, offers = network.configuration, dataset.offers
    device = network.content_TX.device
    network.eval()
    z_TZ = network.track_vectors()
    g_THd = network.tower_g(z_TZ).unflatten(1, (c.heads, c.tower_width)) / math.sqrt(c.tower_width)
    bias_TH, after_TH = network.track_bias(z_TZ), network.content_TX @ network.after_XH
    pleasure, ahead, value = [], [], []
    for start in range(0, len(offers), CHUNK):
        state_B = offers.state_J[start : start + CHUNK]
        track_BP = torch.as_tensor(np.maximum(offers.track_JP[start : start + CHUNK], 0), device=device)
        states = {name: torch.as_tensor(array[state_B], device=device) for name, array in dataset.states.items()}
        observation = observe(states, torch.arange(len(state_B), device=device))
        f_BHd = network.state_vector(observation, z_TZ)
        a_BPH = torch.einsum("bhd,bphd->bph", f_BHd, g_THd[track_BP]) + bias_TH[track_BP]
        pleasure.append(a_BPH.mean(dim=2))
        ahead.append(((1 + network.lookahead_H) * a_BPH + after_TH[track_BP]).mean(dim=2))
        value.append(network.value(network.summary(observation)).mean(dim=1))
    network.train()
    pleasure_JP, ahead_JP, value_J = (torch.cat(parts).cpu().numpy().astype(np.float64) for parts in (pleasure, ahead, value))
    return Seen(pleasure_JP=pleasure_JP, ahead_JP=ahead_JP, value_J=value_J)
