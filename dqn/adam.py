"""Adam as a few operations on one flat tensor, closed over tensors so that a whole update can become one graph.

Before: the learner's flat gradient. After: its weights, changed in place. The numbers are those of torch.optim.Adam."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MEAN_DECAY, SQUARE_DECAY = 0.9, 0.999
EPSILON = 1e-8


class Adam:
    """Kingma & Ba 2015, arXiv 1412.6980, algorithm 1, with the bias corrections as in the last paragraph of its section 2."""

    def __init__(self, weights: Tensor, learning_rate: float) -> None:
        self.weights = weights
        self.learning_rate = learning_rate
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        # Tensors, because a graph would freeze numbers.
        self._step_size = torch.zeros((), device=weights.device)
        self._epsilon = torch.zeros((), device=weights.device)

    def count(self, steps: int) -> None:
        """Says that the next step is number `steps`, from 1: bias corrections depend on it."""
        correction = math.sqrt(1 - SQUARE_DECAY**steps)
        self._step_size.fill_(self.learning_rate * correction / (1 - MEAN_DECAY**steps))
        self._epsilon.fill_(EPSILON * correction)

    def step(self, gradient: Tensor) -> None:
        """One step against the gradient."""
        self.mean.lerp_(gradient, 1 - MEAN_DECAY)
        self.square.mul_(SQUARE_DECAY).addcmul_(gradient, gradient, value=1 - SQUARE_DECAY)
        spread = self.square.sqrt().add_(self._epsilon).div_(self._step_size)
        self.weights.addcdiv_(self.mean, spread, value=-1)

    def state(self) -> dict[str, Tensor]:
        """What a step changes beside the weights, under the names of torch.optim.Adam's state."""
        return {"exp_avg": self.mean, "exp_avg_sq": self.square}
