"""The networks of the accompanist: prior over chords, and G. Before: state.py. After: training.py, policy.py. Loads torch.

Shapes: B melodies, T half bars, A chords, F features, D dials.
Chords before: the last, the one before it, how long it is held."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.accompaniment.chords import COUNT
from composer.accompaniment.state import DIALS, FEATURES, LONGEST_HELD

CONTEXT = 2 * (COUNT + 1) + LONGEST_HELD


def see(features_F: Tensor, before_3: Tensor) -> Tensor:
    """Features beside one-hot chords before, whatever stands in front: …F and …3 give …(F + CONTEXT)."""
    last, earlier, held = before_3.unbind(dim=-1)
    parts = [
        features_F,
        nn.functional.one_hot(last, COUNT + 1).to(features_F.dtype),
        nn.functional.one_hot(earlier, COUNT + 1).to(features_F.dtype),
        nn.functional.one_hot(held, LONGEST_HELD).to(features_F.dtype),
    ]
    return torch.cat(parts, dim=-1)


class ChordPrior(nn.Module):
    """log p₀ of the next chord, up to a constant: what Bach would do."""

    def __init__(self, hidden: int = 192, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(0.3 * dropout),
            nn.Linear(FEATURES + CONTEXT, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, COUNT),
        )

    def forward(self, features_F: Tensor, before_3: Tensor) -> Tensor:
        """Logits, …A."""
        logits: Tensor = self.layers(see(features_F, before_3))
        return logits


class ChordAdvantage(nn.Module):
    """G of each chord: what the policy adds to the prior. 0 everywhere at the start."""

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        last = nn.Linear(hidden, COUNT)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(
            nn.Linear(FEATURES + CONTEXT + len(DIALS), hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last
        )

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """G, …A."""
        seen = see(observation["features"], observation["before"])
        g: Tensor = self.layers(torch.cat([seen, observation["dials"]], dim=-1))
        return g
