"""What a piece costs that was written again and again lately. Before: rollouts. After: policy_training adds it to the reward.

Rules alone have a best piece, and a learner finds it: this keeps many good ones (a count-based bonus, Bellemare et al. 2016,
arXiv 1606.01868, on whole pieces)."""

from __future__ import annotations

import math
from collections import Counter, deque

from music.notes import Melody


class Novelty:
    """The latest pieces, and how often each was among them."""

    def __init__(self, weight: float, remembered_pieces: int = 4000) -> None:
        self.weight, self.remembered_pieces = weight, remembered_pieces
        self._latest: deque[str] = deque()
        self._counts: Counter[str] = Counter()

    def cost(self, melody: Melody) -> float:
        """Nats: `weight` · log(1 + how often it was written lately). Remembers the piece."""
        name = melody.content_hash()
        cost = self.weight * math.log1p(self._counts[name])
        self._latest.append(name)
        self._counts[name] += 1
        if len(self._latest) > self.remembered_pieces:
            oldest = self._latest.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        return cost
