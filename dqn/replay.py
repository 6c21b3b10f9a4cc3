"""Past experience as tensors on the training device. Before: replay datasets or rollouts. After: learner.py.

Shapes: B batch, T time, A listed actions, N stored; `observation` maps names to tensors that begin with B (or B, T)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor

Observation = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Tensors, or dictionaries of tensors, that share their first dimension. Subclasses may add fields of their own."""

    observation: Observation

    def __len__(self) -> int:
        return next(iter(self.observation.values())).shape[0]

    def apply(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same batch with `function` applied to every tensor."""
        changed: dict[str, Any] = {}
        for field_name, held in self.__dict__.items():
            if isinstance(held, Tensor):
                changed[field_name] = function(held)
            elif isinstance(held, dict):
                changed[field_name] = {name: function(tensor) for name, tensor in held.items()}
        return replace(self, **changed)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by its name, in the order in which `apply` meets them."""
        found: dict[str, Tensor] = {}
        for field_name, held in self.__dict__.items():
            if isinstance(held, Tensor):
                found[field_name] = held
            elif isinstance(held, dict):
                found |= {f"{field_name}.{name}": tensor for name, tensor in held.items()}
        return found

    def to(self, device: str | torch.device) -> Self:
        """The same batch on another device."""
        return self.apply(lambda tensor: tensor.to(device))


@dataclass(frozen=True, kw_only=True)
class Transitions(Batch):
    """Single steps s, a, r, s'. `reward_B` may sum several steps; `discount_B` then is γⁿ."""

    mask_BA: Tensor
    """True where the listed action was open. The taken one always was."""
    action_B: Tensor
    """Index of the taken action among the listed ones."""
    reward_B: Tensor
    discount_B: Tensor
    """γⁿ; 0 where the episode ended. An episode that was only cut keeps its γⁿ and bootstraps."""
    next_observation: Observation
    next_mask_BA: Tensor
    """All False is allowed where discount_B is 0."""
    log_prior_BA: Tensor | None = None
    """log p₀ over the listed actions; psi, g and kl_residual need it (psi only here), q pays it where it is given."""
    next_log_prior_BA: Tensor | None = None
    next_choice_BA: Tensor | None = None
    """Choice weights s(track) at the next state, 0 or above, unnormalised; needed where `slate_size` is set."""
    next_no_choice_B: Tensor | None = None
    """Weight s₀ of choosing nothing."""
    next_no_choice_value_B: Tensor | None = None
    """Q₀, what choosing nothing leads to; 0 where it is not given."""
    weight_B: Tensor | None = None
    """Weight of the row in the loss, for example a truncated importance weight; 1 where it is not given."""


@dataclass(frozen=True, kw_only=True)
class Episodes(Batch):
    """Whole sequences; the next state of step t is step t + 1.

    A step is learnt from if it is valid and either ended the episode (discount 0) or is followed by a valid step. So the last
    step of an episode that was cut serves as the state to bootstrap from; its action and reward are not looked at.
    """

    mask_BTA: Tensor
    action_BT: Tensor
    reward_BT: Tensor
    discount_BT: Tensor
    """γ; 0 at the step that ended the episode."""
    valid_BT: Tensor
    """False in the padding behind an episode."""
    log_prior_BTA: Tensor | None = None
    """log p₀ over the listed actions; needed by psi, g and kl_residual."""
    behaviour_log_probability_BT: Tensor | None = None
    """log μ(a|s) of whoever acted; where given, returns are truncated step by step at min(1, π/μ) (Retrace)."""
    weight_B: Tensor | None = None

    def learnt(self) -> Tensor:
        """True at the steps that are learnt from."""
        followed_BT = torch.zeros_like(self.valid_BT)
        followed_BT[:, :-1] = self.valid_BT[:, 1:]
        return self.valid_BT & (followed_BT | (self.discount_BT == 0))


B = TypeVar("B", bound=Batch)


class Replay(Generic[B]):
    """A ring of transitions or episodes as flat tensors on the device; indices are drawn there too."""

    def __init__(self, capacity: int, device: str | torch.device = "cpu") -> None:
        self.capacity = capacity
        self.device = torch.device(device)
        self.size = 0
        self._next = 0
        self._stored: B | None = None
        self._gather: Callable[[Tensor], B] | None = None

    @classmethod
    def of(cls, batch: B, device: str | torch.device = "cpu") -> Replay[B]:
        """A full replay of exactly these rows."""
        replay: Replay[B] = Replay(len(batch), device)
        replay._stored = batch.to(device)
        replay.size = len(batch)
        return replay

    @classmethod
    def from_gather(cls, size: int, gather: Callable[[Tensor], B], device: str | torch.device = "cpu") -> Replay[B]:
        """A replay whose batches `gather(index_B)` builds, for example from shared tables; `index_B` lies on the device."""
        replay: Replay[B] = Replay(size, device)
        replay._gather = gather
        replay.size = size
        return replay

    def __len__(self) -> int:
        return self.size

    def add(self, batch: B) -> None:
        """Stores rows, over the oldest ones where the ring is full. All batches must have the same shapes behind the first."""
        batch = batch.to(self.device).apply(lambda tensor: tensor[-self.capacity :])
        if self._stored is None:
            self._stored = batch.apply(lambda tensor: tensor.new_zeros((self.capacity, *tensor.shape[1:])))
        place_B = (torch.arange(len(batch), device=self.device) + self._next) % self.capacity
        new = batch.tensors()
        for name, stored in self._stored.tensors().items():
            stored[place_B] = new[name]
        self._next = (self._next + len(batch)) % self.capacity
        self.size = min(self.capacity, self.size + len(batch))

    def rows(self, index_B: Tensor) -> B:
        """The rows at these places."""
        if self._gather is not None:
            return self._gather(index_B)
        if self._stored is None:
            raise ValueError("the replay is empty")
        return self._stored.apply(lambda tensor: tensor.index_select(0, index_B))

    def sample(self, batch_size: int, generator: torch.Generator) -> B:
        """Rows drawn uniformly, with replacement; the generator must live on the replay's device."""
        if self.size == 0:
            raise ValueError("the replay is empty")
        return self.rows(torch.randint(self.size, (batch_size,), generator=generator, device=self.device))
