"""What foresight says of one note, from the weights that torch trains. Before: stepping, what is asked for. After: additions.

Shapes: B lines, W of them that still grow, A pitches or durations, K of them open in any line, J, L relations, S sources,
F features, G those of wishes that anybody asks for, H hidden, T width of a token's body, X of what is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from composer.constraints import Plan
from composer.learning.advantage import Foresight
from composer.learning.compiled import compiled
from composer.learning.condition import TASTES, WISH_WEIGHTS, WISHED_NUMBERS, goals
from composer.learning.features import NONE_DURATION
from composer.learning.stepping import Layer, PriorStep, Scores, Whole, array_of, relu


class Asked(NamedTuple):
    """What foresight is asked for: a taste in nats per standard deviation, and the goals of graded wishes."""

    taste_BF: Scores
    goal_BG: Scores
    weight_BG: Scores
    """How much each goal counts; 0 where nothing is asked."""
    number_G: Whole
    """Features of the goals."""

    @classmethod
    def of(cls, plans: Sequence[Plan], taste_BF: NDArray[np.float64] | None) -> Asked | None:
        """None where nobody asks for anything."""
        goal_BG = np.stack([goals(plan) for plan in plans]).astype(np.float32)
        is_wished_BG = ~np.isnan(goal_BG)
        has_taste = taste_BF is not None and bool(taste_BF.any())
        if not has_taste and not bool(is_wished_BG.any()):
            return None
        taste = np.zeros((len(plans), TASTES)) if taste_BF is None else taste_BF
        weight_BG = (is_wished_BG * np.array(WISH_WEIGHTS)).astype(np.float32)
        is_asked_G = is_wished_BG.any(axis=0)
        return cls(
            taste.astype(np.float32),
            np.ascontiguousarray(np.nan_to_num(goal_BG)[:, is_asked_G]),
            np.ascontiguousarray(weight_BG[:, is_asked_G]),
            np.array(WISHED_NUMBERS)[is_asked_G],
        )


class ForesightStep:
    """What foreseen pieces are worth to tastes and wishes, at one note of B lines: u · ψ, less what they would miss of each
    goal. ψ itself is never made: of its features it takes the sum that the taste weighs, and those of the wishes."""

    def __init__(self, foresight: Foresight, asked: Asked, wish_gain: float) -> None:
        first = foresight.trunk[0]
        assert isinstance(first, nn.Linear)
        self.trunk, self.pitch_state = Layer.of(first), Layer.of(foresight.pitch_state)
        self.duration_state, self.chosen_related = Layer.of(foresight.duration_state), Layer.of(foresight.chosen_related)
        self.chosen = array_of(foresight.chosen.weight) + self.duration_state.bias
        self.wished = Layer((foresight.state.weight[asked.number_G], foresight.state.bias[asked.number_G]))
        self.goal_BG, self.weight_BG = asked.goal_BG, asked.weight_BG * np.float32(wish_gain)
        self.pitch = _Worth.of(foresight.pitch, foresight.pitch_related, foresight.pitch_out, asked)
        self.duration = _Worth.of(foresight.duration, foresight.duration_related, foresight.duration_out, asked)

    def look(self, seen_WX: Scores) -> None:
        """Takes in what both steps of a note share: body, rules and condition."""
        self.shared_WH = relu(self.trunk(seen_WX))
        self.wished_WG = self.wished(self.shared_WH)

    def add_pitches(self, g_BP: Scores, prior: PriorStep, open_K: Whole, related_BKJ: Scores) -> None:
        """Adds the worth of these pitches."""
        state_WT = self.pitch_state(self.shared_WH)
        self._add(g_BP, self.pitch, state_WT, prior.live_W, open_K, related_BKJ, prior.source_pitch_BS)

    def add_durations(
        self, g_BD: Scores, prior: PriorStep, pitch_B: Whole, chosen_BJ: Scores, open_K: Whole, related_BKL: Scores
    ) -> None:
        """Adds the worth of these durations of the chosen pitches, whose relations are `chosen_BJ`."""
        live_W = prior.live_W
        state_WT = self.duration_state(self.shared_WH, self.chosen_related(chosen_BJ[live_W], self.chosen[pitch_B[live_W]]))
        is_same_BS = prior.source_pitch_BS == pitch_B[:, None]
        source_BS = np.where(is_same_BS, prior.source_duration_BS, NONE_DURATION)
        self._add(g_BD, self.duration, state_WT, live_W, open_K, related_BKL, source_BS)

    def _add(
        self,
        g_BA: Scores,
        worth: _Worth,
        state_WT: Scores,
        live_W: Whole,
        open_K: Whole,
        related_BKJ: Scores,
        source_BS: Whole,
    ) -> None:
        of_batch = (worth.token_AT, worth.relation_JT, worth.liking_BT, worth.wished_GT)
        wished_WG = self.wished_WG + worth.wished_G
        _add_worth(g_BA, state_WT, *of_batch, wished_WG, self.goal_BG, self.weight_BG, live_W, open_K, related_BKJ, source_BS)


class _Worth(NamedTuple):
    """What is the same at every note of a batch."""

    token_AT: Scores
    relation_JT: Scores
    """The last one is that of a source's copy."""
    liking_BT: Scores
    wished_GT: Scores
    wished_G: Scores

    @classmethod
    def of(cls, token: nn.Embedding, related: nn.Linear, out: nn.Linear, asked: Asked) -> _Worth:
        out_FT, out_F = array_of(out.weight), array_of(out.bias)
        relation_JT = np.ascontiguousarray(array_of(related.weight).T)
        taste = asked.taste_BF @ out_FT
        return cls(array_of(token.weight), relation_JT, taste, out_FT[asked.number_G], out_F[asked.number_G])


@compiled
def _add_worth(
    g_BA: Scores,
    state_WT: Scores,
    token_AT: Scores,
    relation_JT: Scores,
    liking_BT: Scores,
    wished_GT: Scores,
    wished_WG: Scores,
    goal_BG: Scores,
    weight_BG: Scores,
    live_W: Whole,
    open_K: Whole,
    related_BKJ: Scores,
    source_BS: Whole,
) -> None:
    """Of each open token: u · ψ, and what ψ would miss of each goal. Most relations don't hold, and cost nothing."""
    relations, width = related_BKJ.shape[2], state_WT.shape[1]
    body_T = np.empty(width, dtype=np.float32)
    for w in range(len(live_W)):
        b = live_W[w]
        for k in range(len(open_K)):
            token = open_K[k]
            for t in range(width):
                body_T[t] = state_WT[w, t] + token_AT[token, t]
            for j in range(relations):
                related = related_BKJ[b, k, j]
                if related != 0:
                    for t in range(width):
                        body_T[t] += related * relation_JT[j, t]
            for s in range(source_BS.shape[1]):
                if source_BS[b, s] == token:
                    for t in range(width):
                        body_T[t] += relation_JT[relations, t]
                    break
            worth = np.float32(0.0)
            for t in range(width):
                body_T[t] = max(body_T[t], np.float32(0.0))
                worth += body_T[t] * liking_BT[b, t]
            for g in range(len(wished_GT)):
                if weight_BG[b, g] != 0:
                    # u · ψ leaves out what all tokens share; a goal is missed by what the piece will be in all.
                    wished = wished_WG[w, g]
                    for t in range(width):
                        wished += body_T[t] * wished_GT[g, t]
                    worth -= weight_BG[b, g] * abs(wished - goal_BG[b, g])
            g_BA[b, token] += worth
