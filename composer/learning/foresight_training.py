"""Learns what the finished piece will be like, from pieces as they were finished. Before: rollouts. After: taste in writing.

Shapes as in advantage.py; T = 2N steps. Plain regression: once a piece is finished, its features are known for every step."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from composer.learning.advantage import Foresight
from dqn.replay import Episodes, Replay


class ForesightTraining:
    """ψ and its optimiser, on the device of the replays."""

    def __init__(self, foresight: Foresight, learning_rate: float, seed: int, device: torch.device) -> None:
        self.foresight = foresight.to(device).train()
        self.optimizer = torch.optim.Adam(foresight.parameters(), lr=learning_rate, fused=True)
        self.generator = torch.Generator(device).manual_seed(seed)

    def run(self, replay: Replay[Episodes], updates: int, batch_size: int) -> float:
        """Mean squared error over the last batches, in standard deviations of the catalogue."""
        error = 0.0
        for _ in range(updates):
            error += self.update(replay.sample(batch_size, self.generator)) / updates
        return error

    def at_hand(self) -> Foresight:
        """ψ as pieces are written with it: on the processor, where a graphics device would wait for every note."""
        if next(self.foresight.parameters()).is_cpu:
            return self.foresight
        return copy.deepcopy(self.foresight).cpu()

    def set_learning_rate(self, learning_rate: float) -> None:
        """From the next update on."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def update(self, batch: Episodes) -> float:
        """One step towards the features of the finished pieces; TD(λ) between the steps of a piece, with λ = LAMBDA."""
        pitch_BNF, duration_BNF = self.foresight(batch.observation)
        seen_BTF = torch.stack([pitch_BNF, duration_BNF], dim=2).flatten(1, 2)
        target_BTF = foreseen_returns(seen_BTF.detach(), batch.observation["finished"], batch.valid_BT)
        weight_BT1 = batch.valid_BT.unsqueeze(-1).float()
        each_BTF = huber_loss(seen_BTF, target_BTF, reduction="none", delta=2.0)
        loss = (each_BTF * weight_BT1).sum() / weight_BT1.sum().clamp(min=1)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return float(loss.detach()) / seen_BTF.shape[-1]

    def state_dict(self) -> dict[str, Any]:
        """The weights."""
        return {name: tensor.detach().clone() for name, tensor in self.foresight.state_dict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes weights that `state_dict` gave; tensors, or arrays as `read_state` gives them."""
        self.foresight.load_state_dict({name: torch.as_tensor(weight) for name, weight in state.items()})


LAMBDA = 0.9


def foreseen_returns(seen_BTF: Tensor, finished_BF: Tensor, valid_BT: Tensor) -> Tensor:
    """λ-returns of what is paid at the end: R_t = (1 − λ) ψ_{t+1} + λ R_{t+1}, and the finished features at the last step.

    Sutton & Barto 2018, equation 12.2, without discount; the padding behind a piece stands for its end.
    """
    returns = [finished_BF]
    for t in range(seen_BTF.shape[1] - 2, -1, -1):
        following = (1 - LAMBDA) * seen_BTF[:, t + 1] + LAMBDA * returns[-1]
        returns.append(torch.where(valid_BT[:, t + 1, None], following, finished_BF))
    return torch.stack(returns[::-1], dim=1)
