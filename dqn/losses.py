"""How wrong the values of a batch are: targets, error, conservative term. Before: targets.py, slates.py. After: learner.py.

Shapes: B batch, T time, H heads, A listed actions. `network(observation)` gives BHA (or BA) for Transitions, BTA (or BTHA) for
Episodes: Q over the listed actions, or G, what the policy adds to the prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from dqn import targets
from dqn.configuration import LearnerConfiguration
from dqn.replay import Batch, Episodes, Transitions
from dqn.slates import slate_value


class Loss:
    """The loss of a batch under one configuration: a closed function of tensors, with no state of its own."""

    def __init__(self, configuration: LearnerConfiguration) -> None:
        self.configuration = configuration

    def __call__(self, network: nn.Module, target: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss, and figures by `figure_names`; `target` is the slower network that next states are valued by."""
        if isinstance(batch, Episodes):
            return self._of_episodes(network, target, batch)
        if isinstance(batch, Transitions):
            return self._of_transitions(network, target, batch)
        raise TypeError(f"the learner takes Transitions or Episodes, not {type(batch).__name__}")

    def _of_transitions(self, network: nn.Module, target: nn.Module, batch: Transitions) -> tuple[Tensor, Tensor]:
        mask_B1A = batch.mask_BA.unsqueeze(1)
        prior_B1A = None if batch.log_prior_BA is None else batch.log_prior_BA.unsqueeze(1)
        values_BHA = _with_heads(network(batch.observation), batch.mask_BA)
        taken_BH = _at(values_BHA, batch.action_B.unsqueeze(-1))
        with torch.no_grad():
            reward_B1 = batch.reward_B.unsqueeze(-1) + self._prior_reward(prior_B1A, mask_B1A, batch.action_B.unsqueeze(-1))
            target_BH = reward_B1 + batch.discount_B.unsqueeze(-1) * self._next_value(network, target, batch)
        conservative_BH = self._conservative(values_BHA, taken_BH, prior_B1A, mask_B1A)
        return self._weigh(taken_BH, target_BH, conservative_BH, batch.weight_B)

    def _next_value(self, network: nn.Module, target: nn.Module, batch: Transitions) -> Tensor:
        estimate_BHA = _with_heads(target(batch.next_observation), batch.next_mask_BA)
        chooser_BHA = estimate_BHA
        if self._is_double:
            chooser_BHA = _with_heads(network(batch.next_observation), batch.next_mask_BA)
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

    def _of_episodes(self, network: nn.Module, target: nn.Module, batch: Episodes) -> tuple[Tensor, Tensor]:
        action_BT1 = batch.action_BT.unsqueeze(-1)
        mask_BT1A = batch.mask_BTA.unsqueeze(2)
        prior_BT1A = None if batch.log_prior_BTA is None else batch.log_prior_BTA.unsqueeze(2)
        values_BTHA = _with_heads(network(batch.observation), batch.mask_BTA)
        taken_BTH = _at(values_BTHA, action_BT1)
        learnt_BT1 = batch.learnt().unsqueeze(-1)
        with torch.no_grad():
            estimate_BTHA = _with_heads(target(batch.observation), batch.mask_BTA)
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
            is_choice_BT1 = batch.mask_BTA.sum(dim=-1, keepdim=True) > 1
            trace_BTH = weight_BTH * torch.where(is_choice_BT1, configuration.lambda_return, 1.0)
            return targets.lambda_returns(reward_BT1, discount_BT1, value_BTH, taken_BTH, trace_BTH)
        return targets.n_step(reward_BT1, discount_BT1, value_BTH, taken_BTH, weight_BTH, configuration.n_steps)

    def _weigh(
        self, taken: Tensor, target: Tensor, conservative: Tensor | None, weight: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Mean over heads and weighted mean over the rest; `weight` lacks the heads' dimension, the last of the others."""
        taken, target = taken.float(), target.float()
        each = huber_loss(taken, target, reduction="none", delta=self.configuration.huber_delta)
        seen = [(taken.detach() - target).abs(), taken.detach(), target]
        if conservative is not None:
            each = each + self.configuration.conservative_weight * conservative.float()
            seen.append(conservative.detach().float())
        figures = torch.stack(seen).flatten(1)
        if weight is None:
            return each.mean(), figures.mean(dim=1)
        share = (weight / weight.sum().clamp(min=1e-8)).unsqueeze(-1).expand_as(taken) / taken.shape[-1]
        return (each * share).sum(), figures @ share.reshape(-1)

    @property
    def figure_names(self) -> list[str]:
        """What the figures are, in their order."""
        conservative = ["conservative"] if self.configuration.conservative_weight > 0 else []
        return ["absolute_error", "value", "target", *conservative]

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


def _with_heads(values: Tensor, mask: Tensor) -> Tensor:
    """Values with a dimension of heads before the actions, whether or not the network gave one."""
    return values.unsqueeze(-2) if values.dim() == mask.dim() else values


def _at(values_HA: Tensor, action_1: Tensor) -> Tensor:
    """The values of the taken action, for each head."""
    index = action_1.unsqueeze(-1).expand(*values_HA.shape[:-1], 1)
    return values_HA.gather(-1, index).squeeze(-1)


def _needed(log_prior: Tensor | None) -> Tensor:
    if log_prior is None:
        raise ValueError("this algorithm needs log p₀ of the prior in every batch")
    return log_prior
