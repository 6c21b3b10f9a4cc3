"""What G and foresight add to log p₀ at one note. Before: stepping, foreseeing. After: writing draws a token.

Shapes: B lines, W of them that still grow, P pitches, D durations, K open in any line, J, L relations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.learning.foreseeing import ForesightStep
from composer.learning.relations import relate_durations, relate_pitches
from composer.learning.stepping import AdvantageStep, PriorStep, Scores, Whole

Mask = NDArray[np.bool_]


class Added:
    """What G and foresight add to log p₀ at one note; None where there is neither."""

    def __init__(
        self,
        prior: PriorStep,
        advantage: AdvantageStep | None,
        foresight: ForesightStep | None,
        farness_B1: Scores,
        rules_BR: Scores,
        standing_BS: NDArray[np.int16],
        condition_BC: Scores,
    ) -> None:
        self.prior, self.standing_BS, self.farness_B1 = prior, standing_BS, farness_B1
        self.advantage, self.foresight = advantage, foresight
        if advantage is None:
            return
        live_W = prior.live_W
        seen_WX = np.concatenate([prior.body_WH, rules_BR[live_W], condition_BC[live_W]], axis=1)
        advantage.look(seen_WX)
        if foresight is not None:
            foresight.look(seen_WX)

    def pitches(self, open_BP: Mask) -> Scores | None:
        """Of the pitches that are open in any line, BP; 0 of the others, which are closed."""
        if self.advantage is None:
            return None
        open_K = np.flatnonzero(open_BP.any(axis=0))
        related_BKJ = relate_pitches(open_K, self.standing_BS)
        g_BP = self.advantage.pitches(self.prior, open_K, related_BKJ)
        g_BP /= self.farness_B1
        if self.foresight is not None:
            self.foresight.add_pitches(g_BP, self.prior, open_K, related_BKJ)
        return g_BP

    def durations(self, pitch_B: Whole, open_BD: Mask) -> Scores | None:
        """The same of the durations of these pitches, BD."""
        if self.advantage is None:
            return None
        open_K = np.flatnonzero(open_BD.any(axis=0))
        chosen_BJ = np.ascontiguousarray(relate_pitches(pitch_B[:, None], self.standing_BS)[:, 0])
        related_BKL = relate_durations(open_K, self.standing_BS)
        g_BD = self.advantage.durations(self.prior, pitch_B, chosen_BJ, open_K, related_BKL)
        g_BD /= self.farness_B1
        if self.foresight is not None:
            self.foresight.add_durations(g_BD, self.prior, pitch_B, chosen_BJ, open_K, related_BKL)
        return g_BD
