"""What a logged transition is compared with: returns of several lengths, what else was open. Before: credit.py, behaviour.py.

After: replay.py. Letters: B batch, K listed tracks, N transitions, S numbers of steps, A pool."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.credit import steps_of
from recsys.learning.replay_dataset import ReplayDataset

MOST_STEPS = 12
"""Of a λ-return: what lies further ahead is bootstrapped."""


class Returns:
    """Transitions over `n_steps` tracks, or over a number of tracks that is drawn anew whenever one is looked at.

    Each further track with chance λ: the mean over such targets is the λ-return (Sutton & Barto 2018, equation 12.3).
    """

    def __init__(
        self, dataset: ReplayDataset, configuration: RecommenderConfiguration, chosen: NDArray[np.int64], device: str
    ) -> None:
        self.lambda_return = configuration.lambda_return
        counts = range(1, MOST_STEPS + 1) if self.lambda_return > 0 else (configuration.n_steps,)
        steps = [steps_of(dataset, count) for count in counts]

        def column(name: str) -> Tensor:
            return torch.as_tensor(np.stack([getattr(each, name)[chosen] for each in steps]), device=device)

        self.reward_SN, self.discount_SN = column("reward_N"), column("discount_N")
        self.next_state_SN, self.next_track_SN = column("next_state_N"), column("next_track_N")

    def at(self, index_B: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(reward, discount, next state, next track or −1) of each row."""
        steps_B = torch.zeros_like(index_B)
        if self.lambda_return > 0:
            steps_B = drawn_steps(scattered(index_B, torch.arange(len(index_B), device=index_B.device)), self.lambda_return)
        columns = (self.reward_SN, self.discount_SN, self.next_state_SN, self.next_track_SN)
        reward_B, discount_B, next_state_B, next_track_B = (column_SN[steps_B, index_B] for column_SN in columns)
        return reward_B, discount_B, next_state_B, next_track_B


def drawn_steps(number_B: Tensor, lambda_return: float) -> Tensor:
    """How many tracks beyond the first, 0 … MOST_STEPS − 1, geometrically, from numbers of 31 random bits."""
    uniform_B = (number_B.double() + 0.5) / 2.0**31
    return (uniform_B.log() / math.log(lambda_return)).long().clamp(max=MOST_STEPS - 1)


def scattered(index_B: Tensor, place_A: Tensor) -> Tensor:
    """Numbers drawn from the batch's own random indices: no generator whose state a resumed run must keep."""
    mixed_A = (index_B[place_A % len(index_B)] + 1) * 2654435761 + index_B.sum() * 40503 + place_A * 7919
    return (mixed_A ^ (mixed_A >> 15)) & 0x7FFFFFFF


def rivals(candidate_BK: Tensor, taken_B: Tensor, pool_A: Tensor) -> tuple[Tensor, Tensor]:
    """(listed_BK, mask_BK) of the conservative term: what the request chose from, the taken track left out.

    Where nothing was logged, tracks of the pool stand in.
    """
    is_logged_B1 = (candidate_BK >= 0).any(dim=1, keepdim=True)
    drawn_K = pool_A[torch.arange(candidate_BK.shape[1], device=pool_A.device) % len(pool_A)]
    listed_BK = torch.where(is_logged_B1, candidate_BK.clamp(min=0), drawn_K)
    mask_BK = (~is_logged_B1 | (candidate_BK >= 0)) & (listed_BK != taken_B[:, None])
    return listed_BK, mask_BK


def valued_by(went_on_B: Tensor, place_A: Tensor, target_tracks: int, tried_A: Tensor) -> Tensor:
    """Which of (the logged next track, the pool's tracks) may stand for the next choice.

    Along the log: the logged one, and where the session is still going on one track drawn at random. Else the best of the first
    `target_tracks` of the pool, of those that were tried.
    """
    if target_tracks > 0:
        best_BA = ((place_A < target_tracks) & tried_A).expand(len(went_on_B), -1)
        return torch.cat([torch.zeros_like(went_on_B)[:, None], best_BA], dim=1)
    return torch.cat([went_on_B[:, None], ~went_on_B[:, None] & (place_A == 0)], dim=1)


def tried(share_A: Tensor, target_tracks: int, behaviour_filter: float) -> Tensor:
    """Which tracks were shown at least `behaviour_filter` times as often as the one shown most often of the `target_tracks`.

    The filter of discrete BCQ (Fujimoto et al. 2019, arXiv 1910.01708, equation 5), with shares of the log for its imitation.
    """
    if target_tracks == 0 or behaviour_filter == 0:
        return torch.ones_like(share_A, dtype=torch.bool)
    return share_A >= behaviour_filter * share_A[:target_tracks].max()
