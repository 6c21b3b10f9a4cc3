"""What the policy adds to the prior: G for rules, foresight for tastes and wishes. Before: network.Prior. After: policy.

Shapes: B melodies, N notes, P pitches, D durations, S sources, H hidden, K listed open tokens, J, L relations, F features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from composer.learning.features import SOURCES
from composer.learning.network import View, add_copies
from composer.learning.relations import DURATION_RELATIONS, PITCH_RELATIONS
from composer.tokens import DURATION_COUNT, PITCH_COUNT


class Chosen(NamedTuple):
    """The pitch whose duration is asked for."""

    pitch_BN: Tensor
    related_BNJ: Tensor


class Seen(NamedTuple):
    """What an observation of the replay holds, as the heads take it."""

    view: View
    chosen: Chosen
    related_pitch_BNKJ: Tensor
    related_duration_BNKL: Tensor

    @classmethod
    def of(cls, observation: dict[str, Tensor]) -> Seen:
        """From the replay's small types."""
        related_BNKJ = observation["related_pitch"].float()
        source_pitch_BNS, source_duration_BNS = observation["source_pitch"].long(), observation["source_duration"].long()
        return cls(
            view=View(observation["body"].float(), source_pitch_BNS, source_duration_BNS),
            # The taken pitch is listed first.
            chosen=Chosen(observation["open_pitch"][..., 0].long(), related_BNKJ[..., 0, :]),
            related_pitch_BNKJ=related_BNKJ,
            related_duration_BNKL=observation["related_duration"].float(),
        )


