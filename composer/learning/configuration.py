"""What one training of the composer is told. Before: the dashboard's form, slot.py. After: training.py. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from training.configuration import Bounds

STAGES = ("prior", "policy")
SECONDS = {"prior": 360.0, "policy": 2700.0}
"""Of a training that nobody waits for; the first start asks for shorter ones (slot.py)."""


@dataclass(frozen=True, kw_only=True)
class ComposerConfiguration:
    """Every number of a training; saved with the checkpoint."""

    BOUNDS: ClassVar[Bounds] = {
        "stage": STAGES,
        "algorithm": ("q", "double_q", "psi", "g", "kl_residual"),
        **dict.fromkeys(("epochs", "updates", "updates_per_rollout"), (1, 1_000_000)),
        **dict.fromkeys(("batch_size", "prior_batch_size", "rollout_pieces"), (1, 4096)),
        **dict.fromkeys(("learning_rate", "prior_learning_rate", "foresight_learning_rate"), (1e-6, 1)),
        **dict.fromkeys(
            ("discount", "polyak", "lambda_return", "forced_copy_share", "human_share", "short_share", "minimum_distinct"),
            (0, 1),
        ),
        **dict.fromkeys(("temperature", "prior_temperature"), (0.05, 20)),
        **dict.fromkeys(("imitation_weight", "novelty_weight", "maximum_kl", "taste_gain", "wish_gain"), (0, 100)),
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
    updates: int = 50_000
    """Of the policy: no more than so many."""
    learning_rate: float = 3e-3
    batch_size: int = 48
    """Pieces per update of the policy."""
    lambda_return: float = 0.9
    discount: float = 1.0
    polyak: float = 0.05
    temperature: float = 1.0
    """Price of leaving the prior, in nats of reward per nat."""
    prior_temperature: float = 1.38
    """Above 1 the prior of phrases of up to four bars is flattened, which keeps them different from each other; tunes less."""
    rollout_pieces: int = 96
    """Pieces written at once with the newest weights."""
    updates_per_rollout: int = 32
    replay_pieces: int = 1024
    forced_copy_share: float = 0.35
    """Of the phrases: some of them copy half a bar or a bar, so that copying is found at all."""
    human_share: float = 0.2
    """Beside the tunes written in each rollout: so many of people's, note for note where the masks let them."""
    imitation_weight: float = 0.7
    """Of imitating a batch's pieces, each by its share in the best policy; it falls to 0 before the end of the training."""
    novelty_weight: float = 5.0
    """Nats that a piece costs which was written lately, times the logarithm of how often."""
    short_share: float = 0.7
    """Of the rollouts: two bars of 4/4 in sixteenths, the task that is compared with published systems."""
    maximum_kl: float = 0.8
    """Nats per step to the prior above which the guard stops the training at its last good weights. The gate asks for less of
    the finished policy (docs/composer.md)."""
    minimum_distinct: float = 0.5
    """Share of different pieces among the rollouts below which the guard stops it."""
    taste_gain: float = 15.0
    """Nats that a standard deviation more of what a listener likes is worth, where the taste is heard at full strength."""
    wish_gain: float = 40.0
    """Nats that it costs to end a standard deviation beside what a graded wish asks of its feature, times its weight."""
    foresight_learning_rate: float = 2e-3
    """Of the network that foresees the finished piece's features, on which tastes act."""
    threads: int = 2

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise ValueError(f"stage {self.stage!r} is none of {', '.join(STAGES)}")
        if self.algorithm not in ("q", "double_q", "psi", "g", "kl_residual"):
            raise ValueError(f"algorithm {self.algorithm!r} is not known")
        if self.seconds < 0 or self.temperature <= 0 or self.prior_temperature <= 0:
            raise ValueError("seconds must be at least 0, temperatures above 0")
        for name in ("forced_copy_share", "human_share", "short_share", "minimum_distinct"):
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


def is_added_to_prior(algorithm: str) -> bool:
    """Whether the learned values are added to log p₀; those of the others hold it already."""
    return algorithm in ("g", "kl_residual")
