"""What one training of the learner is told, in one frozen value. Before: a slot's own configuration. After: learner.py;
it is saved with the checkpoint as JSON and shown in the dashboard. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

ALGORITHMS = ("q", "double_q", "psi", "g", "kl_residual")
"""How the next state is valued; `targets.py` has paper and equation of each."""
SOFT_ALGORITHMS = ("psi", "g", "kl_residual")
"""Those whose value is an expectation under a softmax policy: `temperature` acts in them."""


@dataclass(frozen=True, kw_only=True)
class LearnerConfiguration:
    """Every number of the learner. Contradictions are refused here, before anything is built."""

    algorithm: str = "double_q"
    """One of ALGORITHMS."""
    discount: float = 0.95
    """γ per step, 0 … 1. Batches carry γⁿ already; whoever builds them and `targets.n_step` take it from here."""
    n_steps: int = 1
    """Steps of reward before bootstrapping, for Episodes. Transitions are n-step as they were built."""
    lambda_return: float = 0.0
    """λ of the returns of Episodes, 0 … 1; 0 leaves it to `n_steps`. Steps with one open action are passed through whole."""
    learning_rate: float = 1e-3
    """Adam's step size."""
    batch_size: int = 256
    """Transitions or episodes an update learns from."""
    polyak: float = 0.005
    """Share of the online weights that enters the target network after each update, above 0, up to 1."""
    huber_delta: float = 1.0
    """Errors above it count linearly; in units of reward."""
    gradient_clip_norm: float = 10.0
    """Largest norm of the whole gradient; 0 switches clipping off."""
    conservative_weight: float = 0.0
    """α of α·(logsumexp Q − Q(a)) over the listed actions; keeps Q of what was never tried low."""
    heads: int = 1
    """Members of the ensemble; the network gives as many values per action."""
    random_prior_scale: float = 0.0
    """Weight of each head's fixed random network (`ensemble.RandomPrior`); 0 for none."""
    temperature: float = 1.0
    """Price of leaving the prior, in reward per nat, and the policy's softmax temperature; fixed in training and at play."""
    slate_size: int = 0
    """Above 0, the next state is worth its best slate of so many tracks instead of its best single action."""
    seed: int = 0
    """Of drawing batches and of dropout."""
    device: str = "cpu"
    """Where weights and replay live: `cpu`, `cuda`, `cuda:1` …"""
    compile: bool = False
    """The gradient is captured as one graph (a CUDA graph on a GPU): faster for small networks, the same numbers."""
    bf16: bool = False
    """Forward passes in bfloat16; does nothing on the CPU."""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm {self.algorithm!r} is none of {', '.join(ALGORITHMS)}")
        for name in ("discount", "lambda_return"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "between 0 and 1")
        for name in ("n_steps", "batch_size", "heads"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "huber_delta", "temperature"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("gradient_clip_norm", "conservative_weight", "random_prior_scale", "slate_size"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        _check("polyak", self.polyak, 0 < self.polyak <= 1, "above 0 and at most 1")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.n_steps > 1 and self.lambda_return > 0:
            raise ValueError("n_steps above 1 and lambda_return above 0 contradict each other: choose one")
        if self.algorithm in SOFT_ALGORITHMS and self.random_prior_scale > 0:
            raise ValueError(f"random priors would break the start of {self.algorithm} at the prior policy")
        if self.algorithm in SOFT_ALGORITHMS and self.slate_size > 0:
            raise ValueError(f"slates are valued by q and double_q, not by {self.algorithm}")

    @property
    def is_soft(self) -> bool:
        """Whether the policy is a softmax whose KL to the prior is priced."""
        return self.algorithm in SOFT_ALGORITHMS

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved with the checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_json` wrote; ValueError names a field this version does not know."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        return cls(**values)


def _check(name: str, value: float, is_right: bool, bound: str) -> None:
    # `not is_right` also holds for nan, which compares false with everything.
    if not is_right:
        raise ValueError(f"{name} is {value} and must be {bound}")
