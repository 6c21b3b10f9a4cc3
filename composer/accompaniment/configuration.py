"""What one training of the accompanist is told. Before: the dashboard's form, slot.py. After: training.py. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from training.configuration import Bounds


@dataclass(frozen=True, kw_only=True)
class AccompanistConfiguration:
    """Every number of a training; saved with the checkpoint. Without `is_timed` it ends in the same weights each time."""

    BOUNDS: ClassVar[Bounds] = {
        "seconds": (1, 86_400),
        "algorithm": ("q", "double_q", "psi", "g", "kl_residual"),
        **dict.fromkeys(("epochs", "rollouts", "updates_per_rollout"), (1, 100_000)),
        **dict.fromkeys(("batch_size", "rollout_melodies"), (1, 4096)),
        **dict.fromkeys(("learning_rate", "prior_learning_rate"), (1e-6, 1)),
        **dict.fromkeys(("dropout", "lambda_return", "folk_share"), (0, 0.999)),
        "polyak": (0, 1),
        "hidden": (8, 4096),
        "replay_melodies": (1, 1_000_000),
        "temperature": (0.05, 20),
    }
    """What the dashboard's form and the API let through."""

    seconds: float = 60.0
    """Of training the policy; ENCORE_TRAINING_SECONDS caps it. The prior takes a few seconds before."""
    is_timed: bool = False
    """True ends the policy's training by the clock as well; then a run can't be repeated to the same weights."""
    epochs: int = 60
    """Of the prior: no more than so many passes over the chorales."""
    prior_learning_rate: float = 2e-3
    hidden: int = 192
    """Width of the prior's layers."""
    dropout: float = 0.5
    """Between the prior's layers; of its inputs three tenths of it. There are only some hundred chorales."""
    algorithm: str = "kl_residual"
    """`kl_residual`; `q`, `double_q`, `psi` and `g` are there to compare."""
    rollouts: int = 90
    """Batches of harmonisations written with the newest weights."""
    rollout_melodies: int = 48
    updates_per_rollout: int = 12
    replay_melodies: int = 768
    batch_size: int = 48
    """Harmonisations per update."""
    learning_rate: float = 1.5e-3
    lambda_return: float = 0.9
    polyak: float = 0.05
    temperature: float = 1.0
    """Price of leaving the prior, in nats of reward per nat."""
    folk_share: float = 0.5
    """Of the rollouts: melodies of other styles than the chorales, so that a reel is no foreign ground."""

    def __post_init__(self) -> None:
        if self.algorithm not in ("q", "double_q", "psi", "g", "kl_residual"):
            raise ValueError(f"algorithm {self.algorithm!r} is not known")
        for name in ("seconds", "temperature", "learning_rate", "prior_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)} and must be above 0")
        for name in ("epochs", "hidden", "rollouts", "rollout_melodies", "updates_per_rollout", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 1")
        for name in ("folk_share", "dropout", "lambda_return"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 0 and below 1")

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved with the checkpoint."""
        return asdict(self)
