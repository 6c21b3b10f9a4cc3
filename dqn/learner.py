"""Changes weights: one learner for recommender and composer. Before: replay.py and targets.py. After: checkpoint.py.

Shapes: B batch, T time, H heads, A listed actions. `network(observation)` gives BHA (or BA) for Transitions, BTA (or BTHA) for
Episodes: Q over the listed actions, or G, what the policy adds to the prior."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from dqn import targets
from dqn.capture import Captured
from dqn.configuration import LearnerConfiguration
from dqn.replay import Batch, Episodes, Replay, Transitions
from dqn.slates import slate_value

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
        trainable = [name for name, weight in self.network.named_parameters() if weight.requires_grad]
        self._trainable = [self.network.get_parameter(name) for name in trainable]
        self._weights = nn.Parameter(_flatten(self.network, trainable))
        self._target_weights = _flatten(self.target, trainable)
        self._optimizer = torch.optim.Adam([self._weights], lr=configuration.learning_rate, fused=True)
        self._figure_names: list[str] = []
        self._gradient_of = Captured(self._gradient, self.device) if configuration.compile else self._gradient
        self._generator = torch.Generator(self.device).manual_seed(configuration.seed)
        # Dropout draws from the global generators: they are seeded here, and kept in the state.
        torch.manual_seed(configuration.seed)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One gradient step on this batch. Gives the figures of the step as tensors, so that nothing waits for the device."""
        figures = self._step(batch)
        return dict(zip(self._figure_names, figures.unbind(), strict=True))

    def _step(self, batch: Batch) -> Tensor:
        figures, self._weights.grad = self._gradient_of(batch)
        self._optimizer.step()
        self._target_weights.lerp_(self._weights.data, self.configuration.polyak)
        self.updates += 1
        return figures

    def _gradient(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Figures, in the order of `_figure_names`, and the clipped flat gradient. A closed function of the batch."""
        with self._precision:
            loss, figures = self._loss(batch)
        parts = torch.autograd.grad(loss, self._trainable, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in parts])
        norm = gradient.norm()
        if self.configuration.gradient_clip_norm > 0:
            gradient = gradient * (self.configuration.gradient_clip_norm / (norm + 1e-6)).clamp(max=1)
        figures |= {"loss": loss.detach(), "gradient_norm": norm}
        self._figure_names = list(figures)
        return torch.stack(list(figures.values())), gradient

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

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        if isinstance(batch, Episodes):
            loss, figures = self._loss_of_episodes(batch)
        elif isinstance(batch, Transitions):
            loss, figures = self._loss_of_transitions(batch)
        else:
            raise TypeError(f"the learner takes Transitions or Episodes, not {type(batch).__name__}")
        if self.auxiliary is not None:
            for name, further in self.auxiliary(self.network, batch).items():
                loss = loss + further
                figures[name] = further.detach()
        return loss, figures

    def _loss_of_transitions(self, batch: Transitions) -> tuple[Tensor, dict[str, Tensor]]:
        mask_B1A = batch.mask_BA.unsqueeze(1)
        prior_B1A = None if batch.log_prior_BA is None else batch.log_prior_BA.unsqueeze(1)
        values_BHA = _with_heads(self.network(batch.observation), batch.mask_BA)
        taken_BH = _at(values_BHA, batch.action_B.unsqueeze(-1))
        with torch.no_grad():
            reward_B1 = batch.reward_B.unsqueeze(-1) + self._prior_reward(prior_B1A, mask_B1A, batch.action_B.unsqueeze(-1))
            target_BH = reward_B1 + batch.discount_B.unsqueeze(-1) * self._next_value(batch)
        conservative_BH = self._conservative(values_BHA, taken_BH, prior_B1A, mask_B1A)
        return self._weigh(taken_BH, target_BH, conservative_BH, batch.weight_B)

    def _next_value(self, batch: Transitions) -> Tensor:
        estimate_BHA = _with_heads(self.target(batch.next_observation), batch.next_mask_BA)
        chooser_BHA = estimate_BHA
        if self._is_double:
            chooser_BHA = _with_heads(self.network(batch.next_observation), batch.next_mask_BA)
        mask_BHA = batch.next_mask_BA.unsqueeze(1).expand_as(estimate_BHA)
        if self.configuration.slate_size > 0:
            return self._slate_value(batch, chooser_BHA, estimate_BHA, mask_BHA)
        prior_B1A = None if batch.next_log_prior_BA is None else batch.next_log_prior_BA.unsqueeze(1)
        return self._value(chooser_BHA, estimate_BHA, prior_B1A, mask_BHA)

    def _slate_value(self, batch: Transitions, chooser_BHA: Tensor, estimate_BHA: Tensor, mask_BHA: Tensor) -> Tensor:
        if batch.next_choice_BA is None or batch.next_no_choice_B is None:
            raise ValueError("slate_size needs next_choice_BA and next_no_choice_B in every batch")
        nothing_B1 = batch.next_no_choice_B.unsqueeze(-1)
        nothing_value_B = batch.next_no_choice_value_B
        nothing_value_B1 = torch.zeros_like(nothing_B1) if nothing_value_B is None else nothing_value_B.unsqueeze(-1)
        choice_BHA = batch.next_choice_BA.unsqueeze(1).expand_as(estimate_BHA)
        shape_BH = estimate_BHA.shape[:2]
        return slate_value(
            chooser_BHA,
            estimate_BHA,
            choice_BHA,
            nothing_B1.expand(shape_BH),
            nothing_value_B1.expand(shape_BH),
            mask_BHA,
            self.configuration.slate_size,
        )

    def _loss_of_episodes(self, batch: Episodes) -> tuple[Tensor, dict[str, Tensor]]:
        action_BT1 = batch.action_BT.unsqueeze(-1)
        mask_BT1A = batch.mask_BTA.unsqueeze(2)
        prior_BT1A = None if batch.log_prior_BTA is None else batch.log_prior_BTA.unsqueeze(2)
        values_BTHA = _with_heads(self.network(batch.observation), batch.mask_BTA)
        taken_BTH = _at(values_BTHA, action_BT1)
        learnt_BT1 = batch.learnt().unsqueeze(-1)
        with torch.no_grad():
            estimate_BTHA = _with_heads(self.target(batch.observation), batch.mask_BTA)
            target_BTH = self._returns(batch, values_BTHA.detach(), estimate_BTHA, prior_BT1A, learnt_BT1)
        conservative_BTH = self._conservative(values_BTHA, taken_BTH, prior_BT1A, mask_BT1A)
        weight_BT1 = learnt_BT1.to(taken_BTH.dtype)
        if batch.weight_B is not None:
            weight_BT1 = weight_BT1 * batch.weight_B[:, None, None]
        return self._weigh(taken_BTH, target_BTH, conservative_BTH, weight_BT1.squeeze(-1))

    def _returns(
        self, batch: Episodes, online_BTHA: Tensor, estimate_BTHA: Tensor, prior_BT1A: Tensor | None, learnt_BT1: Tensor
    ) -> Tensor:
        configuration = self.configuration
        action_BT1 = batch.action_BT.unsqueeze(-1)
        mask_BTHA = batch.mask_BTA.unsqueeze(2).expand_as(estimate_BTHA)
        # Over several steps a soft policy pays log π/p₀ = G⁻ − V⁻: both must come from the target network.
        one_step = configuration.n_steps == 1 and configuration.lambda_return == 0
        chooser_BTHA = online_BTHA if self._is_double and (one_step or not configuration.is_soft) else estimate_BTHA
        value_BTH = self._value(chooser_BTHA, estimate_BTHA, prior_BT1A, mask_BTHA)
        taken_BTH = _at(estimate_BTHA, action_BT1) if configuration.is_soft else value_BTH
        weight_BTH = learnt_BT1.to(value_BTH.dtype).expand_as(value_BTH)
        if batch.behaviour_log_probability_BT is not None:
            log_pi_BTH = _at(self._log_policy(chooser_BTHA, prior_BT1A, mask_BTHA), action_BT1)
            weight_BTH = weight_BTH * targets.truncated_weights(log_pi_BTH, batch.behaviour_log_probability_BT.unsqueeze(-1))
        reward_BT1 = batch.reward_BT.unsqueeze(-1) + self._prior_reward(prior_BT1A, batch.mask_BTA.unsqueeze(2), action_BT1)
        discount_BT1 = batch.discount_BT.unsqueeze(-1)
        if configuration.lambda_return > 0:
            return targets.lambda_returns(
                reward_BT1, discount_BT1, value_BTH, taken_BTH, weight_BTH, configuration.lambda_return
            )
        return targets.n_step(reward_BT1, discount_BT1, value_BTH, taken_BTH, weight_BTH, configuration.n_steps)

    def _weigh(
        self, taken: Tensor, target: Tensor, conservative: Tensor | None, weight: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over heads and weighted mean over the rest; `weight` lacks the heads' dimension, the last of the others."""
        taken, target = taken.float(), target.float()
        each = huber_loss(taken, target, reduction="none", delta=self.configuration.huber_delta)
        if conservative is not None:
            each = each + self.configuration.conservative_weight * conservative.float()
        share = None if weight is None else (weight / weight.sum().clamp(min=1e-8)).unsqueeze(-1) / taken.shape[-1]
        figures = {
            "absolute_error": _mean((taken.detach() - target).abs(), share),
            "value": _mean(taken.detach(), share),
            "target": _mean(target, share),
        }
        if conservative is not None:
            figures["conservative"] = _mean(conservative.detach().float(), share)
        return _mean(each, share), figures

    @property
    def _is_double(self) -> bool:
        return self.configuration.algorithm in ("double_q", "kl_residual")

    def _value(self, chooser_A: Tensor, estimate_A: Tensor, log_prior_A: Tensor | None, mask_A: Tensor) -> Tensor:
        algorithm, temperature = self.configuration.algorithm, self.configuration.temperature
        if algorithm in ("q", "double_q"):
            return targets.double_q_value(chooser_A, estimate_A, mask_A)
        if algorithm == "psi":
            return targets.psi_value(estimate_A, mask_A, temperature)
        return targets.kl_value(chooser_A, estimate_A, _needed(log_prior_A), mask_A, temperature)

    def _log_policy(self, chooser_A: Tensor, log_prior_A: Tensor | None, mask_A: Tensor) -> Tensor:
        temperature = self.configuration.temperature
        if self.configuration.algorithm == "psi":
            return targets.log_masked_prior(chooser_A / temperature, mask_A)
        if self.configuration.is_soft:
            return targets.log_policy(chooser_A, _needed(log_prior_A), mask_A, temperature)
        best_A = targets.close(chooser_A, mask_A).argmax(dim=-1, keepdim=True)
        return torch.full_like(chooser_A, targets.CLOSED).scatter(-1, best_A, 0.0)

    def _prior_reward(self, log_prior_A: Tensor | None, mask_A: Tensor, action_1: Tensor) -> Tensor | float:
        """τ log p₀(a|s), which q and psi add to the reward (arXiv 1611.02796, equations 4 and 10); g and kl_residual do not."""
        if log_prior_A is None or self.configuration.algorithm in ("g", "kl_residual"):
            return 0.0
        return self.configuration.temperature * _at(targets.log_masked_prior(log_prior_A, mask_A), action_1)

    def _conservative(self, values_A: Tensor, taken: Tensor, log_prior_A: Tensor | None, mask_A: Tensor) -> Tensor | None:
        """logsumexp Q − Q(a) (Kumar et al. 2020, arXiv 2006.04779, equation 4); under a prior, V − G(a) of the soft policy."""
        if self.configuration.conservative_weight == 0:
            return None
        if self.configuration.algorithm in ("g", "kl_residual"):
            mask_A = mask_A.expand_as(values_A)
            return targets.kl_value(values_A, values_A, _needed(log_prior_A), mask_A, self.configuration.temperature) - taken
        return torch.logsumexp(targets.close(values_A, mask_A), dim=-1) - taken

    def weights(self) -> dict[str, Tensor]:
        """The network's weights as a checkpoint keeps them."""
        return {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that going on bit for bit needs, the replay apart; flat, for `checkpoint.write_state`."""
        state = {
            "weights": self._weights.detach().clone(),
            "target_weights": self._target_weights.clone(),
            "updates": torch.tensor(self.updates),
            "generator": self._generator.get_state(),
            "dropout_generator": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["dropout_generator_cuda"] = torch.cuda.get_rng_state(self.device)
        for name, kept in self._optimizer.state.get(self._weights, {}).items():
            state[f"optimizer.{name}"] = torch.as_tensor(kept).clone()
        for name, buffer in self.network.named_buffers():
            state[f"buffer.{name}"] = buffer.clone()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; takes tensors or arrays, as `checkpoint.read_state` gives them."""
        tensors = {name: torch.as_tensor(value) for name, value in state.items()}
        if tensors["weights"].shape != self._weights.shape:
            raise ValueError(f"the state has {tensors['weights'].numel()} weights, the network {self._weights.numel()}")
        self._weights.data.copy_(tensors["weights"])
        self._target_weights.copy_(tensors["target_weights"])
        self.updates = int(tensors["updates"])
        self._generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["dropout_generator"])
        if "dropout_generator_cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["dropout_generator_cuda"], self.device)
        kept = {name.removeprefix("optimizer."): value for name, value in tensors.items() if name.startswith("optimizer.")}
        self._optimizer.state[self._weights] = {name: value.clone().to(self.device) for name, value in kept.items()}
        for name, buffer in self.network.named_buffers():
            buffer.copy_(tensors[f"buffer.{name}"])


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


def _with_heads(values: Tensor, mask: Tensor) -> Tensor:
    """Values with a dimension of heads before the actions, whether or not the network gave one."""
    return values.unsqueeze(-2) if values.dim() == mask.dim() else values


def _at(values_HA: Tensor, action_1: Tensor) -> Tensor:
    """The values of the taken action, for each head."""
    index = action_1.unsqueeze(-1).expand(*values_HA.shape[:-1], 1)
    return values_HA.gather(-1, index).squeeze(-1)


def _mean(each: Tensor, share: Tensor | None) -> Tensor:
    return each.mean() if share is None else (each * share).sum()


def _needed(log_prior: Tensor | None) -> Tensor:
    if log_prior is None:
        raise ValueError("this algorithm needs log p₀ of the prior in every batch")
    return log_prior
