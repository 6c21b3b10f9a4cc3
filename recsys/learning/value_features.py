"""ψ(s, a): a few numbers from which value models of the log are linear. Before: logged decisions. After: held_out.py.

Letters: n candidates, K features, D features φ, L rows of a state. They look at the log alone, at no policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.feedback import SESSION_GAP
from recsys.learning.features import ListenerState, TrackTable
from recsys.learning.popularity import Popularity

NAMES = ("one", "item mean", "likeness", "style", "declared", "tired of style", "plays so far", "position")
LONG_SESSION_PLAYS = 20
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ValueFeatures:
    """What ψ needs beside the state."""

    table: TrackTable
    content_TD: Floats
    """φ in standard deviations, each track scaled to length 1."""
    model: Popularity
    """Shrunken mean reward of each track in the training part."""

    @classmethod
    def of(cls, table: TrackTable, model: Popularity) -> ValueFeatures:
        """For one table and the item means of one training part."""
        content_TD = table.features_TD.astype(np.float64)
        spread_D = content_TD.std(axis=0)
        content_TD = (content_TD - content_TD.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1.0)
        length_T = np.linalg.norm(content_TD, axis=1, keepdims=True)
        return cls(table=table, content_TD=content_TD / np.where(length_T > 0, length_T, 1.0), model=model)

    def of_candidates(self, state: ListenerState, candidates: tuple[int, ...]) -> Floats:
        """ψ_nK with position 0; a track that is gone from the table counts as an average one."""
        rows_n = self.table.rows_of(candidates)
        known_n = rows_n >= 0
        psi_nK = np.zeros((len(candidates), len(NAMES)))
        psi_nK[:, 0] = 1.0
        psi_nK[:, 1] = self.model.of(candidates)
        psi_nK[:, 6] = min(1.0, state.session_position / LONG_SESSION_PLAYS)
        place, heard_L, recent_L = self._heard(state)
        if len(place):
            profile_D = heard_L @ self.content_TD[place] / np.sqrt(len(place))
            psi_nK[known_n, 2] = self.content_TD[rows_n[known_n]] @ profile_D
            same_nL = self.table.style_T[rows_n][:, None] == self.table.style_T[place][None]
            psi_nK[:, 3] = known_n * (same_nL @ heard_L) / (3.0 + same_nL.sum(axis=1))
            psi_nK[:, 5] = known_n * np.minimum(1.0, (same_nL @ recent_L) / 5.0)
        declared = [place for place, style in enumerate(self.table.styles) if style in state.styles]
        psi_nK[:, 4] = known_n & np.isin(self.table.style_T[rows_n], declared)
        return psi_nK

    def _heard(self, state: ListenerState) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Rows of the table of the tracks played, how far each was heard beyond half, and whether in the open session."""
        plays = [row for row in state.rows if row.kind == "play"]
        place = self.table.rows_of([row.track_id for row in plays])
        share = np.array([row.value or 0.0 for row in plays]) / self.table.duration_seconds_T[place]
        recent = np.array([state.moment - row.occurred_at <= 2 * SESSION_GAP for row in plays], dtype=np.float64)
        known = place >= 0
        return place[known], np.minimum(1.0, share[known]) - 0.5, recent[known]
