"""Changes weights: one learner for recommender and composer. Before: replay.py and losses.py. After: checkpoint.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dqn.adam import Adam
from dqn.capture import Captured
from dqn.configuration import LearnerConfiguration
from dqn.losses import Loss
from dqn.replay import Batch, Replay

Progress = Callable[[int, Mapping[str, float]], None]
"""Called with the number of updates so far and the mean figures since the last call."""
Auxiliary = Callable[[nn.Module, Any], Mapping[str, Tensor]]
"""Further losses of (network, batch), by name, added to the learner's own: a choice model, imitation of the best …"""


class Learner:
    """Network, target network, optimiser and randomness of one training.

    Trainable weights live in one flat tensor, the target's in another, and the gradient is a third: clipping, Adam and Polyak
    averaging are one operation each, however many layers there are.
    """

    def __init__(self, network: nn.Module, configuration: LearnerConfiguration, auxiliary: Auxiliary | None = None) -> None:
        self.configuration = configuration
        self.device = torch.device(configuration.device)
        self.network = network.to(self.device).train()
        self.target = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.auxiliary = auxiliary
        self.updates = 0
        self._loss = Loss(configuration)
        trainable = [name for name, weight in self.network.named_parameters() if weight.requires_grad]
        self._trainable = [self.network.get_parameter(name) for name in trainable]
        self._weights = _flatten(self.network, trainable)
        self._target_weights = _flatten(self.target, trainable)
        self._adam = Adam(self._weights, configuration.learning_rate)
        self._figure_names: list[str] = []
        self._change = (
            Captured(self._change_weights, self._changing, self.device) if configuration.compile else self._change_weights
        )
        self._generator = torch.Generator(self.device).manual_seed(configuration.seed)
        # Dropout draws from the global generators: they are seeded here, and kept in the state.
        torch.manual_seed(configuration.seed)

    def set_learning_rate(self, learning_rate: float) -> None:
        """From the next update on; for a rate that falls during a training."""
        self._adam.learning_rate = learning_rate

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step on this batch. Gives the figures of the step as tensors, so that nothing waits for the device."""
        figures = self._step(batch)
        return dict(zip(self._figure_names, figures.unbind(), strict=True))

    def _step(self, batch: Batch) -> Tensor:
        self._adam.count(self.updates + 1)
        figures = self._change(batch)
        self.updates += 1
        return figures

    def _change_weights(self, batch: Batch) -> Tensor:
        """Figures, in the order of `_figure_names`. A closed function of the batch and of the tensors in `_changing`."""
        figures, gradient = self._gradient(batch)
        self._adam.step(gradient)
        self._target_weights.lerp_(self._weights, self.configuration.polyak)
        return figures

    def _gradient(self, batch: Batch) -> tuple[Tensor, Tensor]:
        with self._precision:
            loss, figures = self._loss(self.network, self.target, batch)
            further = {} if self.auxiliary is None else self.auxiliary(self.network, batch)
            whole = sum(further.values(), loss)
        parts = torch.autograd.grad(whole, self._trainable, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in parts])
        norm = gradient.norm()
        if self.configuration.gradient_clip_norm > 0:
            gradient = gradient * (
                self.configuration.gradient_clip_norm / norm.clamp(min=self.configuration.gradient_clip_norm)
            )
        single = {**further, "loss": whole, "gradient_norm": norm}
        self._figure_names = [*self._loss.figure_names, *single]
        return torch.cat([figures, *(figure.detach().reshape(1) for figure in single.values())]), gradient

    @property
    def _precision(self) -> AbstractContextManager[Any]:
        if self.configuration.bf16 and self.device.type == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    def run(
        self,
        replay: Replay[Any],
        updates: int,
        on_progress: Progress | None = None,
        report_every_updates: int = 100,
    ) -> dict[str, float]:
        """Draws batches and updates; gives the mean figures of the last stretch.

        What `on_progress` raises ends the run between two updates, so that the state can be kept.
        """
        means: dict[str, float] = {}
        stretch: list[Tensor] = []
        for done in range(1, updates + 1):
            stretch.append(self._step(replay.sample(self.configuration.batch_size, self._generator)))
            if done % report_every_updates == 0 or done == updates:
                means = dict(zip(self._figure_names, torch.stack(stretch).mean(dim=0).tolist(), strict=True))
                stretch = []
                if on_progress is not None:
                    on_progress(self.updates, means)
        return means

    def weights(self) -> dict[str, Tensor]:
        """The network's weights as a checkpoint keeps them."""
        return {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that going on bit for bit needs, the replay apart; flat, for `checkpoint.write_state`."""
        state = {name: tensor.clone() for name, tensor in self._changing().items()}
        state |= {
            "updates": torch.tensor(self.updates),
            "generator": self._generator.get_state(),
            "dropout_generator": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["dropout_generator_cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; takes tensors or arrays, as `checkpoint.read_state` gives them."""
        tensors = {name: torch.as_tensor(value) for name, value in state.items()}
        if tensors["weights"].shape != self._weights.shape:
            raise ValueError(f"the state has {tensors['weights'].numel()} weights, the network {self._weights.numel()}")
        for name, tensor in self._changing().items():
            tensor.copy_(tensors[name])
        self.updates = int(tensors["updates"])
        self._generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["dropout_generator"])
        if "dropout_generator_cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["dropout_generator_cuda"], self.device)

    def _changing(self) -> dict[str, Tensor]:
        """Every tensor that an update changes in place, by the name under which the state keeps it."""
        changing: dict[str, Tensor] = {"weights": self._weights, "target_weights": self._target_weights}
        changing |= {f"optimizer.{name}": tensor for name, tensor in self._adam.state().items()}
        return changing | {f"buffer.{name}": buffer for name, buffer in self.network.named_buffers()}


def _flatten(module: nn.Module, names: list[str]) -> Tensor:
    """Moves the named weights into one tensor, of which they become views."""
    weights = [module.get_parameter(name) for name in names]
    if not weights:
        raise ValueError("the network has nothing to learn: no weight requires a gradient")
    flat = torch.cat([weight.detach().reshape(-1) for weight in weights])
    start = 0
    for weight in weights:
        weight.data = flat[start : start + weight.numel()].view_as(weight)
        start += weight.numel()
    return flat
