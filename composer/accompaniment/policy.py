"""Chooses chords with trained networks. Before: training.py. After: composing, evaluation. Loads torch: for workers only.

Shapes: B melodies, T half bars, A chords. A harmonisation is a function of checkpoint, melody, dials and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.accompaniment.chords import COUNT, NONE
from composer.accompaniment.network import ChordAdvantage, ChordPrior
from composer.accompaniment.rewards import reward
from composer.accompaniment.state import DIALS, FEATURES, LONGEST_HELD, Task, observe
from composer.accompaniment.symbols import Bars
from dqn.checkpoint import BrokenCheckpoint, Checkpoint, read_checkpoint
from dqn.targets import close, log_masked_prior, log_policy
from music.notes import Melody

KIND = "chords"
CANDIDATES = 24
"""Harmonisations drawn at once; the one with the highest reward plus log p₀, the policy's own aim, is kept."""
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Harmonised:
    """The chords of B melodies, and what every step looked like."""

    chords_BT: Whole
    log_prior_B: Floats
    """log p₀ under the masks, in nats."""
    kl_B: Floats
    """Sum over the steps of KL(π ‖ masked p₀)."""
    before_BT3: Whole
    log_prior_BTA: NDArray[np.float32]
    """Logits of the prior."""


@dataclass(frozen=True, kw_only=True)
class ChordPolicy:
    """A prior and G; without G the prior under its masks."""

    prior: ChordPrior
    advantage: ChordAdvantage | None = None
    algorithm: str = "kl_residual"
    temperature: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)

    def harmonise(
        self, melody: Melody, *, seed: int, dials: Sequence[float] = (0.0, 0.0), given: Bars = ()
    ) -> tuple[Task, Whole, dict[str, Any]]:
        """The task, its chords T, and figures about them. The same arguments give the same chords."""
        torch.set_num_threads(1)
        task = observe(melody, given)
        dials_D = np.asarray(dials, dtype=np.float64)
        generator = np.random.default_rng([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF])
        drawn = self.draw([task] * CANDIDATES, np.tile(dials_D, (CANDIDATES, 1)), generator)
        rewards_B = np.array([reward(task, chords_T, dials_D).sum() for chords_T in drawn.chords_BT])
        best = int(np.argmax(rewards_B + drawn.log_prior_B))
        figures = {
            "reward": float(rewards_B[best]),
            "log_prior": float(drawn.log_prior_B[best]),
            "kl_per_step": float(drawn.kl_B[best]) / len(task.cut),
            "relaxed": list(task.relaxed),
        }
        return task, drawn.chords_BT[best], figures

    @torch.no_grad()
    def draw(self, tasks: Sequence[Task], dials_BD: Floats, generator: np.random.Generator) -> Harmonised:
        """One harmonisation for each task, drawn from π; shorter ones are padded with the chord NONE."""
        count, longest = len(tasks), max(len(task.cut) for task in tasks)
        features_BTF, open_BTA = pad_tasks(tasks, longest)
        features, dials = torch.from_numpy(features_BTF), torch.from_numpy(dials_BD).float()
        chords_BT = np.full((count, longest), NONE, dtype=np.int64)
        before_BT3 = np.zeros((count, longest, 3), dtype=np.int64)
        log_prior_BTA = np.zeros((count, longest, COUNT), dtype=np.float32)
        log_prior_B, kl_B = np.zeros(count), np.zeros(count)
        before_B3 = np.tile(np.array([NONE, NONE, 0]), (count, 1))
        lengths_B, rows = np.array([len(task.cut) for task in tasks]), np.arange(count)
        for step in range(longest):
            before_BT3[:, step] = before_B3
            before = torch.from_numpy(before_B3)
            logits_BA = self.prior(features[:, step], before)
            mask_BA = torch.from_numpy(open_BTA[:, step])
            prior_BA = log_masked_prior(logits_BA, mask_BA)
            pi_BA = self._log_policy(features[:, step], before, dials, logits_BA, mask_BA)
            chances_BA = pi_BA.double().exp().numpy()
            cumulative_BA = chances_BA.cumsum(axis=1)
            uniform_B = generator.random(count)
            chosen_B = (cumulative_BA < uniform_B[:, None] * cumulative_BA[:, -1:]).sum(axis=1)
            is_live_B = step < lengths_B
            log_prior_BTA[:, step] = logits_BA.numpy()
            log_prior_B += np.where(is_live_B, prior_BA.numpy()[rows, chosen_B], 0.0)
            divergence_BA = np.where(open_BTA[:, step], (pi_BA - prior_BA).double().numpy(), 0.0)
            kl_B += np.where(is_live_B, (chances_BA * divergence_BA).sum(axis=1), 0.0)
            chords_BT[:, step] = np.where(is_live_B, chosen_B, NONE)
            before_B3 = follow(before_B3, chosen_B)
        return Harmonised(
            chords_BT=chords_BT, log_prior_B=log_prior_B, kl_B=kl_B, before_BT3=before_BT3, log_prior_BTA=log_prior_BTA
        )

    def _log_policy(
        self, features_BF: Tensor, before_B3: Tensor, dials_BD: Tensor, logits_BA: Tensor, mask_BA: Tensor
    ) -> Tensor:
        if self.advantage is None:
            return log_masked_prior(logits_BA, mask_BA)
        g_BA = self.advantage({"features": features_BF, "before": before_B3, "dials": dials_BD})
        if self.algorithm in ("q", "double_q", "psi"):
            # Their Q holds log p₀ already; Ψ is drawn from as it is, Q is played greedily but for a low temperature.
            return torch.log_softmax(close(g_BA / (self.temperature if self.algorithm == "psi" else 0.1), mask_BA), dim=-1)
        return log_policy(g_BA, logits_BA, mask_BA, self.temperature)


