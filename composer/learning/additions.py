"""What G and foresight add to log p₀ at one note. Before: stepping, advantage, what is asked for. After: writing draws a token.

Shapes: B lines, N = 1 note, P pitches, K open ones, D durations, A either, F features, G features of wishes, H hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from composer.constraints import Plan
from composer.learning.advantage import Chosen, Foresight
from composer.learning.condition import TASTES, WISH_WEIGHTS, WISHED_NUMBERS, goals
from composer.learning.network import View
from composer.learning.relations import relate_durations, relate_pitches
from composer.learning.stepping import AdvantageStep, PriorStep
from composer.tokens import DURATION_COUNT

Whole = NDArray[np.int64]
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
        prior: PriorStep,
        advantage: AdvantageStep | None,
        foresight: Foresight | None,
        wish_gain: float,
        farness_B1: NDArray[np.float32],
        rules_BR: NDArray[np.float32],
        standing_BS: NDArray[np.int16],
        condition_BC: NDArray[np.float32],
        asked: Asked | None,
    ) -> None:
        self.prior, self.standing_BS, self.asked = prior, standing_BS, asked
        self.advantage, self.foresight, self.wish_gain = advantage, foresight, wish_gain
        self.farness_B1 = farness_B1
        if advantage is not None:
            advantage.look(prior, rules_BR, condition_BC)
        if foresight is not None and asked is not None:
            body_BNH, rules_BNR = (torch.from_numpy(each).unsqueeze(1) for each in (prior.bodies(), rules_BR))
            sources = (torch.from_numpy(each).unsqueeze(1) for each in (prior.source_pitch_BS, prior.source_duration_BS))
            self.view = View(body_BNH, *sources)
            self.seen = foresight.look(body_BNH, rules_BNR, torch.from_numpy(condition_BC))
            self.state_B1G = foresight.state(self.seen)[:, :, WISHED_NUMBERS]

    def pitches(self, open_K: Whole) -> NDArray[np.float32] | None:
        """Of the pitches that are open in any line, BP; 0 of the others, which are closed."""
        if self.advantage is None:
            return None
        related_BKJ = relate_pitches(open_K, self.standing_BS)
        g_BP = self.advantage.pitches(self.prior, open_K, related_BKJ) / self.farness_B1
        if self.foresight is not None and self.asked is not None:
            listed_BNK = torch.from_numpy(open_K).expand(len(g_BP), 1, -1)
            related_BNKJ = torch.from_numpy(related_BKJ).unsqueeze(1)
            body_BKH = self.foresight.pitch_bodies(self.seen, self.view, listed_BNK, related_BNKJ)[:, 0]
            g_BP[:, open_K] += self._foreseen(body_BKH, self.foresight.pitch_out, self.asked)
        return g_BP

    def durations(self, pitch_B: Whole) -> NDArray[np.float32] | None:
        """Of each duration of these pitches, BD."""
        if self.advantage is None:
            return None
        chosen_BJ = np.ascontiguousarray(relate_pitches(pitch_B[:, None], self.standing_BS)[:, 0])
        related_BDL = relate_durations(ALL_DURATIONS, self.standing_BS)
        g_BD = self.advantage.durations(self.prior, pitch_B, chosen_BJ, related_BDL) / self.farness_B1
        if self.foresight is not None and self.asked is not None:
            chosen = Chosen(torch.from_numpy(pitch_B).unsqueeze(1), torch.from_numpy(chosen_BJ).unsqueeze(1))
            related_BNDL = torch.from_numpy(related_BDL).unsqueeze(1)
            body_BDH = self.foresight.duration_bodies(
                self.seen, chosen, self.view, torch.from_numpy(ALL_DURATIONS)[None, None], related_BNDL
            )[:, 0]
            g_BD += self._foreseen(body_BDH, self.foresight.duration_out, self.asked)
        return g_BD

    def _foreseen(self, body_BAH: Tensor, out: nn.Linear, asked: Asked) -> NDArray[np.float32]:
        """What the foreseen piece is worth to taste and wishes, BA: u · ψ, less what it would miss of each goal."""
        liking_BA = torch.matmul(body_BAH, (asked.taste_BF @ out.weight).unsqueeze(-1)).squeeze(-1)
        # u · ψ leaves out what all tokens share; a goal is missed by what the piece will be in all.
        wished = torch.matmul(body_BAH, out.weight[WISHED_NUMBERS].T) + out.bias[WISHED_NUMBERS] + self.state_B1G
        missed_BAG = (wished - asked.goal_BG.unsqueeze(1)).abs() * asked.weight_BG.unsqueeze(1)
        worth_BA: NDArray[np.float32] = (liking_BA - self.wish_gain * missed_BAG.sum(dim=-1)).numpy()
        return worth_BA
