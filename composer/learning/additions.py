"""What G and foresight add to log p₀ at one note. Before: advantage, what is asked for. After: writing draws a token.

Shapes: B lines, N = 1 note, P pitches, K open ones, D durations, A either, F features, G features of wishes, H hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from composer.constraints import Plan
from composer.learning.advantage import Advantage, Chosen, Foresight
from composer.learning.condition import TASTES, WISH_WEIGHTS, WISHED_NUMBERS, goals
from composer.learning.network import View
from composer.learning.relations import relate_durations, relate_pitches
from composer.tokens import DURATION_COUNT, PITCH_COUNT

ALL_DURATIONS = np.arange(DURATION_COUNT)


class Asked(NamedTuple):
    """What foresight is asked for: a taste in nats per standard deviation, and the goals of graded wishes."""

    taste_BF: Tensor
    goal_BG: Tensor
    weight_BG: Tensor
    """How much each goal counts; 0 where nothing is asked."""

    @classmethod
    def of(cls, plans: Sequence[Plan], taste_BF: NDArray[np.float64] | None) -> Asked | None:
        """None where nobody asks for anything."""
        goal_BG = torch.from_numpy(np.stack([goals(plan) for plan in plans])).float()
        is_wished_BG = ~goal_BG.isnan()
        has_taste = taste_BF is not None and bool(taste_BF.any())
        if not has_taste and not bool(is_wished_BG.any()):
            return None
        taste = torch.zeros(len(plans), TASTES) if taste_BF is None else torch.from_numpy(taste_BF).float()
        return cls(taste, goal_BG.nan_to_num(), (is_wished_BG * torch.tensor(WISH_WEIGHTS)).float())


class Added:
    """What G and foresight add to log p₀ at one note; None where there is neither."""

    def __init__(
        self,
        advantage: Advantage | None,
        foresight: Foresight | None,
        wish_gain: float,
        view: View,
        rules_BNR: Tensor,
        standing_BNS: NDArray[np.int16],
        condition_BC: Tensor,
        asked: Asked | None,
    ) -> None:
        self.view, self.standing_BNS, self.asked = view, standing_BNS, asked
        self.advantage, self.foresight, self.wish_gain = advantage, foresight, wish_gain
        if self.advantage is not None:
            self.shared = self.advantage.look(view.body_BNH, rules_BNR, condition_BC)
        if self.foresight is not None and asked is not None:
            self.seen = self.foresight.look(view.body_BNH, rules_BNR, condition_BC)
            self.state_B1G = self.foresight.state(self.seen)[:, :, WISHED_NUMBERS]

    def pitches(self, open_K: NDArray[np.int64]) -> Tensor | None:
        """Of the pitches that are open in any line, BP; 0 of the others, which are closed."""
        if self.advantage is None:
            return None
        self.open_K, self.related_BNKJ = open_K, relate_pitches(open_K, self.standing_BNS)
        related_BNKJ, listed_K = torch.from_numpy(self.related_BNKJ), torch.from_numpy(open_K)
        listed_BNK = listed_K.expand(len(self.standing_BNS), 1, -1)
        g_BK = self.advantage.pitches(self.shared, self.view, related_BNKJ, listed_BNK)[:, 0]
        if self.foresight is not None and self.asked is not None:
            body_BKH = self.foresight.pitch_bodies(self.seen, self.view, listed_BNK, related_BNKJ)[:, 0]
            g_BK = g_BK + self._foreseen(body_BKH, self.foresight.pitch_out, self.asked)
        return g_BK.new_zeros(len(g_BK), PITCH_COUNT).index_copy_(1, listed_K, g_BK)

    def durations(self, pitch_BN: Tensor) -> Tensor | None:
        """Of each duration of these pitches, BD."""
        if self.advantage is None:
            return None
        chosen = Chosen(pitch_BN, torch.from_numpy(self._related(pitch_BN.numpy())))
        related_BNDL = torch.from_numpy(relate_durations(ALL_DURATIONS, self.standing_BNS))
        g_BD = self.advantage.durations(self.shared, chosen, self.view, related_BNDL)[:, 0]
        if self.foresight is None or self.asked is None:
            return g_BD
        body_BDH = self.foresight.duration_bodies(
            self.seen, chosen, self.view, torch.from_numpy(ALL_DURATIONS)[None, None], related_BNDL
        )[:, 0]
        return g_BD + self._foreseen(body_BDH, self.foresight.duration_out, self.asked)

    def _related(self, pitch_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Relations of the chosen pitches to their lines, BNJ."""
        place_B = np.searchsorted(self.open_K, pitch_BN[:, 0]).clip(0, len(self.open_K) - 1)
        if (self.open_K[place_B] == pitch_BN[:, 0]).all():
            return self.related_BNKJ[np.arange(len(place_B)), :, place_B]
        # A given note may be one that is closed.
        return relate_pitches(pitch_BN[..., None], self.standing_BNS)[:, :, 0]

    def _foreseen(self, body_BAH: Tensor, out: nn.Linear, asked: Asked) -> Tensor:
        """What the foreseen piece is worth to taste and wishes, BA: u · ψ, less what it would miss of each goal."""
        liking_BA = torch.matmul(body_BAH, (asked.taste_BF @ out.weight).unsqueeze(-1)).squeeze(-1)
        # u · ψ leaves out what all tokens share; a goal is missed by what the piece will be in all.
        wished = torch.matmul(body_BAH, out.weight[WISHED_NUMBERS].T) + out.bias[WISHED_NUMBERS] + self.state_B1G
        missed_BAG = (wished - asked.goal_BG.unsqueeze(1)).abs() * asked.weight_BG.unsqueeze(1)
        worth_BA: Tensor = liking_BA - self.wish_gain * missed_BAG.sum(dim=-1)
        return worth_BA
