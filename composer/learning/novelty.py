"""What a piece costs that was written again and again lately. Before: rollouts. After: policy_training adds it to the reward.

Rules alone have a best piece, and a learner finds it: this keeps many good ones (a count-based bonus, Bellemare et al. 2016,
arXiv 1606.01868, on whole pieces). Shapes: n pieces, D = 32 bytes of each one's sha256."""

from __future__ import annotations

import math
from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

DIGEST_BYTES = 32


class Novelty:
    """The latest pieces, and how often each was among them."""

    def __init__(self, weight: float, remembered_pieces: int = 4000) -> None:
        self.weight, self.remembered_pieces = weight, remembered_pieces
        self._latest: deque[bytes] = deque()
        self._counts: Counter[bytes] = Counter()

    def cost(self, melody: Melody) -> float:
        """Nats: `weight` · log(1 + how often it was written lately). Remembers the piece."""
        digest = bytes.fromhex(melody.content_hash())
        cost = self.weight * math.log1p(self._counts[digest])
        self._add(digest)
        return cost

    @property
    def remembered_nD(self) -> NDArray[np.uint8]:
        """The latest pieces, oldest first: what a resumed training has to know."""
        return np.frombuffer(b"".join(self._latest), dtype=np.uint8).reshape(len(self._latest), DIGEST_BYTES)

    def remember(self, remembered_nD: NDArray[np.uint8]) -> None:
        """Takes in what was remembered before."""
        for digest in remembered_nD:
            self._add(digest.tobytes())

    def _add(self, name: bytes) -> None:
        self._latest.append(name)
        self._counts[name] += 1
        if len(self._latest) > self.remembered_pieces:
            oldest = self._latest.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
