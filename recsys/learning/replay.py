"""The training part of a replay dataset on the device, gathered in batches. Before: replay_dataset.py. After: training.py.

Letters: B batch, K listed tracks, A pool, N transitions, T tracks, Z dimensions of all taste models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dqn.replay import Replay, Transitions
from recsys.learning.alternatives import Returns, rivals, scattered, tried, valued_by
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.factors import LeftOut
from recsys.learning.network import observe
from recsys.learning.next_choices import NextChoices
from recsys.learning.replay_dataset import ReplayDataset


@dataclass(frozen=True, kw_only=True)
class Played(Transitions):
    """Transitions over several tracks, with the reward of the first alone."""

    own_reward_B: Tensor
    next_choice: dict[str, Tensor] | None = None
    """What the rows of other listeners' moments said of what they then chose, as `NextChoices` has it."""


class Gathering:
    """Batches out of tables that all transitions share; choices of what is played next beside them."""

    def __init__(
        self,
        dataset: ReplayDataset,
        configuration: RecommenderConfiguration,
        left_out: LeftOut,
        device: str,
        choices: NextChoices | None,
    ) -> None:
        self.configuration, self.device = configuration, device

        def tables(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
            return {name: torch.as_tensor(array, device=device) for name, array in arrays.items()}

        chosen = np.flatnonzero(~dataset.is_held_out_N)
        self.count = len(chosen)
        self.returns = Returns(dataset, configuration, chosen, device)
        self.states = tables(dataset.states)
        columns: dict[str, NDArray[Any]] = {
            "state": dataset.state_N,
            "track": dataset.track_N,
            "own_reward": dataset.reward_N,
            "candidates": dataset.candidate_NK,
        }
        self.rows = tables({name: column[chosen] for name, column in columns.items()})
        self.without_own = tables({"taken_identity_BZ": left_out.vector_NZ, "taken_popularity_B": left_out.bias_N})
        self.chosen_next = tables({} if choices is None or not len(choices) else choices.named())
        recommendable = np.flatnonzero(dataset.table.recommendable_T)
        self.open_tracks = torch.as_tensor(
            recommendable if len(recommendable) else np.arange(len(dataset.table)), device=device
        )
        self.share_T = torch.as_tensor(dataset.shown_share_T, device=device)
        batch_and_pool = (configuration.batch_size, configuration.pool_size)
        self.whole_pool_BA = torch.ones(batch_and_pool, dtype=torch.bool, device=device)
        self.first_B = torch.zeros(configuration.batch_size, dtype=torch.int64, device=device)
        self.place_A = torch.arange(configuration.pool_size, device=device)

    def replay(self) -> Replay[Played]:
        """What the learner draws from."""
        return Replay.from_gather(self.count, self.gather, self.device)

    def gather(self, index_B: Tensor) -> Played:
        """The transitions of these numbers."""
        configuration, place_A = self.configuration, self.place_A
        pool_A = self.open_tracks[scattered(index_B, place_A) % len(self.open_tracks)]
        taken_B = self.rows["track"][index_B]
        reward_B, discount_B, next_state_B, next_track_B = self.returns.at(index_B)
        beside: dict[str, Tensor] = {"pool_A": pool_A}
        mask_BA = self.whole_pool_BA
        if configuration.logged_candidates > 0:
            listed_BK, mask_BA = rivals(self.rows["candidates"][index_B], taken_B, pool_A)
            beside = {"listed_BA": listed_BK}
        tried_A = tried(self.share_T[pool_A], configuration.target_tracks, configuration.behaviour_filter)
        return Played(
            observation=observe(self.states, self.rows["state"][index_B])
            | beside
            | {"taken_B": taken_B}
            | {name: known[index_B] for name, known in self.without_own.items()},
            mask_BA=torch.cat([self.first_B[:, None] == 0, mask_BA], dim=1),
            action_B=self.first_B,
            own_reward_B=self.rows["own_reward"][index_B],
            reward_B=reward_B,
            discount_B=discount_B,
            next_observation=observe(self.states, next_state_B) | {"pool_A": pool_A, "taken_B": next_track_B.clamp(min=0)},
            next_mask_BA=valued_by(next_track_B >= 0, place_A, configuration.target_tracks, tried_A),
            next_choice={name: seen[index_B % len(seen)] for name, seen in self.chosen_next.items()} or None,
        )
