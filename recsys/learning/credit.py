"""What came after each played track, along the logged session. Before: replay_dataset.py. After: lookahead.py, training.py.

Letters: N transitions. Those of a session stand from its last to its first: the one before in the array came after in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.learning.replay_dataset import ReplayDataset


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Transitions over several tracks: the summed reward, and where and with which track the session then went on."""

    reward_N: NDArray[np.float32]
    discount_N: NDArray[np.float32]
    """γ per track; 0 where the session ended before."""
    next_state_N: NDArray[np.int64]
    next_track_N: NDArray[np.int64]
    """Row of the table; −1 where nothing followed, or not yet."""


def follows_of(dataset: ReplayDataset) -> NDArray[np.bool_]:
    """Where the session went on with the transition that stands before this one."""
    follows = np.zeros(len(dataset.state_N), dtype=np.bool_)
    follows[1:] = (dataset.next_state_N[1:] == dataset.state_N[:-1]) & (dataset.listener_N[1:] == dataset.listener_N[:-1])
    # A session that is over has its own last state as the next one.
    follows[1:] &= dataset.next_state_N[1:] != dataset.state_N[1:]
    return follows


def returns_of(dataset: ReplayDataset) -> NDArray[np.float64]:
    """Discounted sum of rewards from each transition to the end of its session, as far as it was seen."""
    follows = follows_of(dataset)
    returns = dataset.reward_N.astype(np.float64)
    for at in np.flatnonzero(follows):
        returns[at] += dataset.discount_N[at] * returns[at - 1]
    return returns


def steps_of(dataset: ReplayDataset, count: int) -> Steps:
    """Transitions over up to `count` tracks, fewer where the session ends or is still going on."""
    at = np.flatnonzero(follows_of(dataset))
    track_N = np.full(len(dataset.state_N), -1)
    track_N[at] = dataset.track_N[at - 1]
    one = Steps(
        reward_N=dataset.reward_N,
        discount_N=dataset.discount_N,
        next_state_N=dataset.next_state_N,
        next_track_N=track_N,
    )
    steps = one
    for _ in range(count - 1):
        reward_N, discount_N = one.reward_N.copy(), one.discount_N.copy()
        next_state_N, next_track_N = one.next_state_N.copy(), one.next_track_N.copy()
        reward_N[at] += one.discount_N[at] * steps.reward_N[at - 1]
        discount_N[at] *= steps.discount_N[at - 1]
        next_state_N[at], next_track_N[at] = steps.next_state_N[at - 1], steps.next_track_N[at - 1]
        steps = Steps(reward_N=reward_N, discount_N=discount_N, next_state_N=next_state_N, next_track_N=next_track_N)
    return steps
