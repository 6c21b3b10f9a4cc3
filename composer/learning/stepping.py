"""Prior and G of one note in numpy, from the weights that torch trains. Before: network, advantage. After: additions, writing.

A note hangs on the note before, so that nothing can be batched along a line; torch's calls then take longer than their answers.
Shapes: B lines, E width of inputs, H hidden, S sources, P pitches, D durations, K open pitches, J, L relations, X of a head."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from composer.learning.advantage import Advantage
from composer.learning.compiled import compiled
from composer.learning.features import OFFSETS, SOURCE_DURATION, SOURCE_PITCH, SOURCES
from composer.learning.network import Prior
from composer.tokens import DURATION_COUNT, PITCH_COUNT

Scores = NDArray[np.float32]
Whole = NDArray[np.int64]


def _array(weight: Any) -> Scores:
    """The tensor's own memory."""
    array: Scores = weight.detach().cpu().numpy()
    return array


@cache
def use_one_thread() -> None:
    """From now on, for numpy's products in this process: two threads take twice as long for matrices of this size."""
    threadpool_limits(limits=1, user_api="blas")


MANY_LINES = 16
"""From so many rows on torch's products are the faster ones; for fewer rows a call takes longer than the product."""


class Layer:
    """y = x Wᵀ + b of one torch layer, or of several that read the same."""

    def __init__(self, *weights: tuple[Tensor, Tensor | None]) -> None:
        self.weight = torch.cat([weight.detach().cpu() for weight, _ in weights])
        biases = [bias.detach().cpu() for _, bias in weights if bias is not None]
        self.bias = torch.cat(biases) if biases else None
        self.plain_weight = np.ascontiguousarray(self.weight.numpy().T)
        self.plain_bias: Scores | float = 0.0 if self.bias is None else self.bias.numpy()

    @classmethod
    def of(cls, *layers: nn.Linear) -> Layer:
        """Of torch's layers."""
        return cls(*((layer.weight, layer.bias) for layer in layers))

    def __call__(self, x: Scores) -> Scores:
        """y of each row."""
        if len(x) < MANY_LINES:
            y: Scores = x @ self.plain_weight
            y += self.plain_bias
            return y
        many: Scores = torch.nn.functional.linear(torch.from_numpy(x), self.weight, self.bias).numpy()
        return many


def relu(x: Scores) -> Scores:
    """In place."""
    return np.maximum(x, 0.0, out=x)


class PriorStep:
    """The prior at one note of B lines; it remembers the recurrent state."""

    def __init__(self, prior: Prior, lines: int) -> None:
        use_one_thread()
        self.table, self.offsets = _array(prior.table.weight), OFFSETS
        recurrent: Any = prior.recurrent
        self.from_input = Layer((recurrent.weight_ih_l0, recurrent.bias_ih_l0))
        self.from_state = Layer((recurrent.weight_hh_l0, recurrent.bias_hh_l0))
        self.body = Layer.of(prior.body)
        self.pitch = Layer.of(prior.pitch, prior.pitch_copy)
        self.chosen, self.duration_body = _array(prior.chosen.weight), Layer.of(prior.duration_body)
        self.duration = Layer.of(prior.duration, prior.duration_copy)
        self.hidden = prior.hidden
        self.h_BH = np.zeros((lines, prior.hidden), dtype=np.float32)
        self.both_BX = np.zeros((lines, prior.hidden + self.table.shape[1]), dtype=np.float32)

    def look(self, index_BF: Whole) -> None:
        """Takes in the context of the next note: `body_BH`, and where its sources point to, BS."""
        hidden = self.hidden
        x_BE = np.zeros((len(index_BF), self.table.shape[1]), dtype=np.float32)
        _sum_rows(x_BE, self.table, index_BF, self.offsets)
        # Cho et al. 2014, as torch.nn.GRU orders it: reset, update, new.
        given_BX, kept_BX = self.from_input(x_BE), self.from_state(self.h_BH)
        gate_BX = 1 / (1 + np.exp(-(given_BX[:, : 2 * hidden] + kept_BX[:, : 2 * hidden])))
        new_BH = np.tanh(given_BX[:, 2 * hidden :] + gate_BX[:, :hidden] * kept_BX[:, 2 * hidden :])
        self.h_BH = new_BH + gate_BX[:, hidden:] * (self.h_BH - new_BH)
        self.both_BX[:, :hidden], self.both_BX[:, hidden:] = self.h_BH, x_BE
        self.body_BH = relu(self.body(self.both_BX))
        self.source_pitch_BS = np.ascontiguousarray(index_BF[:, SOURCE_PITCH])
        self.source_duration_BS = np.ascontiguousarray(index_BF[:, SOURCE_DURATION])

    def pitches(self) -> Scores:
        """Unnormalised log p₀ of the next pitch, BP."""
        logits_BP = np.empty((len(self.body_BH), PITCH_COUNT), dtype=np.float32)
        _add_copies(logits_BP, self.pitch(self.body_BH), self.source_pitch_BS)
        return logits_BP

    def durations(self, pitch_B: Whole) -> Scores:
        """Unnormalised log p₀ of the duration of this pitch, BD."""
        head_BX = self.duration(relu(self.duration_body(self.body_BH) + self.chosen[pitch_B]))
        logits_BD = np.empty((len(head_BX), DURATION_COUNT), dtype=np.float32)
        _add_copies_of_pitch(logits_BD, head_BX, pitch_B, self.source_pitch_BS, self.source_duration_BS)
        return logits_BD


