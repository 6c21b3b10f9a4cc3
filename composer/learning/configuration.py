"""What one training of the composer is told. Before: the dashboard's form, slot.py. After: training.py. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from training.configuration import Bounds

STAGES = ("prior", "policy")
SECONDS = {"prior": 360.0, "policy": 480.0}


@dataclass(frozen=True, kw_only=True)
class ComposerConfiguration:
    """Every number of a training; saved with the checkpoint."""

    BOUNDS: ClassVar[Bounds] = {
        "stage": STAGES,
        "algorithm": ("q", "double_q", "psi", "g", "kl_residual"),
        **dict.fromkeys(("epochs", "updates", "updates_per_rollout"), (1, 1_000_000)),
        **dict.fromkeys(("batch_size", "prior_batch_size", "rollout_pieces"), (1, 4096)),
        **dict.fromkeys(("learning_rate", "prior_learning_rate"), (1e-6, 1)),
        **dict.fromkeys(
            ("discount", "polyak", "lambda_return", "forced_copy_share", "short_share", "minimum_distinct"), (0, 1)
        ),
        **dict.fromkeys(("temperature", "prior_temperature"), (0.05, 20)),
        **dict.fromkeys(("elite_weight", "maximum_kl", "imitated_kl", "taste_scale"), (0, 100)),
        "imitated_distinct": (0, 1),
        "seconds": (0, 86_400),
        "hidden": (8, 4096),
        "replay_pieces": (1, 1_000_000),
        "threads": (1, 256),
    }
    """What the dashboard's form, the API and `manage.py retrain` take."""

    stage: str = "policy"
    """`prior` learns the catalogue; `policy` learns the rules, the wishes and the tastes on top of the prior that serves."""
    seconds: float = 0.0
    """Of training; 0 takes what the stage needs on two cores. ENCORE_TRAINING_SECONDS caps it."""
    is_timed: bool = True
    """False leaves the length to `epochs` and `updates`, which makes a run repeatable to the same weights."""
    epochs: int = 14
    """Of the prior: no more than so many passes over the catalogue."""
    prior_batch_size: int = 32
    """Melodies per update of the prior."""
    prior_learning_rate: float = 4e-3
    hidden: int = 256
    """Width of the prior's recurrent layer."""
    algorithm: str = "kl_residual"
    """`kl_residual`; `q`, `double_q`, `psi` and `g` are there to compare."""
    updates: int = 20_000
    """Of the policy: no more than so many."""
    learning_rate: float = 2e-3
    batch_size: int = 32
    """Pieces per update of the policy."""
    lambda_return: float = 0.95
    discount: float = 1.0
    polyak: float = 0.05
    temperature: float = 1.0
    """Price of leaving the prior, in nats of reward per nat."""
    prior_temperature: float = 1.0
    """Above 1 the prior is flattened, which keeps pieces different from each other."""
    rollout_pieces: int = 64
    """Pieces written at once with the newest weights."""
    updates_per_rollout: int = 32
    replay_pieces: int = 1024
    forced_copy_share: float = 0.25
    """Of the rollouts: some of their bars copy an earlier one, so that copying is found at all."""
    elite_weight: float = 8.0
    """Of imitating the best pieces of each batch, at the start; it falls to 0 at the end of the training."""
    imitated_kl: float = 0.4
    """Nats per step to the prior at which imitation has faded out."""
    imitated_distinct: float = 0.85
    """Share of different pieces below which nothing is imitated."""
    short_share: float = 0.4
    """Of the rollouts: two bars of 4/4 in sixteenths, the task that is compared with published systems."""
    maximum_kl: float = 0.8
    """Nats per step to the prior above which the guard stops the training at its last good weights."""
    minimum_distinct: float = 0.5
    """Share of different pieces among the rollouts below which the guard stops it."""
    taste_scale: float = 1.0
    threads: int = 2

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage {self.stage!r} is none of {', '.join(STAGES)}")
        if self.algorithm not in ("q", "double_q", "psi", "g", "kl_residual"):
            raise ValueError(f"algorithm {self.algorithm!r} is not known")
        if self.seconds < 0 or self.temperature <= 0 or self.prior_temperature <= 0:
            raise ValueError("seconds must be at least 0, temperatures above 0")
        for name in ("forced_copy_share", "short_share", "minimum_distinct"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved with the checkpoint."""
        return asdict(self)

    def budget_seconds(self, cap: int | None) -> float | None:
        """Seconds this training may take; None where only epochs and updates count."""
        if not self.is_timed:
            return None
        seconds = self.seconds or SECONDS[self.stage]
        return min(seconds, float(cap)) if cap else seconds
