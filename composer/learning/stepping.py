"""Prior and G of one note, from the weights that torch trains. Before: network, advantage. After: foreseeing, writing.

A note hangs on the note before, so that nothing can be batched along a line; torch's modules take longer than their answers.
Shapes: B lines, W of them that still grow, E width of inputs, H hidden, S sources, P pitches, D durations, K open pitches,
J, L relations, X of a head."""

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
MANY_LINES = 16
"""From so many rows on torch's operations are the faster ones; for fewer rows a call takes longer than its answer."""


@cache
def use_one_thread() -> None:
    """From now on, for numpy's products in this process: two threads take twice as long for matrices of this size."""
    threadpool_limits(limits=1, user_api="blas")


class Layer:
    """y = x Wᵀ + b of one torch layer, or of several that read the same."""

    def __init__(self, *weights: tuple[Tensor, Tensor | None]) -> None:
        # Columns that are contiguous are multiplied a fifth faster than torch's own rows.
        self.weight = torch.cat([weight.detach().cpu() for weight, _ in weights]).T.contiguous()
        biases = [bias.detach().cpu() for _, bias in weights if bias is not None]
        self.bias = torch.cat(biases).numpy() if biases else np.zeros(self.weight.shape[1], dtype=np.float32)
        self.plain_weight: Scores = self.weight.numpy()

    @classmethod
    def of(cls, *layers: nn.Linear) -> Layer:
        """Of torch's layers."""
        return cls(*((layer.weight, layer.bias) for layer in layers))

    def __call__(self, x: Scores, added: Scores | None = None) -> Scores:
        """y of each row; with `added` in place of the bias, where each row has its own."""
        bias = self.bias if added is None else added
        if len(x) < MANY_LINES:
            y: Scores = x @ self.plain_weight
            y += bias
            return y
        many: Scores = torch.addmm(torch.from_numpy(bias), torch.from_numpy(x), self.weight).numpy()
        return many


def relu(x: Scores) -> Scores:
    """In place."""
    return np.maximum(x, 0.0, out=x)


class PriorStep:
    """The prior at one note of B lines; it remembers the recurrent state of those that are not full."""

    def __init__(self, prior: Prior, lines: int) -> None:
        use_one_thread()
        self.table, self.offsets = array_of(prior.table.weight), OFFSETS
        recurrent: Any = prior.recurrent
        self.from_input = Layer((recurrent.weight_ih_l0, recurrent.bias_ih_l0))
        self.from_state = Layer((recurrent.weight_hh_l0, recurrent.bias_hh_l0))
        self.body = Layer.of(prior.body)
        self.pitch = Layer.of(prior.pitch, prior.pitch_copy)
        self.duration_body = Layer.of(prior.duration_body)
        self.chosen = array_of(prior.chosen.weight) + self.duration_body.bias
        self.duration = Layer.of(prior.duration, prior.duration_copy)
        self.lines, self.live_W = lines, np.arange(lines)
        self.h_WH = np.zeros((lines, prior.hidden), dtype=np.float32)

    def look(self, index_BF: Whole, done_B: NDArray[np.bool_]) -> None:
        """Takes in the context of the next note: `body_WH`, and where its sources point to, BS. A line that is done is left
        behind for good."""
        is_live_W = ~done_B[self.live_W]
        if not is_live_W.all():
            self.live_W, self.h_WH = self.live_W[is_live_W], self.h_WH[is_live_W]
        x_WE = np.zeros((len(self.live_W), self.table.shape[1]), dtype=np.float32)
        _sum_rows(x_WE, self.table, index_BF, self.offsets, self.live_W)
        self.h_WH = _next_state(self.from_input(x_WE), self.from_state(self.h_WH), self.h_WH)
        self.body_WH = relu(self.body(np.concatenate([self.h_WH, x_WE], axis=1)))
        self.source_pitch_BS = np.ascontiguousarray(index_BF[:, SOURCE_PITCH])
        self.source_duration_BS = np.ascontiguousarray(index_BF[:, SOURCE_DURATION])

    def bodies(self) -> Scores:
        """The body of every line, BH; zeros where it is done."""
        if len(self.live_W) == self.lines:
            return self.body_WH
        body_BH = np.zeros((self.lines, self.body_WH.shape[1]), dtype=np.float32)
        body_BH[self.live_W] = self.body_WH
        return body_BH

    def pitches(self) -> Scores:
        """Unnormalised log p₀ of the next pitch, BP; zeros where a line is done, here and below."""
        logits_BP = np.zeros((self.lines, PITCH_COUNT), dtype=np.float32)
        _add_copies(logits_BP, self.pitch(self.body_WH), self.live_W, self.source_pitch_BS)
        return logits_BP

    def durations(self, pitch_B: Whole) -> Scores:
        """Unnormalised log p₀ of the duration of this pitch, BD."""
        head_WX = self.duration(relu(self.duration_body(self.body_WH, self.chosen[pitch_B[self.live_W]])))
        logits_BD = np.zeros((self.lines, DURATION_COUNT), dtype=np.float32)
        _add_copies_of_pitch(logits_BD, head_WX, self.live_W, pitch_B, self.source_pitch_BS, self.source_duration_BS)
        return logits_BD


