"""Every number of one training of the recommender. Before: the dashboard's form. After: training.py. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from dqn.configuration import LearnerConfiguration
from training.configuration import Bounds


@dataclass(frozen=True, kw_only=True)
class RecommenderConfiguration:
    """Saved with the checkpoint; its fields are the dashboard's form."""

    BOUNDS: ClassVar[Bounds] = {
        **dict.fromkeys(("updates", "most_passes", "report_every_updates", "save_every_updates"), (1, 1_000_000)),
        **dict.fromkeys(("attention_heads", "heads", "n_steps", "taste_models"), (1, 64)),
        **dict.fromkeys(("batch_size", "pool_size"), (1, 65_536)),
        **dict.fromkeys(("content_width", "tower_width"), (1, 1024)),
        **dict.fromkeys(("discount", "polyak", "held_out_share"), (0, 1)),
        **dict.fromkeys(("conservative_weight", "next_track_weight", "passed_over_weight"), (0, 100)),
        **dict.fromkeys(("random_prior_scale", "reward_weight"), (0, 100)),
        "identity_dropout": (0, 0.99),
        "identity_width": (0, 1024),
        "learning_rate": (1e-6, 1),
        "serving_temperature": (1e-3, 100),
        "target_tracks": (0, 65_536),
        "logged_candidates": (0, 256),
        **dict.fromkeys(("lambda_return", "behaviour_filter"), (0, 1)),
    }
    """What the dashboard's form, the API and `manage.py retrain` take."""

    updates: int = 1500
    """Gradient steps at most."""
    most_passes: int = 15
    """So often is each transition looked at, at most: a small log is learned by heart otherwise."""
    discount: float = 0.8
    """γ per track played within a session, 0 … 1; 0 makes it a contextual bandit."""
    compare_with_bandit: bool = True
    """Whether the bandit (discount 0) is trained beside, and served where looking ahead does not pay on held-out sessions."""
    n_steps: int = 3
    """Tracks whose reward is summed before the state that was reached is valued."""
    lambda_return: float = 0.0
    """λ, 0 … 1: above 0 the number of tracks is drawn anew each time, each further one with this chance; `n_steps` rests."""
    learning_rate: float = 1e-3
    """Adam's step size."""
    batch_size: int = 256
    """Transitions per update."""
    polyak: float = 0.01
    """Share of the online weights that enters the target network after each update."""
    conservative_weight: float = 0.02
    """α of α·(logsumexp Q − Q(a)) over what the request chose from: keeps Q of what was never tried low."""
    logged_candidates: int = 16
    """So many of the logged candidates, drawn once per slate, or of the catalogue where none were logged; 0 always takes
    `pool_size` tracks of the catalogue."""
    reward_weight: float = 1.0
    """Of the loss on the reward of the played track, which teaches the towers; 0 leaves them at their start."""
    next_track_weight: float = 1.0
    """How much what listeners play next by themselves counts beside Q: π ∝ p(next)^weight · exp(Q / temperature). Only plays
    without a recommendation teach it. 0 neither learns nor uses it."""
    heads: int = 5
    """Members of the ensemble; one is drawn for each request."""
    random_prior_scale: float = 0.1
    """Weight of each head's fixed random network: where nothing is known the heads disagree."""
    pool_size: int = 128
    """Tracks drawn per batch that stand for the open ones in targets and in the conservative term."""
    target_tracks: int = 0
    """0 values the next state by the track with which the session really went on. Above 0 it is the best of so many tracks of
    the pool (double Q): that overestimates what listeners will get."""
    behaviour_filter: float = 0.0
    """Above 0, of these only tracks that were shown, when they were candidates, at least this share as often as the one shown
    most often (as BCQ does): what was hardly ever tried can't be the best."""
    attention_heads: int = 4
    """Ways of weighing the past rows."""
    content_width: int = 48
    """Units of the track tower's hidden layer."""
    identity_width: int = 8
    """Dimensions of what listeners' answers say about a track, in each taste model; 0 switches them off."""
    taste_models: int = 5
    """Taste models found from as many random starts, one for each head where there are as many heads."""
    passed_over_weight: float = 0.3
    """What a track that was shown and passed over counts, against one that was played; 0 leaves such tracks out."""
    identity_dropout: float = 0.3
    """Share of tracks per update that must do without what listeners said about them, so that new tracks are scored well."""
    tower_width: int = 16
    """d: dimensions of ⟨f(s), g(a)⟩, per head."""
    slates_by_choice: bool = False
    """Whether slates are drawn by what each track adds to a slate of which one is chosen, or nothing, instead of by Q alone.
    The choice model is learned either way."""
    serving_temperature: float = 0.1
    """Of the softmax over Q at serving; in units of reward."""
    held_out_share: float = 0.25
    """Share of listeners whose later sessions judge the policy instead of teaching it."""
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    report_every_updates: int = 100
    """Distance between two points of the curves."""
    save_every_updates: int = 500
    """Distance between two states to resume from."""

    def __post_init__(self) -> None:
        """Refuses contradictions; what the learner is told is checked by the learner's own configuration."""
        for name in (
            *("updates", "most_passes", "n_steps", "pool_size", "attention_heads", "content_width", "tower_width"),
            "taste_models",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 1")
        for name in ("report_every_updates", "save_every_updates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 1")
        if self.device not in ("auto", "cpu") and not self.device.startswith("cuda"):
            raise ValueError(f"device is {self.device!r} and must be auto, cpu or cuda")
        for name in (
            *("identity_width", "target_tracks", "passed_over_weight", "logged_candidates"),
            *("reward_weight", "next_track_weight"),
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 0")
        for name in ("lambda_return", "behaviour_filter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must lie between 0 and 1")
        if self.lambda_return == 1:
            raise ValueError("lambda_return is 1 and must be below 1: some return has to end")
        if self.behaviour_filter > 0 and self.target_tracks == 0:
            raise ValueError("behaviour_filter chooses among target_tracks, which is 0")
        if self.target_tracks > self.pool_size:
            raise ValueError(f"target_tracks is {self.target_tracks} and must be at most pool_size, {self.pool_size}")
        if self.identity_width > self.tower_width:
            raise ValueError(f"identity_width is {self.identity_width} and must be at most tower_width, {self.tower_width}")
        if not 0 <= self.identity_dropout < 1:
            raise ValueError(f"identity_dropout is {self.identity_dropout} and must be at least 0 and below 1")
        if not 0 < self.held_out_share < 1:
            raise ValueError(f"held_out_share is {self.held_out_share} and must lie between 0 and 1")
        if not self.serving_temperature > 0:
            raise ValueError(f"serving_temperature is {self.serving_temperature} and must be above 0")
        self.learner()

    def updates_for(self, transitions: int) -> int:
        """Gradient steps on a log of this size, at least 20."""
        return min(self.updates, max(20, self.most_passes * transitions // self.batch_size))

    def learner(self, *, seed: int = 0, device: str = "cpu") -> LearnerConfiguration:
        """What `dqn.learner` is told."""
        return LearnerConfiguration(
            algorithm="double_q",
            discount=self.discount,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            polyak=self.polyak,
            conservative_weight=self.conservative_weight,
            heads=self.heads,
            seed=seed,
            device=device,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, as saved with the checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The configuration that `to_json` wrote; fields it does not know are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
