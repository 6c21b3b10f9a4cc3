"""Q(s, a) = V(s) + (1 + κ)·A(s, a) + what follows a, A = ⟨f(s), g(a)⟩/√d + b(a). Before: training.py. After: dqn_policy.py.

Letters: B batch, L rows of a state, S signals, C clock, K attention heads, H ensemble heads, A listed, T all tracks, X content,
Y content after one layer, Z track vector, d tower dimensions, U hidden units, M taste models, k dimensions of one with the
listener's level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.dqn_policy import ROW_SCALE
from recsys.learning.factors import TasteModels
from recsys.learning.lookahead import Lookahead
from recsys.learning.next_tracks import GATE_STEP, KINDS, LARGEST_LOGIT
from recsys.learning.played_rows import FEATURES
from recsys.learning.windows import CLOCK_NAMES, SIGNAL_NAMES

HIDDEN = 32
"""Units of the layers that weigh rows and value the moment."""
FIRST_GATE = 2.0
"""Start of the log weight of what follows a row, against what everybody plays."""


class RecommenderNetwork(nn.Module):
    """The towers. f is linear in what rows say, so Q splits exactly over past rows and declared styles.

    A(s, a) learns from rewards alone (`reward`), which say most about a track. Returns are noise for the most part: only few
    weights learn from them, V, κ (how far pleasure now lengthens the session) and what content leads to later.
    """

    content_TX: Tensor
    prior_XH: Tensor
    popularity_T: Tensor
    identity_TZ: Tensor
    row_variance_TM: Tensor
    taste_precision_Mk: Tensor
    worth_S: Tensor
    usual: Tensor

    def __init__(
        self,
        configuration: RecommenderConfiguration,
        content_TX: NDArray[Any],
        styles: int,
        taste_models: TasteModels | None = None,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__()
        self.configuration = c = configuration
        tracks, content = content_TX.shape
        signals, clock = len(SIGNAL_NAMES), len(CLOCK_NAMES)
        self.known_width = c.taste_models * c.identity_width
        self.width = c.content_width + self.known_width
        self.register_buffer("content_TX", torch.as_tensor(content_TX, dtype=torch.float32), persistent=False)
        # What everybody liked, and what tracks have in common, is where learning starts.
        known_T = torch.zeros(tracks) if taste_models is None else torch.as_tensor(taste_models.bias_T, dtype=torch.float32)
        known_TZ = torch.zeros(tracks, self.known_width) if taste_models is None else torch.as_tensor(taste_models.vectors())
        variance_TM = np.ones((tracks + 1, c.taste_models)) if taste_models is None else taste_models.row_variances()
        precision_Mk = np.ones((c.taste_models, c.identity_width + 1)) if taste_models is None else taste_models.precisions()
        self.register_buffer("popularity_T", known_T)
        self.register_buffer("identity_TZ", known_TZ)
        self.register_buffer("row_variance_TM", torch.as_tensor(variance_TM, dtype=torch.float32))
        self.register_buffer("taste_precision_Mk", torch.as_tensor(precision_Mk, dtype=torch.float32))
        worth_S, usual = (np.zeros(signals), 0.0) if taste_models is None else (taste_models.worth_S, taste_models.mean)
        self.register_buffer("worth_S", torch.as_tensor(worth_S, dtype=torch.float32))
        self.register_buffer("usual", torch.tensor([usual], dtype=torch.float32))
        self.popularity_H = nn.Parameter(torch.ones(c.heads))
        self.content = nn.Linear(content, c.content_width)
        self.weigh_hidden = nn.Linear(signals + clock, HIDDEN)
        self.weigh = nn.Linear(HIDDEN, 2 * c.attention_heads)
        self.tower_f = nn.Linear(
            c.attention_heads * c.content_width + self.known_width + styles + 1 + clock, c.heads * c.tower_width, bias=False
        )
        self.tower_g = nn.Linear(self.width, c.heads * c.tower_width)
        self.bias = nn.Linear(c.content_width, c.heads)
        self.value_hidden = nn.Linear(2 * signals + clock, HIDDEN)
        self.value = nn.Linear(HIDDEN, c.heads)
        self.reward_value = nn.Linear(HIDDEN, c.heads)
        self.after_XH = nn.Parameter(torch.zeros(content, c.heads))
        self.lookahead_H = nn.Parameter(torch.zeros(c.heads))
        self.register_buffer("prior_XH", torch.randn(content, c.heads) * (c.random_prior_scale / math.sqrt(content)))
        # Beside tastes nothing is known at first. A random start would stay what it is where the log says nothing.
        for layer in (self.value, self.reward_value, self.bias):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.tower_f.weight)
        self._start_alike()
        if lookahead is not None:
            with torch.no_grad():
                self.after_XH.add_(torch.as_tensor(lookahead.content_X, dtype=torch.float32)[:, None])
                self.lookahead_H.add_(lookahead.pleasure)
        self.next_hidden = nn.Linear(len(FEATURES), HIDDEN)
        self.next_gate = nn.Linear(HIDDEN + len(FEATURES), len(KINDS))
        self.next_total_K = nn.Parameter(torch.zeros(len(KINDS)))
        nn.init.zeros_(self.next_gate.weight)
        nn.init.constant_(self.next_gate.bias, FIRST_GATE / GATE_STEP)

    @torch.no_grad()
    def _start_alike(self) -> None:
        """⟨f, g⟩ of each head starts near ⟨taste, track⟩ of one taste model."""
        c = self.configuration
        weight_f = self.tower_f.weight.view(c.heads, c.tower_width, -1)
        weight_g = self.tower_g.weight.view(c.heads, c.tower_width, -1)
        alike = c.tower_width**0.25  # ⟨f, g⟩ is divided by √d
        for head in range(c.heads):
            first = head % c.taste_models * c.identity_width
            for k in range(c.identity_width):
                weight_f[head, k, c.attention_heads * c.content_width + first + k] += alike
                weight_g[head, k, c.content_width + first + k] += alike

    def track_vectors(self) -> Tensor:
        """z_TZ: content through one layer, beside what listeners said (under dropout of whole tracks in training)."""
        return torch.cat([torch.relu(self.content(self.content_TX)), self._dropped_out(self.identity_TZ)], dim=1)

    def _dropped_out(self, identity_NZ: Tensor) -> Tensor:
        """In training some tracks must do without what listeners said about them."""
        share = self.configuration.identity_dropout
        if not self.training or share == 0:
            return identity_NZ
        return identity_NZ * (torch.rand(identity_NZ.shape[0], 1, device=identity_NZ.device) >= share)

    def rows_hidden(self, observation: Mapping[str, Tensor]) -> Tensor:
        """What is seen of each past row, with the clock."""
        signal_BLS = observation["row_signal_BLS"]
        clock_BLC = observation["clock_BC"][:, None, :].expand(-1, signal_BLS.shape[1], -1)
        return torch.relu(self.weigh_hidden(torch.cat([signal_BLS, clock_BLC], dim=2)))

    def row_weights(self, observation: Mapping[str, Tensor], hidden_BLU: Tensor) -> Tensor:
        """Signed weights of the past rows, c_BLK: how much a row matters times what it speaks for.

        Gates instead of a softmax over the rows: here what one row says does not depend on which others there are. Evidence
        adds up instead of being averaged away.
        """
        logit_BLK, speaks_BLK = self.weigh(hidden_BLU).chunk(2, dim=2)
        gate_BLK = torch.sigmoid(logit_BLK) * observation["row_open_BL"][:, :, None]
        weights_BLK: Tensor = gate_BLK * speaks_BLK * ROW_SCALE
        return weights_BLK

    def taste(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Posterior mean of the listener's taste in each model, BZ, given what the rows say of their tracks: Bayesian linear
        regression of outcomes, beyond what everybody thinks of the track, on its factors and the listener's own level."""
        track_BL = observation["row_track_BL"]
        signal_BLS = observation["row_signal_BLS"]
        said_BL = signal_BLS @ self.worth_S - self.usual - self.popularity_T[track_BL]
        # As surely as the factors found outcomes to be. Learning it would take rows at more than their word: their tracks'
        # factors were found in these rows, too.
        speaks_BL = signal_BLS[:, :, SIGNAL_NAMES.index("speaks")]
        precision_BML = speaks_BL[:, None, :] / self.row_variance_TM[track_BL].transpose(1, 2)
        models, width = self.configuration.taste_models, self.configuration.identity_width
        e_BLMZ = self.identity_TZ[track_BL].reshape(*track_BL.shape, models, width)
        # In 64 bits, as `tastes.py` has it: a surely known level beside a hardly known taste costs half the digits.
        e_BMLk = nn.functional.pad(e_BLMZ.transpose(1, 2), (0, 1), value=1.0).double()
        weighed_BMLk = precision_BML[:, :, :, None] * e_BMLk
        precision_BMkk = weighed_BMLk.transpose(2, 3) @ e_BMLk + torch.diag_embed(self.taste_precision_Mk)
        pulled_BMk = torch.einsum("bmlk,bl->bmk", weighed_BMLk, said_BL.double())
        taste_BMk: Tensor = torch.linalg.solve_ex(precision_BMkk, pulled_BMk)[0]
        return taste_BMk[:, :, :-1].flatten(1).float()

    def state_vector(self, observation: Mapping[str, Tensor], z_TZ: Tensor) -> Tensor:
        """f_BHd. Rows are weighed by their tracks' content. What listeners said of the tracks goes through the taste models,
        whose posterior weighs it: gates learned for that from few listeners foretold others worse."""
        rows_BLY = z_TZ[:, : self.configuration.content_width][observation["row_track_BL"]]
        hidden_BLU = self.rows_hidden(observation)
        pooled_BKY = torch.einsum("blk,bly->bky", self.row_weights(observation, hidden_BLU), rows_BLY)
        # No weight moves the posterior: training reckons it once for each state.
        taste_BZ = observation["taste_BZ"] if "taste_BZ" in observation else self.taste(observation)
        joined = torch.cat([pooled_BKY.flatten(1), taste_BZ, observation["declared_BS"], observation["clock_BC"]], dim=1)
        f_BW: Tensor = self.tower_f(joined)
        return f_BW.view(-1, self.configuration.heads, self.configuration.tower_width)

    def summary(self, observation: Mapping[str, Tensor]) -> Tensor:
        """The clock and the mean signals of the whole window and of the open session, through one layer."""
        signal_BLS = observation["row_signal_BLS"]
        in_session_BL1 = signal_BLS[:, :, SIGNAL_NAMES.index("in_session")].unsqueeze(2)
        rows_B1 = observation["row_open_BL"].sum(dim=1, keepdim=True).clamp(min=1)
        session_B1 = in_session_BL1.sum(dim=1).clamp(min=1)
        seen = torch.cat(
            [signal_BLS.sum(dim=1) / rows_B1, (signal_BLS * in_session_BL1).sum(dim=1) / session_B1, observation["clock_BC"]],
            dim=1,
        )
        return torch.relu(self.value_hidden(seen))

    def track_bias(self, z_TZ: Tensor) -> Tensor:
        """b_TH: popularity, what is learned of content, and each head's random prior."""
        content_TY = z_TZ[:, : self.configuration.content_width]
        bias: Tensor = self.bias(content_TY) + torch.tanh(self.content_TX) @ self.prior_XH
        return bias + self.popularity_T[:, None] * self.popularity_H

    def advantage(self, observation: Mapping[str, Tensor]) -> Tensor:
        """A_BHA over the taken track, then each row's own listed ones, then the pool's: those of them that are there."""
        z_TZ = self.track_vectors()
        heads, width = self.configuration.heads, self.configuration.tower_width
        f_BHd = self.state_vector(observation, z_TZ) / math.sqrt(width)
        bias_TH = self.track_bias(z_TZ)
        listed = []
        if "taken_B" in observation:
            taken_B = observation["taken_B"]
            g_BHd = self.tower_g(z_TZ[taken_B]).unflatten(1, (heads, width))
            listed.append(((f_BHd * g_BHd).sum(dim=2) + bias_TH[taken_B])[:, :, None])
        if "listed_BA" in observation:
            listed_BA = observation["listed_BA"]
            g_BAHd = self.tower_g(z_TZ[listed_BA]).unflatten(2, (heads, width))
            listed.append(torch.einsum("bhd,bahd->bha", f_BHd, g_BAHd) + bias_TH[listed_BA].transpose(1, 2))
        if "pool_A" in observation:
            pool_A = observation["pool_A"]
            g_AHd = self.tower_g(z_TZ[pool_A]).unflatten(1, (heads, width))
            listed.append(torch.einsum("bhd,ahd->bha", f_BHd, g_AHd) + bias_TH[pool_A].T)
        return torch.cat(listed, dim=2)

    def reward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Expected reward of the taken track itself, r_BH, from what is known of it without this listener's word."""
        taken_B, z_TZ = observation["taken_B"], self.track_vectors()
        content_BY = z_TZ[taken_B, : self.configuration.content_width]
        z_BZ = torch.cat([content_BY, self._dropped_out(observation["taken_identity_BZ"])], dim=1)
        heads, width = self.configuration.heads, self.configuration.tower_width
        f_BHd = self.state_vector(observation, z_TZ) / math.sqrt(width)
        g_BHd = self.tower_g(z_BZ).unflatten(1, (heads, width))
        bias_BH = self.bias(content_BY) + torch.tanh(self.content_TX[taken_B]) @ self.prior_XH
        bias_BH = bias_BH + observation["taken_popularity_B"][:, None] * self.popularity_H
        expected: Tensor = self.reward_value(self.summary(observation)) + (f_BHd * g_BHd).sum(dim=2) + bias_BH
        return expected

    def after(self, observation: Mapping[str, Tensor]) -> Tensor:
        """What content leads to later, over the same tracks as `advantage`, BHA."""
        listed = []
        if "taken_B" in observation:
            listed.append((self.content_TX[observation["taken_B"]] @ self.after_XH)[:, :, None])
        if "listed_BA" in observation:
            listed.append((self.content_TX[observation["listed_BA"]] @ self.after_XH).transpose(1, 2))
        if "pool_A" in observation:
            pool_HA = (self.content_TX[observation["pool_A"]] @ self.after_XH).T
            listed.append(pool_HA.expand(len(observation["clock_BC"]), -1, -1))
        return torch.cat(listed, dim=2)

    def next_gates(self, feature_NLF: Tensor, total_NLK: Tensor) -> Tensor:
        """How much each played row says of what is played next, by each kind of share; `next_tracks.gates` in torch."""
        hidden = torch.relu(self.next_hidden(feature_NLF))
        logit_NLK = self.next_gate(torch.cat([hidden, feature_NLF], dim=2)) + self.next_total_K * torch.log1p(total_NLK)
        gate_NLK: Tensor = torch.exp((GATE_STEP * logit_NLK).clamp(max=LARGEST_LOGIT)) * (total_NLK > 0)
        return gate_NLK

    def next_track_loss(self, choice: Mapping[str, Tensor]) -> Tensor:
        """−log p of the tracks that were played next: what the rows gave to them, over all that they gave."""
        gate_BLK = self.next_gates(choice["feature_BLF"], choice["total_BLK"])
        given_B = choice["background_B"] + (gate_BLK * choice["share_BLK"]).sum(dim=(1, 2))
        return (torch.log1p(gate_BLK.sum(dim=(1, 2))) - torch.log(given_B)).mean()

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """q_BHA. A is taken as it is: what returns say does not reach the towers."""
        advantage_BHA = self.advantage(observation).detach()
        value_BH1 = self.value(self.summary(observation))[:, :, None]
        q_BHA: Tensor = value_BH1 + (1 + self.lookahead_H[:, None]) * advantage_BHA + self.after(observation)
        return q_BHA


def observe(states: Mapping[str, Tensor], state_B: Tensor) -> dict[str, Tensor]:
    """What the network sees of these states; with their tastes, where these were reckoned before."""
    seen = {
        "row_track_BL": states["row_track_ML"][state_B],
        "row_open_BL": states["row_open_ML"][state_B],
        "row_signal_BLS": states["row_signal_MLS"][state_B].float(),
        "clock_BC": states["clock_MC"][state_B],
        "declared_BS": states["declared_MS"][state_B],
    }
    return seen | ({"taste_BZ": states["taste_MZ"][state_B]} if "taste_MZ" in states else {})


@torch.no_grad()
def tastes_of(network: RecommenderNetwork, states: Mapping[str, Tensor], at_once: int = 1024) -> Tensor:
    """taste_MZ of all states."""
    every_M = torch.arange(len(states["clock_MC"]), device=states["clock_MC"].device)
    return torch.cat([network.taste(observe(states, part_B)) for part_B in torch.split(every_M, at_once)])