class Advantage(nn.Module):
    """G, from the prior's view, the rules' state, and what is asked for. It starts at zero.

    A token's G is the sum of what it is worth itself, of a gate for each source that points to it, and of a gate for each
    relation it has to the line (it repeats the highest note, resolves the leap …); and V, which all tokens share.
    """

    def __init__(self, *, body: int, rules: int, condition: int, hidden: int = 128) -> None:
        super().__init__()
        self.listed_BTK: Tensor | None = None
        """What `forward` gave last, for a second loss of the same batch."""
        self.trunk = nn.Sequential(nn.Linear(body + rules + condition, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.chosen = nn.Embedding(PITCH_COUNT, hidden)
        self.related = nn.Linear(PITCH_RELATIONS, hidden, bias=False)
        self.duration_body = nn.Linear(hidden, hidden)
        # One product per step: values of the tokens, gates of the copies and of the relations, value of the state.
        self.pitch_sizes = [PITCH_COUNT, SOURCES, PITCH_RELATIONS, 1]
        self.duration_sizes = [DURATION_COUNT, SOURCES, SOURCES, DURATION_RELATIONS, 1]
        self.pitch = nn.Linear(hidden, sum(self.pitch_sizes))
        self.duration = nn.Linear(hidden, sum(self.duration_sizes))
        for last in (self.pitch, self.duration):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def look(self, body_BNH: Tensor, rules_BNR: Tensor, condition_BC: Tensor) -> Tensor:
        """What both steps of a note share, BNH."""
        condition_BNC = condition_BC.unsqueeze(1).expand(-1, body_BNH.shape[1], -1)
        shared: Tensor = self.trunk(torch.cat([body_BNH, rules_BNR, condition_BNC], dim=-1))
        return shared

    def pitches(self, shared_BNH: Tensor, view: View, related_BNKJ: Tensor, listed_BNK: Tensor | None = None) -> Tensor:
        """G of the listed pitches, or of all of them; with their relations to the line."""
        own_BNP, copies_BNS, gates_BNJ, value_BN1 = self.pitch(shared_BNH).split(self.pitch_sizes, dim=-1)
        added_BNK = add_copies(own_BNP, copies_BNS, view.source_pitch_BNS)
        if listed_BNK is not None:
            added_BNK = added_BNK.gather(-1, listed_BNK)
        g_BNK: Tensor = added_BNK + _gated(related_BNKJ, gates_BNJ) + value_BN1
        return g_BNK

    def durations(
        self, shared_BNH: Tensor, chosen: Chosen, view: View, related_BNKL: Tensor, listed_BNK: Tensor | None = None
    ) -> Tensor:
        """G of the listed durations of the chosen pitches, or of all of them."""
        body_BNH = self.duration_body(shared_BNH) + self.chosen(chosen.pitch_BN) + self.related(chosen.related_BNJ)
        parts = self.duration(body_BNH.relu()).split(self.duration_sizes, dim=-1)
        own_BND, anyway_BNS, if_same_BNS, gates_BNL, value_BN1 = parts
        same_BNS = (view.source_pitch_BNS == chosen.pitch_BN.unsqueeze(-1)).to(own_BND.dtype)
        added_BNK = add_copies(own_BND, anyway_BNS + same_BNS * if_same_BNS, view.source_duration_BNS)
        if listed_BNK is not None:
            added_BNK = added_BNK.gather(-1, listed_BNK)
        g_BNK: Tensor = added_BNK + _gated(related_BNKL, gates_BNL) + value_BN1
        return g_BNK

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """G of the K open tokens at both steps of every note, as `dqn.learner` takes Episodes: BTK with T = 2N."""
        seen = Seen.of(observation)
        shared_BNH = self.look(seen.view.body_BNH, observation["rules"], observation["condition"])
        pitches_BNK = self.pitches(shared_BNH, seen.view, seen.related_pitch_BNKJ, observation["open_pitch"].long())
        durations_BNK = self.durations(
            shared_BNH, seen.chosen, seen.view, seen.related_duration_BNKL, observation["open_duration"].long()
        )
        listed_BTK = torch.stack([pitches_BNK, durations_BNK], dim=2).flatten(1, 2)
        self.listed_BTK = listed_BTK if self.training else None
        return listed_BTK


class Foresight(nn.Module):
    """ψ(s, a): what the standardised features of the finished piece will be like if this token comes next.

    Successor features with their sum at the end (Barreto et al. 2017, arXiv 1606.05312): u · ψ is the value of a token for
    *any* taste u, so that one head, learned once, serves every listener (generalised policy improvement, theorem 1).
    """

    def __init__(self, *, body: int, rules: int, condition: int, features: int, hidden: int = 128, token: int = 64) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(body + rules + condition, hidden), nn.ReLU())
        self.state = nn.Linear(hidden, features)
        self.pitch_state, self.duration_state = nn.Linear(hidden, token), nn.Linear(hidden, token)
        self.pitch, self.duration = nn.Embedding(PITCH_COUNT, token), nn.Embedding(DURATION_COUNT, token)
        self.chosen = nn.Embedding(PITCH_COUNT, token)
        self.pitch_related = nn.Linear(PITCH_RELATIONS + 1, token, bias=False)
        self.chosen_related = nn.Linear(PITCH_RELATIONS, token, bias=False)
        self.duration_related = nn.Linear(DURATION_RELATIONS + 1, token, bias=False)
        self.pitch_out, self.duration_out = nn.Linear(token, features), nn.Linear(token, features)
        for last in (self.state, self.pitch_out, self.duration_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def look(self, body_BNH: Tensor, rules_BNR: Tensor, condition_BC: Tensor) -> Tensor:
        """What both steps of a note share, BNH."""
        condition_BNC = condition_BC.unsqueeze(1).expand(-1, body_BNH.shape[1], -1)
        shared: Tensor = self.trunk(torch.cat([body_BNH, rules_BNR, condition_BNC], dim=-1))
        return shared

    def pitch_bodies(self, shared_BNH: Tensor, view: View, token_BNK: Tensor, related_BNKJ: Tensor) -> Tensor:
        """What is known of each of these pitches, BNK and the token's width."""
        is_copy_BNK1 = (token_BNK.unsqueeze(-1) == view.source_pitch_BNS.unsqueeze(-2)).any(dim=-1, keepdim=True)
        related = torch.cat([related_BNKJ, is_copy_BNK1.float()], dim=-1)
        state_BN1H: Tensor = self.pitch_state(shared_BNH).unsqueeze(-2)
        body_BNKH: Tensor = (state_BN1H + self.pitch(token_BNK) + self.pitch_related(related)).relu()
        return body_BNKH

    def duration_bodies(
        self, shared_BNH: Tensor, chosen: Chosen, view: View, token_BNK: Tensor, related_BNKL: Tensor
    ) -> Tensor:
        """The same of durations of a chosen pitch."""
        is_same_BNS = view.source_pitch_BNS == chosen.pitch_BN.unsqueeze(-1)
        is_copy_BNKS = (token_BNK.unsqueeze(-1) == view.source_duration_BNS.unsqueeze(-2)) & is_same_BNS.unsqueeze(-2)
        related = torch.cat([related_BNKL, is_copy_BNKS.any(dim=-1, keepdim=True).float()], dim=-1)
        chosen_BNH = self.chosen(chosen.pitch_BN) + self.chosen_related(chosen.related_BNJ)
        state_BN1H = (self.duration_state(shared_BNH) + chosen_BNH).unsqueeze(-2)
        body_BNKH: Tensor = (state_BN1H + self.duration(token_BNK) + self.duration_related(related)).relu()
        return body_BNKH

    def forward(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """ψ of the pitches and durations that were taken, BNF each. The taken ones are listed first."""
        seen = Seen.of(observation)
        shared_BNH = self.look(seen.view.body_BNH, observation["rules"], observation["condition"])
        state_BNF = self.state(shared_BNH)
        pitch_BN1, duration_BN1 = (observation[name][..., :1].long() for name in ("open_pitch", "open_duration"))
        pitches = self.pitch_bodies(shared_BNH, seen.view, pitch_BN1, seen.related_pitch_BNKJ[..., :1, :])
        durations = self.duration_bodies(
            shared_BNH, seen.chosen, seen.view, duration_BN1, seen.related_duration_BNKL[..., :1, :]
        )
        return state_BNF + self.pitch_out(pitches[..., 0, :]), state_BNF + self.duration_out(durations[..., 0, :])


def _gated(related_BNKJ: Tensor, gates_BNJ: Tensor) -> Tensor:
    """Sum over the relations of what each is worth, BNK."""
    return torch.matmul(related_BNKJ, gates_BNJ.unsqueeze(-1)).squeeze(-1)
