"""Pieces with their rewards as the learner takes them. Before: writing, rewards. After: dqn.replay, dqn.learner.

Shapes as in advantage.py; T = 2N steps. The prior is frozen, so its view of a stored piece never grows stale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.learning.relations import Related, relate_durations, relate_pitches
from composer.learning.writing import Written
from dqn.replay import Episodes

LISTED = 25
"""Tokens an episode lists at each step: every open one, as long as the range is not wider than three octaves."""


def episodes_of(
    written: Written, reward_BN: NDArray[np.float64], finished_BF: NDArray[np.float64], discount: float, steps: int
) -> Episodes:
    """Episodes of two steps per note, cut or padded to `steps`: first the pitch, then the duration, which earns the reward."""
    assert written.trace is not None
    notes = steps // 2
    kept = {name: _padded(tensor, notes) for name, tensor in written.trace.items() if name != "condition"}
    pitch_BN, duration_BN = kept["pitch"].long(), kept["duration"].long()
    listed_pitch, listed_duration = _list(kept, "pitch", pitch_BN), _list(kept, "duration", duration_BN)
    reward = torch.zeros(pitch_BN.shape)
    size = min(notes, reward_BN.shape[1])
    reward[:, :size] = torch.from_numpy(reward_BN[:, :size]).float()
    valid_BT = kept["valid"].repeat_interleave(2, dim=1)
    discount_BT = torch.full(valid_BT.shape, discount)
    length_B = written.trace["valid"].sum(dim=1)
    is_whole_B = length_B <= notes
    for row in torch.nonzero(is_whole_B).flatten().tolist():
        discount_BT[row, 2 * int(length_B[row]) - 1] = 0.0  # a piece that was cut goes on, and bootstraps
    names = ("body", "source_pitch", "source_duration", "rules")
    observation = {name: kept[name] for name in names}
    observation |= {"open_pitch": listed_pitch["token"], "open_duration": listed_duration["token"]}
    standing_BNS = kept["standing"].numpy()
    observation["related_pitch"] = _related(relate_pitches, listed_pitch["token"], standing_BNS)
    observation["related_duration"] = _related(relate_durations, listed_duration["token"], standing_BNS)
    observation["condition"] = written.trace["condition"]
    # How likely the kept part of a cut piece was is not known: it is as if surely written, and hardly imitated.
    observation["log_behaviour"] = torch.from_numpy(written.log_behaviour_B).float() * is_whole_B
    observation["finished"] = torch.from_numpy(finished_BF).float()
    return Episodes(
        observation=observation,
        mask_BTA=_interleave(listed_pitch["mask"], listed_duration["mask"]),
        # The taken token is listed first.
        action_BT=torch.zeros(valid_BT.shape, dtype=torch.int64),
        reward_BT=torch.stack([torch.zeros_like(reward), reward], dim=2).flatten(1),
        discount_BT=discount_BT,
        valid_BT=valid_BT,
        log_prior_BTA=_interleave(listed_pitch["log_prior"], listed_duration["log_prior"]),
    )


def _related(relate: Callable[..., Related], token_BNK: Tensor, standing_BNS: NDArray[np.int16]) -> Tensor:
    """Relations of the listed tokens, in half the memory."""
    return torch.from_numpy(relate(token_BNK.numpy(), standing_BNS)).half()


def _list(kept: dict[str, Tensor], kind: str, taken_BN: Tensor) -> dict[str, Tensor]:
    """The K listed tokens of a step: the taken one, then the open ones; with mask and log p₀."""
    rank_BNA = kept[f"{kind}_mask"].to(torch.uint8)
    rank_BNA = rank_BNA.scatter(-1, taken_BN.unsqueeze(-1), 2)
    token_BNK = rank_BNA.argsort(dim=-1, descending=True, stable=True)[..., :LISTED]
    mask_BNK = rank_BNA.gather(-1, token_BNK) > 0
    log_prior_BNK = kept[f"{kind}_log_prior"].gather(-1, token_BNK)
    return {"token": token_BNK.to(torch.uint8), "mask": mask_BNK, "log_prior": log_prior_BNK}


def _padded(tensor_BN: Tensor, notes: int) -> Tensor:
    """The first `notes` of each row, zeros behind."""
    padded = tensor_BN.new_zeros((tensor_BN.shape[0], notes, *tensor_BN.shape[2:]))
    size = min(notes, tensor_BN.shape[1])
    padded[:, :size] = tensor_BN[:, :size]
    return padded


def _interleave(pitch_BNK: Tensor, duration_BNK: Tensor) -> Tensor:
    """Pitch and duration steps in turn."""
    return torch.stack([pitch_BNK, duration_BNK], dim=2).flatten(1, 2)