class AdvantageStep:
    """G at one note of B lines."""

    def __init__(self, advantage: Advantage) -> None:
        first, second = advantage.trunk[0], advantage.trunk[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        self.first, self.second = Layer.of(first), Layer.of(second)
        self.pitch, self.duration = Layer.of(advantage.pitch), Layer.of(advantage.duration)
        self.related, self.duration_body = Layer.of(advantage.related), Layer.of(advantage.duration_body)
        self.chosen = array_of(advantage.chosen.weight) + self.duration_body.bias

    def look(self, seen_WX: Scores) -> None:
        """Takes in what both steps of a note share: body, rules and condition."""
        self.shared_WH = relu(self.second(relu(self.first(seen_WX))))

    def pitches(self, prior: PriorStep, open_K: Whole, related_BKJ: Scores) -> Scores:
        """G of the pitches that are open in any line, BP; 0 of the others."""
        head_WX = self.pitch(self.shared_WH)
        copied_BP = np.empty((prior.lines, PITCH_COUNT), dtype=np.float32)
        _add_copies(copied_BP, head_WX, prior.live_W, prior.source_pitch_BS)
        g_BP = np.zeros_like(copied_BP)
        _add_gates(g_BP, copied_BP, head_WX, PITCH_COUNT + SOURCES, prior.live_W, open_K, related_BKJ)
        return g_BP

    def durations(self, prior: PriorStep, pitch_B: Whole, chosen_BJ: Scores, open_K: Whole, related_BKL: Scores) -> Scores:
        """The same of the durations of these pitches, whose relations are `chosen_BJ`, BD."""
        live_W = prior.live_W
        body_WH = self.duration_body(self.shared_WH, self.related(chosen_BJ[live_W], self.chosen[pitch_B[live_W]]))
        head_WX = self.duration(relu(body_WH))
        copied_BD = np.empty((prior.lines, DURATION_COUNT), dtype=np.float32)
        _add_copies_of_pitch(copied_BD, head_WX, live_W, pitch_B, prior.source_pitch_BS, prior.source_duration_BS)
        g_BD = np.zeros_like(copied_BD)
        _add_gates(g_BD, copied_BD, head_WX, DURATION_COUNT + 2 * SOURCES, live_W, open_K, related_BKL)
        return g_BD


def array_of(weight: Any) -> Scores:
    """The tensor's own memory."""
    array: Scores = weight.detach().cpu().numpy()
    return array


def _next_state(given_WX: Scores, kept_WX: Scores, h_WH: Scores) -> Scores:
    """State of a recurrent unit: Cho et al. 2014, as torch.nn.GRU orders it (reset, update, new)."""
    hidden = h_WH.shape[1]
    if len(h_WH) < MANY_LINES:
        new_WH = np.empty_like(h_WH)
        _next_states(new_WH, given_WX, kept_WX, h_WH)
        return new_WH
    given, kept = torch.from_numpy(given_WX), torch.from_numpy(kept_WX)
    gate = given[:, : 2 * hidden].add_(kept[:, : 2 * hidden]).sigmoid_()
    new = given[:, 2 * hidden :].addcmul_(gate[:, :hidden], kept[:, 2 * hidden :]).tanh_()
    state: Scores = torch.lerp(new, torch.from_numpy(h_WH), gate[:, hidden:]).numpy()
    return state


@compiled
def _next_states(new_WH: Scores, given_WX: Scores, kept_WX: Scores, h_WH: Scores) -> None:
    lines, hidden = h_WH.shape
    one = np.float32(1.0)
    for w in range(lines):
        for h in range(hidden):
            reset = one / (one + np.exp(-(given_WX[w, h] + kept_WX[w, h])))
            update = one / (one + np.exp(-(given_WX[w, hidden + h] + kept_WX[w, hidden + h])))
            new = np.tanh(given_WX[w, 2 * hidden + h] + reset * kept_WX[w, 2 * hidden + h])
            new_WH[w, h] = new + update * (h_WH[w, h] - new)


@compiled
def _sum_rows(x_WE: Scores, table_VE: Scores, index_BF: Whole, offset_F: Whole, live_W: Whole) -> None:
    """Sum of the embeddings of all inputs, cut at 0."""
    for w in range(len(live_W)):
        for f in range(index_BF.shape[1]):
            row_E = table_VE[index_BF[live_W[w], f] + offset_F[f]]
            for e in range(len(row_E)):
                x_WE[w, e] += row_E[e]
        for e in range(x_WE.shape[1]):
            x_WE[w, e] = max(x_WE[w, e], np.float32(0.0))


@compiled
def _add_copies(out_BA: Scores, head_WX: Scores, live_W: Whole, source_BS: Whole) -> None:
    """A head's values of tokens, with each source's gate added where its token stands; as `network.add_copies`."""
    tokens = out_BA.shape[1]
    for w in range(len(live_W)):
        b = live_W[w]
        out_BA[b] = head_WX[w, :tokens]
        for s in range(source_BS.shape[1]):
            if source_BS[b, s] < tokens:
                out_BA[b, source_BS[b, s]] += head_WX[w, tokens + s]


@compiled
def _add_copies_of_pitch(
    out_BD: Scores, head_WX: Scores, live_W: Whole, pitch_B: Whole, source_pitch_BS: Whole, source_duration_BS: Whole
) -> None:
    """The same of durations: a second gate counts where the source has the chosen pitch."""
    tokens, sources = out_BD.shape[1], source_pitch_BS.shape[1]
    for w in range(len(live_W)):
        b = live_W[w]
        out_BD[b] = head_WX[w, :tokens]
        for s in range(sources):
            duration = source_duration_BS[b, s]
            if duration < tokens:
                out_BD[b, duration] += head_WX[w, tokens + s]
                if source_pitch_BS[b, s] == pitch_B[b]:
                    out_BD[b, duration] += head_WX[w, tokens + sources + s]


@compiled
def _add_gates(
    g_BA: Scores, copied_BA: Scores, head_WX: Scores, first: int, live_W: Whole, open_K: Whole, related_BKJ: Scores
) -> None:
    """Adds to each open token the gates of its relations, which begin at `first`, and the value of the state behind them."""
    relations = related_BKJ.shape[2]
    for w in range(len(live_W)):
        b = live_W[w]
        value = head_WX[w, first + relations]
        for k in range(len(open_K)):
            gated = value
            for j in range(relations):
                gated += related_BKJ[b, k, j] * head_WX[w, first + j]
            g_BA[b, open_K[k]] = copied_BA[b, open_K[k]] + gated