def follow(before_B3: Whole, chosen_B: Whole) -> Whole:
    """The chords before the next half bar, after these were chosen."""
    last_B, earlier_B, held_B = before_B3.T
    is_same_B = last_B == chosen_B
    held_B = np.where(is_same_B, np.minimum(held_B + 1, LONGEST_HELD - 1), 0)
    return np.stack([chosen_B, np.where(is_same_B, earlier_B, last_B), held_B], axis=1)


def context_of(chords_T: Whole) -> Whole:
    """The chords before each half bar of a finished harmonisation, T3."""
    before_13 = np.array([[NONE, NONE, 0]])
    rows = []
    for chord in chords_T:
        rows.append(before_13[0])
        before_13 = follow(before_13, np.array([chord]))
    return np.array(rows, dtype=np.int64)


def pad_tasks(tasks: Sequence[Task], longest: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features BTF and open chords BTA of tasks of different lengths; every chord is open in the padding."""
    features_BTF = np.zeros((len(tasks), longest, FEATURES), dtype=np.float32)
    open_BTA = np.ones((len(tasks), longest, COUNT), dtype=bool)
    for row, task in enumerate(tasks):
        features_BTF[row, : len(task.cut)] = task.features_TF
        open_BTA[row, : len(task.cut)] = task.open_TA
    return features_BTF, open_BTA


def load_policy(kind: str, folder: Path | None) -> ChordPolicy:
    """The policy of a version; BrokenCheckpoint where the folder holds none of this kind."""
    if kind != KIND:
        raise ValueError(f"an accompanist is {KIND!r}, not {kind!r}")
    if folder is None:
        raise BrokenCheckpoint("an accompanist needs the folder of its checkpoint")
    return policy_of(read_checkpoint(folder))


def policy_of(checkpoint: Checkpoint) -> ChordPolicy:
    """The policy of a checkpoint that was read."""
    settings = checkpoint.configuration
    prior, advantage = ChordPrior(hidden=settings["hidden"]), ChordAdvantage()
    for network, prefix in ((prior, "prior."), (advantage, "advantage.")):
        chosen = {name.removeprefix(prefix): value for name, value in checkpoint.weights.items() if name.startswith(prefix)}
        try:
            network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in chosen.items()})
        except RuntimeError as error:
            raise BrokenCheckpoint(f"the weights don't fit this version's networks: {error}") from error
    return ChordPolicy(
        prior=prior.eval(),
        advantage=advantage.eval(),
        algorithm=settings["algorithm"],
        temperature=settings["temperature"],
        settings=settings,
    )


__all__ = ["DIALS", "ChordPolicy", "Harmonised", "context_of", "load_policy", "pad_tasks", "policy_of"]
