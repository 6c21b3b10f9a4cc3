"""The trained recommender in numpy: no torch. Before: a checkpoint of training.py. After: load_policy, recommending.py.

Letters: H heads, N listed, T all tracks, P of the checkpoint, S states, L rows, X signals, K attention heads, Y content after
one layer, Z track vector, d tower dimensions, W = H·d + H."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dqn.checkpoint import BrokenCheckpoint, Checkpoint, read_checkpoint
from recsys.learning.choice import ChoiceModel, Choices
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.explanation import explain
from recsys.learning.features import Arrays, ListenerState, Scaling, TrackTable, encode_state, track_table
from recsys.learning.next_tracks import PREFIX, NextTracks, at_rows, gates
from recsys.learning.played_rows import PlayedRows
from recsys.learning.policy import Reason, best_open
from recsys.learning.tastes import KnownTracks, Told
from recsys.learning.track_vectors import TrackVectors, vectors_of
from recsys.learning.windows import SIGNAL_NAMES
from recsys.rewards import RewardWeights

TRACK_MATRIX = "tracks.npy"
ROW_SCALE = 0.2
"""Keeps the sum over fifty rows near 1; the network in torch takes it from here."""
OF_ANSWERS = frozenset({"identity_TZ", "row_variance_TM", "popularity_T", "taste_precision_Mk"})
"""Kept as `KnownTracks`."""
LAYERS = ("content", "tower_g", "bias", "value", "value_hidden", "weigh", "weigh_hidden")
NEEDED = frozenset(f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")) | {
    *OF_ANSWERS,
    "tower_f.weight",
    "worth_S",
    "usual",
    "prior_XH",
    "after_XH",
    "lookahead_H",
    "popularity_H",
    "mean_D",
    "spread_D",
    "track_ids",
}
"""Weights that serving reads."""
NEEDED_NEXT = frozenset(f"{layer}.{part}" for layer in ("next_hidden", "next_gate") for part in ("weight", "bias")) | {
    "next_total_K"
}
"""And those it reads where tables of next tracks are."""
Floats = NDArray[np.float64]


def export(folder: Path, table: TrackTable | None = None) -> None:
    """Writes g(a) and b(a) of every track of the checkpoint as one matrix, which serving processes map into memory together.

    Beside its place first: a kill leaves no half of it, which no later attempt of the run could read."""
    policy = DqnPolicy(read_checkpoint(folder), matrix_PW=None)
    table = TrackTable.load() if table is None else table
    vectors = policy.vectors(table)
    rows = table.rows_of(policy.track_ids_P)
    matrix = np.zeros((len(rows), vectors.g_TW.shape[1]), dtype=np.float32)
    matrix[rows >= 0] = vectors.g_TW[rows[rows >= 0]]
    beside = folder / f".{TRACK_MATRIX}"
    with beside.open("wb") as file:
        np.save(file, matrix)
    beside.replace(folder / TRACK_MATRIX)


class DqnPolicy:
    """Scores any catalogue by one matrix product; reasons split the same product."""

    def __init__(self, checkpoint: Checkpoint, matrix_PW: NDArray[np.float32] | None) -> None:
        self.next_tracks = NextTracks.of_weights(checkpoint.weights)
        needed = NEEDED if self.next_tracks is None else NEEDED | NEEDED_NEXT
        missing = needed - checkpoint.weights.keys()
        if missing:
            raise BrokenCheckpoint(f"it was made by an earlier version: {', '.join(sorted(missing))} is missing; train again")
        self.configuration = RecommenderConfiguration.from_json(checkpoint.configuration)
        self.temperature = self.configuration.serving_temperature
        self.weights: dict[str, Floats] = {
            name: weight.astype(np.float64)
            for name, weight in checkpoint.weights.items()
            if name not in OF_ANSWERS | {"track_ids"} and not name.startswith(PREFIX)
        }
        self.known = KnownTracks.of_weights(checkpoint.weights)
        self.next_scale = self.configuration.next_track_weight * self.temperature
        """Reward that a unit of log p(next) is worth: π ∝ p^weight · exp(Q / temperature)."""
        self.scaling = Scaling(
            mean_D=checkpoint.weights["mean_D"],
            spread_D=checkpoint.weights["spread_D"],
            styles=tuple(checkpoint.configuration["styles"]),
        )
        # A checkpoint that doesn't tell them was taught by the first weights' idea of leaving early.
        self.reward_weights = RewardWeights.from_json(checkpoint.configuration.get("rewards", {}))
        self.track_ids_P: NDArray[np.int64] = checkpoint.weights["track_ids"]
        self.choice = ChoiceModel.read(checkpoint.weights)
        self.matrix_PW = matrix_PW
        self._vectors: TrackVectors | None = None
        self._seen: tuple[ListenerState, TrackVectors, Arrays, Floats] | None = None

    @classmethod
    def load(cls, folder: Path) -> DqnPolicy:
        """From a checkpoint folder; the track matrix is mapped, so that all processes share its pages."""
        path = folder / TRACK_MATRIX
        return cls(read_checkpoint(folder), np.load(path, mmap_mode="r") if path.exists() else None)

    def score(self, state: ListenerState, track_ids: Sequence[int]) -> Floats:
        """scores_HN. A track that is unknown to the table gets the catalogue's mean vector."""
        vectors = self.vectors(track_table())
        return self._scores(state, vectors, vectors.table.rows_of(track_ids))

    def score_rows(self, state: ListenerState, table: TrackTable, rows_N: NDArray[np.int64]) -> Floats:
        """scores_HN of rows of a table that is at hand."""
        return self._scores(state, self.vectors(table), rows_N)

    def choices(self, state: ListenerState, track_ids: Sequence[int], scores_HN: Floats) -> Choices | None:
        """By the choice model, from A = (Q − V − what follows)/(1 + κ); None in versions that have none or don't draw by it."""
        if self.choice is None or not self.configuration.slates_by_choice:
            return None
        vectors = self.vectors(track_table())
        arrays, _ = self.seen(state, vectors)
        value_H = self._state_value(arrays)
        content_NX = self.scaling.content(vectors.indexed, vectors.table.rows_of(track_ids)).astype(np.float64)
        after_HN = (content_NX @ self.weights["after_XH"]).T
        pleasure_HN = (scores_HN - value_H[:, None] - after_HN) / (1.0 + self.weights["lookahead_H"])[:, None]
        clock_C = arrays["clock_C"][0].astype(np.float64)
        return self.choice.of(pleasure_HN.mean(axis=0), clock_C, value_H, len(track_ids))

    def top(self, state: ListenerState, count: int, excluded: Collection[int]) -> list[int]:
        """The best of the whole catalogue."""
        return self.top_of(state, track_table(), count, excluded)

    def top_of(self, state: ListenerState, table: TrackTable, count: int, excluded: Collection[int]) -> list[int]:
        """The best of a table that is at hand: one matrix-vector product, then a partition."""
        vectors = self.vectors(table)
        heads, width = self.configuration.heads, self.configuration.tower_width
        arrays, f_HD = self.seen(state, vectors)
        summed = np.concatenate([f_HD.ravel() / math.sqrt(width), np.ones(heads)]).astype(np.float32)
        scores_T = vectors.g_TW @ summed
        for named, lift in self.lifts(arrays, vectors):
            scores_T[named] += heads * self.next_scale * lift
        return best_open(scores_T, vectors.table, count, excluded)

    def explain(self, state: ListenerState, track_ids: Sequence[int], candidates: Sequence[int]) -> list[list[Reason]]:
        """Heard tracks, declared styles, the moment, popularity and a residual, by what the score loses without each."""
        return explain(self, state, track_ids, candidates)

    def state_tower(self, vectors: TrackVectors) -> tuple[Floats, Floats, Floats]:
        """The rows of the state tower that take past tracks, declared styles, and the clock."""
        c = self.configuration
        pooled = c.attention_heads * c.content_width + c.taste_models * c.identity_width
        past, declared, clock = np.split(self.weights["tower_f.weight"].T, [pooled, pooled + len(self.scaling.styles) + 1])
        return past, declared, clock

    def lifts(self, arrays: Arrays, vectors: TrackVectors) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """For each state the tracks that are likelier next than their popularity says, ascending, and by how much in log p."""
        for track_R, gate_RK in self.next_gates(arrays, vectors):
            assert vectors.placed is not None
            yield vectors.placed.lift(track_R, gate_RK)

    def next_gates(self, arrays: Arrays, vectors: TrackVectors) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """For each state its played tracks, newest first, and how much each says of what is played next."""
        if vectors.placed is None:
            return
        played = PlayedRows.of(
            arrays["row_track_L"], arrays["row_open_L"], arrays["row_signal_LS"], arrays["clock_C"], vectors.placed.artist_T
        )
        gate_SLK = gates(self.weights, played.feature_NLF, vectors.placed.totals(played))
        for track_L, open_L, gate_LK in zip(played.track_NL, played.open_NL, gate_SLK, strict=True):
            yield track_L[open_L], gate_LK[open_L]

    def vectors(self, table: TrackTable) -> TrackVectors:
        """Track vectors of this table, kept until it changes."""
        if self._vectors is None or self._vectors.table is not table:
            self._vectors = vectors_of(self, table)
        return self._vectors

    def _scores(self, state: ListenerState, vectors: TrackVectors, rows_N: NDArray[np.int64]) -> Floats:
        heads, width = self.configuration.heads, self.configuration.tower_width
        arrays, f_HD = self.seen(state, vectors)
        f_HD = f_HD / math.sqrt(width)
        g_NW = vectors.g_TW[rows_N].astype(np.float64)
        if (rows_N < 0).any():
            g_NW[rows_N < 0] = vectors.mean_W
        g_NHD = g_NW[:, : heads * width].reshape(-1, heads, width)
        scores_HN: Floats = np.einsum("hd,nhd->hn", f_HD, g_NHD) + g_NW[:, heads * width :].T
        scores_HN += self._state_value(arrays)[:, None]
        for named, lift in self.lifts(arrays, vectors):
            scores_HN += self.next_scale * at_rows(rows_N, named, lift)
        return scores_HN

    def seen(self, state: ListenerState, vectors: TrackVectors) -> tuple[Arrays, Floats]:
        """The encoded state, as one of one, and f(s), [H, d]; worked out once per request, which asks for candidates, scores
        and reasons."""
        kept = self._seen
        if kept is None or kept[0] is not state or kept[1] is not vectors:
            encoded = encode_state(state, vectors.indexed, self.reward_weights)
            arrays = {name: array[None] for name, array in encoded.items()}
            f_HD = self.state_vectors(arrays, vectors)[0]
            kept = self._seen = (state, vectors, arrays, f_HD)
        return kept[2], kept[3]

    def state_vectors(self, arrays: Arrays, vectors: TrackVectors) -> Floats:
        """f of S states, [S, H, d]: weighted rows, taste, declared styles and the clock through one matrix."""
        w, clock_SC = self.weights, arrays["clock_C"].astype(np.float64)
        hidden_SLU = self._rows_hidden(arrays)
        weight_SKL = self._row_weights(arrays, hidden_SLU).transpose(0, 2, 1)
        pooled_SKY = weight_SKL @ vectors.content_TY[arrays["row_track_L"]].astype(np.float64)
        taste_SZ = self.told(arrays, vectors).taste()
        joined = np.concatenate([pooled_SKY.reshape(len(clock_SC), -1), taste_SZ, arrays["declared_S"], clock_SC], axis=1)
        f_SW: Floats = joined @ w["tower_f.weight"].T
        return f_SW.reshape(-1, self.configuration.heads, self.configuration.tower_width)

    def rows_said(self, arrays: Arrays, vectors: TrackVectors) -> Floats:
        """What each past row of S states gives to the input of the state tower, [S, L, ...]: weighted vectors, then tastes."""
        hidden_SLU, track_SL = self._rows_hidden(arrays), arrays["row_track_L"]
        weight_SLK = self._row_weights(arrays, hidden_SLU)
        row_SLKY = weight_SLK[:, :, :, None] * vectors.content_TY[track_SL].astype(np.float64)[:, :, None, :]
        taste_SLZ = self.told(arrays, vectors).taste_by_row()
        return np.concatenate([row_SLKY.reshape(*track_SL.shape, -1), taste_SLZ], axis=2)

    def _rows_hidden(self, arrays: Arrays) -> Floats:
        """One layer over (signals, clock), the clock's part of it once per state."""
        w, signal_SLX = self.weights, arrays["row_signal_LS"].astype(np.float64)
        signals = signal_SLX.shape[2]
        hidden_SLU: Floats = signal_SLX @ w["weigh_hidden.weight"][:, :signals].T
        hidden_SLU += (arrays["clock_C"] @ w["weigh_hidden.weight"][:, signals:].T + w["weigh_hidden.bias"])[:, None]
        return np.maximum(hidden_SLU, 0.0, out=hidden_SLU)

    def _row_weights(self, arrays: Arrays, hidden_SLU: Floats) -> Floats:
        """Signed weights of the past rows, [S, L, K], as the network in torch has them."""
        w, heads = self.weights, self.configuration.attention_heads
        weighed = hidden_SLU @ w["weigh.weight"].T + w["weigh.bias"]
        weight_SLK: Floats = weighed[:, :, heads:] * (arrays["row_open_L"] * ROW_SCALE)[:, :, None]
        weight_SLK /= 1.0 + np.exp(-weighed[:, :, :heads])
        return weight_SLK

    def told(self, arrays: Arrays, vectors: TrackVectors) -> Told:
        """What the rows say of the listener's taste; of tracks that came later nothing is known but how little."""
        signal_SLX = arrays["row_signal_LS"].astype(np.float64)
        outcome_SL = signal_SLX @ self.weights["worth_S"] - self.weights["usual"]
        place_SL = vectors.place_T[arrays["row_track_L"]]
        return self.known.told(place_SL, outcome_SL, signal_SLX[:, :, SIGNAL_NAMES.index("speaks")])

    def _state_value(self, arrays: Arrays) -> Floats:
        """V of the one state."""
        w = self.weights
        signal_LS = arrays["row_signal_LS"][0].astype(np.float64)
        in_session_L = signal_LS[:, SIGNAL_NAMES.index("in_session")]
        summary = np.concatenate(
            [
                signal_LS.sum(axis=0) / max(1, int(arrays["row_open_L"].sum())),
                (signal_LS * in_session_L[:, None]).sum(axis=0) / max(1.0, in_session_L.sum()),
                arrays["clock_C"][0],
            ]
        )
        hidden = np.maximum(summary @ w["value_hidden.weight"].T + w["value_hidden.bias"], 0.0)
        value: Floats = hidden @ w["value.weight"].T + w["value.bias"]
        return value
