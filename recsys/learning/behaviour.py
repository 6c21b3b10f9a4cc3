"""What the policies of the log chose from, and how often they showed each track. Before: replay_dataset.py. After: training.py.

Letters: T tracks, N transitions, K kept candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHRINKAGE_SLATES = 5.0
"""A track counts as if it had been a candidate so often more, and shown as the average track is."""


class Behaviour:
    """Grows slate by slate."""

    def __init__(self, tracks: int, kept: int) -> None:
        self.kept = kept
        self.listed_T = np.zeros(tracks)
        self.shown_T = np.zeros(tracks)
        self.of_transition: dict[int, NDArray[np.int64]] = {}

    def add(self, slate_id: int, candidates_n: NDArray[np.int64], shown: Sequence[int], transitions: Sequence[int]) -> None:
        """Rows of the table of one slate's candidates and of what was shown, and the transitions that it led to."""
        np.add.at(self.listed_T, candidates_n, 1.0)
        np.add.at(self.shown_T, np.asarray(shown, dtype=np.int64), 1.0)
        if not transitions or not self.kept or not len(candidates_n):
            return
        # Drawn by the slate's own number: the same ones in every run.
        chosen = np.random.default_rng([slate_id]).permutation(candidates_n)[: self.kept]
        for transition in transitions:
            self.of_transition[transition] = chosen

    def candidates(self, transitions: int) -> NDArray[np.int64]:
        """candidate_NK: rows of the table, −1 where no (more) candidates were logged."""
        candidate_NK = np.full((transitions, self.kept), -1, dtype=np.int64)
        for transition, chosen in self.of_transition.items():
            candidate_NK[transition, : len(chosen)] = chosen
        return candidate_NK

    def shares(self) -> NDArray[np.float32]:
        """share_T: how often each track was shown, of the times it was a candidate."""
        usual = self.shown_T.sum() / max(1.0, self.listed_T.sum())
        share_T = (self.shown_T + SHRINKAGE_SLATES * usual) / (self.listed_T + SHRINKAGE_SLATES)
        return np.asarray(share_T, dtype=np.float32)
