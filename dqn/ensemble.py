"""Several heads as one batched product, random priors, dueling. Before: a slot's network builds from these. After: learner.py.

Shapes: B batch, H heads, I inputs, O outputs, A listed actions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class HeadedLinear(nn.Module):
    """H linear layers at once: BHI → BHO, or BI → BHO for the first one."""

    def __init__(self, heads: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight_HIO = nn.Parameter(torch.empty(heads, inputs, outputs).uniform_(-bound, bound))
        self.bias_H1O = nn.Parameter(torch.empty(heads, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """One batched product over the heads; what comes before B H I stays in front."""
        lead = x.shape[:-1] if x.dim() == 2 else x.shape[:-2]
        heads, inputs, outputs = self.weight_HIO.shape
        x_HBI = x.unsqueeze(0).expand(heads, -1, -1) if x.dim() == 2 else x.reshape(-1, heads, inputs).transpose(0, 1)
        return torch.baddbmm(self.bias_H1O, x_HBI, self.weight_HIO).transpose(0, 1).reshape(*lead, heads, outputs)


class HeadedMLP(nn.Module):
    """H independent networks of the same layer sizes, ReLU between the layers: BI → BHO."""

    def __init__(self, heads: int, sizes: Sequence[int]) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError("sizes needs at least inputs and outputs")
        self.layers = nn.ModuleList(HeadedLinear(heads, i, o) for i, o in pairwise(sizes))

    def forward(self, x_BI: Tensor) -> Tensor:
        """BHO."""
        x: Tensor = self.layers[0](x_BI)
        for layer in list(self.layers)[1:]:
            x = layer(torch.relu(x))
        return x


class RandomPrior(nn.Module):
    """Adds a fixed random network of the same kind to a learning one, so that heads differ where there is no evidence.

    Osband et al. 2018, arXiv 1806.03335, equation 7: Q = f + scale · p.
    """

    def __init__(self, network: nn.Module, prior: nn.Module, scale: float) -> None:
        super().__init__()
        self.network = network
        self.prior = prior.requires_grad_(False)
        self.scale = scale

    def forward(self, *observation: Any) -> Tensor:
        """The sum; the prior's share carries no gradient."""
        with torch.no_grad():
            prior = self.prior(*observation)
        learnt: Tensor = self.network(*observation)
        values: Tensor = learnt + self.scale * prior
        return values


def dueling(value_BH: Tensor, advantage_BHA: Tensor) -> Tensor:
    """Q = V(s) + A(s, a), without the mean-subtraction of Wang et al. 2016 (arXiv 1511.06581, equation 9).

    There, Q of a track would depend on which others are listed.
    """
    return value_BH.unsqueeze(-1) + advantage_BHA