class AdvantageStep:
    """G at one note of B lines."""

    def __init__(self, advantage: Advantage) -> None:
        first, second = advantage.trunk[0], advantage.trunk[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        self.first, self.second = Layer.of(first), Layer.of(second)
        self.pitch, self.duration = Layer.of(advantage.pitch), Layer.of(advantage.duration)
        self.chosen, self.related = _array(advantage.chosen.weight), Layer.of(advantage.related)
        self.duration_body = Layer.of(advantage.duration_body)

    def look(self, body_BH: Scores, rules_BR: Scores, condition_BC: Scores) -> None:
        """Takes in what both steps of a note share."""
        seen_BX = np.concatenate([body_BH, rules_BR, condition_BC], axis=1)
        self.shared_BH = relu(self.second(relu(self.first(seen_BX))))

    def pitches(self, prior: PriorStep, open_K: Whole, related_BKJ: Scores) -> Scores:
        """G of the pitches that are open in any line, BP; 0 of the others."""
        head_BX = self.pitch(self.shared_BH)
        copied_BP = np.empty((len(head_BX), PITCH_COUNT), dtype=np.float32)
        _add_copies(copied_BP, head_BX, prior.source_pitch_BS)
        g_BP = np.zeros_like(copied_BP)
        _add_gates(g_BP, copied_BP, head_BX, PITCH_COUNT + SOURCES, open_K, related_BKJ)
        return g_BP

    def durations(self, prior: PriorStep, pitch_B: Whole, chosen_BJ: Scores, related_BDL: Scores) -> Scores:
        """G of each duration of these pitches, whose relations are `chosen_BJ`, BD."""
        body_BH = self.duration_body(self.shared_BH)
        body_BH += self.chosen[pitch_B] + self.related(chosen_BJ)
        head_BX = self.duration(relu(body_BH))
        copied_BD = np.empty((len(head_BX), DURATION_COUNT), dtype=np.float32)
        _add_copies_of_pitch(copied_BD, head_BX, pitch_B, prior.source_pitch_BS, prior.source_duration_BS)
        g_BD = np.empty_like(copied_BD)
        _add_gates(g_BD, copied_BD, head_BX, DURATION_COUNT + 2 * SOURCES, _ALL_DURATIONS, related_BDL)
        return g_BD


_ALL_DURATIONS = np.arange(DURATION_COUNT)


@compiled
def _sum_rows(x_BE: Scores, table_VE: Scores, index_BF: Whole, offset_F: Whole) -> None:
    """Sum of the embeddings of all inputs, cut at 0."""
    for b in range(len(x_BE)):
        for f in range(index_BF.shape[1]):
            row_E = table_VE[index_BF[b, f] + offset_F[f]]
            for e in range(len(row_E)):
                x_BE[b, e] += row_E[e]
        for e in range(x_BE.shape[1]):
            x_BE[b, e] = max(x_BE[b, e], np.float32(0.0))


@compiled
def _add_copies(out_BA: Scores, head_BX: Scores, source_BS: Whole) -> None:
    """A head's values of tokens, with each source's gate added where its token stands; as `network.add_copies`."""
    tokens = out_BA.shape[1]
    for b in range(len(out_BA)):
        out_BA[b] = head_BX[b, :tokens]
        for s in range(source_BS.shape[1]):
            if source_BS[b, s] < tokens:
                out_BA[b, source_BS[b, s]] += head_BX[b, tokens + s]


@compiled
def _add_copies_of_pitch(
    out_BD: Scores, head_BX: Scores, pitch_B: Whole, source_pitch_BS: Whole, source_duration_BS: Whole
) -> None:
    """The same of durations: a second gate counts where the source has the chosen pitch."""
    tokens, sources = out_BD.shape[1], source_pitch_BS.shape[1]
    for b in range(len(out_BD)):
        out_BD[b] = head_BX[b, :tokens]
        for s in range(sources):
            duration = source_duration_BS[b, s]
            if duration < tokens:
                out_BD[b, duration] += head_BX[b, tokens + s]
                if source_pitch_BS[b, s] == pitch_B[b]:
                    out_BD[b, duration] += head_BX[b, tokens + sources + s]


@compiled
def _add_gates(g_BA: Scores, copied_BA: Scores, head_BX: Scores, first: int, open_K: Whole, related_BKJ: Scores) -> None:
    """Adds to each open token the gates of its relations, which begin at `first`, and the value of the state behind them."""
    relations = related_BKJ.shape[2]
    for b in range(len(g_BA)):
        value = head_BX[b, first + relations]
        for k in range(len(open_K)):
            gated = value
            for j in range(relations):
                gated += related_BKJ[b, k, j] * head_BX[b, first + j]
            g_BA[b, open_K[k]] = copied_BA[b, open_K[k]] + gated
