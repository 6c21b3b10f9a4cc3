"""The prior, which predicts the next note. Before: features. After: prior_training, advantage, writing.

Shapes: B melodies, N notes, F inputs, S sources, H hidden, P pitch tokens, D durations."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from composer.learning.features import INPUTS, OFFSETS, SIZES, SOURCE_DURATION, SOURCE_PITCH, SOURCES, STYLE_INPUT
from composer.tokens import DURATION_COUNT, PITCH_COUNT


class View(NamedTuple):
    """What the prior knows before a note."""

    body_BNH: Tensor
    """Everything so far, as the heads read it."""
    source_pitch_BNS: Tensor
    source_duration_BNS: Tensor


class Prior(nn.Module):
    """A recurrent network with pointers: the heads add to the logits of the notes that a copy would play next."""

    offsets: Tensor

    def __init__(self, *, inputs: int = 160, hidden: int = 256, body: int = 224) -> None:
        super().__init__()
        self.hidden = hidden
        self.register_buffer("offsets", torch.from_numpy(OFFSETS), persistent=False)
        self.table = nn.EmbeddingBag(sum(SIZES), inputs, mode="sum")
        nn.init.normal_(self.table.weight, std=INPUTS**-0.5)
        self.recurrent = nn.GRU(inputs, hidden, batch_first=True)
        self.body = nn.Linear(hidden + inputs, body)
        self.pitch = nn.Linear(body, PITCH_COUNT)
        self.pitch_copy = nn.Linear(body, SOURCES)
        self.chosen = nn.Embedding(PITCH_COUNT, body)
        self.duration_body = nn.Linear(body, body)
        self.duration = nn.Linear(body, DURATION_COUNT)
        self.duration_copy = nn.Linear(body, 2 * SOURCES)
        self.dropout = nn.Dropout(0.1)

    def look(self, index_BNF: Tensor) -> View:
        """View of each note's context, of whole melodies; `stepping.PriorStep` goes note by note."""
        count, notes, _ = index_BNF.shape
        index_BNF = index_BNF.long()
        x_BNE = self.table((index_BNF + self.offsets).view(count * notes, INPUTS)).view(count, notes, -1).relu()
        h_BNH, _ = self.recurrent(self.dropout(x_BNE))
        body_BNH = self.body(torch.cat([self.dropout(h_BNH), x_BNE], dim=-1)).relu()
        return View(body_BNH, index_BNF[..., SOURCE_PITCH], index_BNF[..., SOURCE_DURATION])

    def pitch_logits(self, view: View) -> Tensor:
        """Unnormalised log p₀ of the next pitch, BNP."""
        return add_copies(self.pitch(view.body_BNH), self.pitch_copy(view.body_BNH), view.source_pitch_BNS)

    def duration_logits(self, view: View, pitch_BN: Tensor) -> Tensor:
        """Unnormalised log p₀ of the duration of this pitch, BND."""
        body_BNH = self.duration_body(view.body_BNH) + self.chosen(pitch_BN)
        body_BNH = body_BNH.relu()
        anyway_BNS, if_same_BNS = self.duration_copy(body_BNH).chunk(2, dim=-1)
        same_BNS = (view.source_pitch_BNS == pitch_BN.unsqueeze(-1)).to(anyway_BNS.dtype)
        return add_copies(self.duration(body_BNH), anyway_BNS + same_BNS * if_same_BNS, view.source_duration_BNS)

    def nats(self, index_BNF: Tensor, pitch_BN: Tensor, duration_BN: Tensor) -> tuple[Tensor, Tensor]:
        """−log p₀ of each note's pitch and of its duration, BN."""
        view = self.look(index_BNF)
        pitch_nats_BN = _nats(self.pitch_logits(view), pitch_BN)
        return pitch_nats_BN, _nats(self.duration_logits(view, pitch_BN), duration_BN)


def _nats(logits_BNA: Tensor, token_BN: Tensor) -> Tensor:
    flat = nn.functional.cross_entropy(logits_BNA.flatten(0, 1), token_BN.flatten(), reduction="none")
    return flat.view(token_BN.shape)


def add_copies(logits_BNA: Tensor, gates_BNS: Tensor, source_BNS: Tensor) -> Tensor:
    """Logits with each source's gate added where its token stands; sources that point to nothing add nothing."""
    room = logits_BNA.new_zeros((*logits_BNA.shape[:-1], logits_BNA.shape[-1] + 1))
    return logits_BNA + room.scatter_add(-1, source_BNS, gates_BNS)[..., :-1]


def forget_styles(index_BNF: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Inputs with the style unknown (0) in a share of the melodies, so that a style never seen is no surprise."""
    forgotten_B = torch.rand(len(index_BNF), generator=generator) < share
    index_BNF = index_BNF.clone()
    index_BNF[forgotten_B, :, STYLE_INPUT] = 0
    return index_BNF
