"""Q(s, a) = V(s) + ⟨f(s), g(a)⟩/√d + b(a). Before: training.py's batches. After: dqn.learner, dqn_policy.py.

Letters: B batch, L rows of a state, S signals, C clock, K attention heads, H ensemble heads, A listed, T all tracks, X content,
Z track vector, d tower dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.dqn_policy import ROW_SCALE
from recsys.learning.features import CLOCK_NAMES, SIGNAL_NAMES

HIDDEN = 32
"""Units of the layers that weigh rows and value the moment."""


class RecommenderNetwork(nn.Module):
    """The towers. f is linear in the weighted rows, so Q splits exactly over past rows and declared styles."""

    content_TX: Tensor
    prior_XH: Tensor
    popularity_T: Tensor

    def __init__(
        self,
        configuration: RecommenderConfiguration,
        content_TX: NDArray[Any],
        styles: int,
        popularity_T: NDArray[Any] | None = None,
    ) -> None:
        super().__init__()
        self.configuration = c = configuration
        tracks, content = content_TX.shape
        signals, clock = len(SIGNAL_NAMES), len(CLOCK_NAMES)
        self.width = c.content_width + c.identity_width
        self.register_buffer("content_TX", torch.as_tensor(content_TX, dtype=torch.float32), persistent=False)
        # What everybody liked is where learning starts: the towers learn what differs from listener to listener.
        known_T = torch.zeros(tracks) if popularity_T is None else torch.as_tensor(popularity_T, dtype=torch.float32)
        self.register_buffer("popularity_T", known_T)
        self.popularity_H = nn.Parameter(torch.ones(c.heads))
        self.content = nn.Linear(content, c.content_width)
        self.identity_TZ = nn.Parameter(torch.zeros(tracks, c.identity_width))
        self.weigh_hidden = nn.Linear(signals + clock, HIDDEN)
        self.weigh = nn.Linear(HIDDEN, 2 * c.attention_heads)
        self.tower_f = nn.Linear(c.attention_heads * self.width + styles + 1 + clock, c.heads * c.tower_width, bias=False)
        self.tower_g = nn.Linear(self.width, c.heads * c.tower_width)
        self.bias = nn.Linear(self.width, c.heads)
        self.value_hidden = nn.Linear(2 * signals + clock, HIDDEN)
        self.value = nn.Linear(HIDDEN, c.heads)
        self.register_buffer("prior_XH", torch.randn(content, c.heads) * (c.random_prior_scale / math.sqrt(content)))
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)
        nn.init.normal_(self.tower_f.weight, std=0.05)
        nn.init.zeros_(self.bias.weight)
        nn.init.zeros_(self.bias.bias)

    def track_vectors(self) -> Tensor:
        """z_TZ: content through one layer, beside the track's own embedding (under dropout of whole tracks in training)."""
        identity_TZ: Tensor = self.identity_TZ
        share = self.configuration.identity_dropout
        if self.training and share > 0:
            kept = torch.rand(identity_TZ.shape[0], 1, device=identity_TZ.device) >= share
            identity_TZ = identity_TZ * kept
        return torch.cat([torch.relu(self.content(self.content_TX)), identity_TZ], dim=1)

    def row_weights(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Signed weights of the past rows, c_BLK: how much a row matters times what it speaks for.

        Gates instead of a softmax over the rows: what one row says does not depend on which others there are, so naming a
        cause and deleting it agree. Evidence adds up instead of being averaged away.
        """
        signal_BLS = observation["row_signal_BLS"]
        clock_BLC = observation["clock_BC"][:, None, :].expand(-1, signal_BLS.shape[1], -1)
        hidden = torch.relu(self.weigh_hidden(torch.cat([signal_BLS, clock_BLC], dim=2)))
        logit_BLK, speaks_BLK = self.weigh(hidden).chunk(2, dim=2)
        gate_BLK = torch.sigmoid(logit_BLK) * observation["row_open_BL"][:, :, None]
        weights_BLK: Tensor = gate_BLK * speaks_BLK * ROW_SCALE
        return weights_BLK

    def state_vector(self, observation: Mapping[str, Tensor], z_TZ: Tensor) -> Tensor:
        """f_BHd."""
        rows_BLZ = z_TZ[observation["row_track_BL"]]
        pooled_BKZ = torch.einsum("blk,blz->bkz", self.row_weights(observation), rows_BLZ)
        joined = torch.cat([pooled_BKZ.flatten(1), observation["declared_BS"], observation["clock_BC"]], dim=1)
        f_BW: Tensor = self.tower_f(joined)
        return f_BW.view(-1, self.configuration.heads, self.configuration.tower_width)

    def state_value(self, observation: Mapping[str, Tensor]) -> Tensor:
        """V_BH, from the clock and the mean signals of the whole window and of the open session."""
        signal_BLS = observation["row_signal_BLS"]
        in_session_BL1 = signal_BLS[:, :, SIGNAL_NAMES.index("in_session")].unsqueeze(2)
        rows_B1 = observation["row_open_BL"].sum(dim=1, keepdim=True).clamp(min=1)
        session_B1 = in_session_BL1.sum(dim=1).clamp(min=1)
        summary = torch.cat(
            [signal_BLS.sum(dim=1) / rows_B1, (signal_BLS * in_session_BL1).sum(dim=1) / session_B1, observation["clock_BC"]],
            dim=1,
        )
        value: Tensor = self.value(torch.relu(self.value_hidden(summary)))
        return value

    def track_bias(self, z_TZ: Tensor) -> Tensor:
        """b_TH: popularity, what is learned beside it, and each head's random prior."""
        bias: Tensor = self.bias(z_TZ) + torch.tanh(self.content_TX) @ self.prior_XH
        return bias + self.popularity_T[:, None] * self.popularity_H

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """q_BHA over the taken track (where there is one), then the pool's tracks."""
        z_TZ = self.track_vectors()
        heads, width = self.configuration.heads, self.configuration.tower_width
        f_BHd = self.state_vector(observation, z_TZ) / math.sqrt(width)
        bias_TH = self.track_bias(z_TZ)
        pool_A = observation["pool_A"]
        g_AHd = self.tower_g(z_TZ[pool_A]).unflatten(1, (heads, width))
        q_BHA = torch.einsum("bhd,ahd->bha", f_BHd, g_AHd) + bias_TH[pool_A].T
        if "taken_B" in observation:
            taken_B = observation["taken_B"]
            g_BHd = self.tower_g(z_TZ[taken_B]).unflatten(1, (heads, width))
            taken_BH = (f_BHd * g_BHd).sum(dim=2) + bias_TH[taken_B]
            q_BHA = torch.cat([taken_BH[:, :, None], q_BHA], dim=2)
        return q_BHA + self.state_value(observation)[:, :, None]
