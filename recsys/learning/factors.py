"""What tracks have in common, found in who liked what. Before: replay_dataset.py. After: training.py starts from it.

Letters: N outcomes, L listeners, T tracks, P pairs of both, K dimensions, X = K + 1, M taste models, Z their dimensions
together; a group G is a listener or a track."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsys.learning.replay_dataset import ReplayDataset

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
ROUNDS = 40
"""Half as many again found nothing more on people's ratings."""
FIRST_SPREAD = 0.1
"""Of what is found in the first round."""
CHUNK = 65_536
"""Pairs of listener and track that are looked at at once."""
LEAST_NOISE = 1e-3
"""Of the outcomes' variance: no listener says the same twice, and what is left out could not be told from rounding."""
LEAST_SIZE = 1e-6
"""Of track vectors that say anything."""
LEAST_SPREAD = 1e-4
"""Of a dimension that the log says nothing about: keeps its precision finite."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """Posterior of a vector and a number per group, normal together: taste and level of listeners, vector and bias of tracks.

    The other side's vector and number are multiplied with x = (vector, 1)."""

    mean_GX: Floats
    """Near 0 where little is known, so that a track heard once says little."""
    covariance_GXX: Floats
    prior_XX: Floats
    """Covariance of a group of which nothing is known; its mean is 0."""

    @classmethod
    def drawn(cls, groups: int, width: int, generator: np.random.Generator) -> Side:
        """A random start."""
        mean_GX = np.column_stack([0.3 * generator.normal(size=(groups, width)), np.zeros(groups)])
        prior_XX = FIRST_SPREAD * np.eye(width + 1)
        return cls(mean_GX=mean_GX, covariance_GXX=np.tile(0.1 * prior_XX, (groups, 1, 1)), prior_XX=prior_XX)

    @property
    def vector_GK(self) -> Floats:
        """Posterior means."""
        return self.mean_GX[:, :-1]

    @property
    def number_G(self) -> Floats:
        """Posterior means of the numbers."""
        return self.mean_GX[:, -1]

    @property
    def factor_GX(self) -> Floats:
        """(vector, 1)."""
        return np.column_stack([self.vector_GK, np.ones(len(self.mean_GX))])

    @property
    def square_GXX(self) -> Floats:
        """Second moments of (vector, 1)."""
        square_GXX: Floats = self.factor_GX[:, :, None] * self.factor_GX[:, None, :]
        square_GXX[:, :-1, :-1] += self.covariance_GXX[:, :-1, :-1]
        return square_GXX

    @property
    def tied_GX(self) -> Floats:
        """Covariances of the number with (vector, 1)."""
        return np.column_stack([self.covariance_GXX[:, -1, :-1], np.zeros(len(self.mean_GX))])

    @property
    def second_moment_XX(self) -> Floats:
        """Of vector and number over all groups, what is not known of them included."""
        spread_XX: Floats = self.covariance_GXX.mean(axis=0) + self.mean_GX.T @ self.mean_GX / len(self.mean_GX)
        return spread_XX + LEAST_SPREAD * np.eye(len(spread_XX))


@dataclass(frozen=True, kw_only=True)
class Said:
    """What outcomes say of each group, given the other side: sums of E x xᵀ and of E x·(outcome − the other's number)."""

    square_GXX: Floats
    pulled_GX: Floats

    @classmethod
    def of(cls, group_N: Rows, groups: int, other: Side, other_N: Rows, weight_N: Floats, beyond_N: Floats) -> Said:
        """`beyond_N` are outcomes above the mean of all."""
        size = other.mean_GX.shape[1]
        square_GXX, pulled_GX = np.empty((groups, size, size)), np.empty((groups, size))
        factor_GX, tied_GX = other.factor_GX, other.tied_GX
        rest_N = beyond_N - other.number_G[other_N]
        for k in range(size):
            told_N = rest_N * factor_GX[other_N, k] - tied_GX[other_N, k]
            pulled_GX[:, k] = np.bincount(group_N, weight_N * told_N, groups)
            for j in range(k + 1):
                moment_G = factor_GX[:, k] * factor_GX[:, j] + (other.covariance_GXX[:, k, j] if k < size - 1 else 0.0)
                square_GXX[:, k, j] = square_GXX[:, j, k] = np.bincount(group_N, weight_N * moment_G[other_N], groups)
        return cls(square_GXX=square_GXX, pulled_GX=pulled_GX)

    def posterior(self, prior_XX: Floats, noise: float) -> Side:
        """Of each group's vector and number: Bayesian linear regression."""
        covariance_GXX = np.linalg.inv(np.linalg.inv(prior_XX) + self.square_GXX / noise).astype(np.float64, copy=False)
        mean_GX = np.einsum("gxy,gy->gx", covariance_GXX, self.pulled_GX) / noise
        return Side(mean_GX=mean_GX, covariance_GXX=covariance_GXX, prior_XX=prior_XX)

    def explained(self, side: Side) -> float:
        """By how much this side makes the sum of squares of what the other's numbers leave open smaller."""
        seen_GX = np.einsum("gxy,gy->gx", self.square_GXX, side.mean_GX)
        unsure = np.vdot(side.covariance_GXX, self.square_GXX)
        return float(2.0 * np.vdot(side.mean_GX, self.pulled_GX) - np.vdot(side.mean_GX, seen_GX) - unsure)


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Outcome of listener l with track t ≈ mean + level_l + bias_t + ⟨taste_l, track_t⟩."""

    listeners_L: NDArray[np.int64]
    """Ids, ascending."""
    listener: Side
    """Tastes and levels."""
    track: Side
    """Vectors and biases."""
    mean: float
    """Of all outcomes."""
    noise: float
    """Variance of an outcome that all of this leaves open."""

    def pleasure(self, listener_N: NDArray[np.int64], track_N: Rows) -> Floats:
        """Expected outcome of each pair above the listener's own level."""
        place_N = np.searchsorted(self.listeners_L, listener_N)
        found: Floats = self.bias_T[track_N] + (self.listener.vector_GK[place_N] * self.track_TK[track_N]).sum(axis=1)
        return found

    @property
    def track_TK(self) -> Floats:
        """Track vectors."""
        return self.track.vector_GK

    @property
    def bias_T(self) -> Floats:
        """What everybody thinks of the track, beyond who they are."""
        return self.track.number_G

    @property
    def level_variance(self) -> float:
        """Of the listeners' levels."""
        return float(self.listener.prior_XX[-1, -1])

    @property
    def row_variance_T(self) -> Floats:
        """Of an outcome, given the taste of somebody: noise, and what is not known of its track; last a track nobody heard."""
        unknown_T = np.append(np.einsum("txx->t", self.track.covariance_GXX), np.trace(self.track.prior_XX))
        return np.asarray(self.noise + unknown_T)

    @property
    def size(self) -> float:
        """Root mean square of the track vectors over tracks and dimensions; 1 where nothing is known."""
        size = float(np.sqrt((self.track_TK**2).mean())) if self.track_TK.size else 0.0
        return size if size > LEAST_SIZE else 1.0

    def scaled(self) -> NDArray[np.float32]:
        """Track vectors with mean square 1; zeros where nothing is known."""
        return (self.track_TK / self.size).astype(np.float32)

    def left_out(
        self, listener_N: NDArray[np.int64], track_N: Rows, outcome_N: Floats, weight_N: Floats
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each of the outcomes that were factorised (scaled track vector [N, K], bias [N]) as they would be, had its
        listener said nothing of its track: the posterior without their terms, everybody's tastes as they are."""
        place_N = np.searchsorted(self.listeners_L, listener_N)
        pair, first, pair_N = np.unique(place_N * len(self.bias_T) + track_N, return_index=True, return_inverse=True)
        place_P, track_P = place_N[first], track_N[first]
        share_P = np.bincount(pair_N, weight_N, len(pair)) / self.noise
        rest_N = outcome_N - self.mean - self.listener.number_G[place_N]
        rest_P = np.bincount(pair_N, weight_N * rest_N, len(pair)) / self.noise
        precision_TXX = np.linalg.inv(self.track.covariance_GXX)
        pulled_TX = np.einsum("txy,ty->tx", precision_TXX, self.track.mean_GX)
        square_LXX, factor_LX, tied_LX = self.listener.square_GXX, self.listener.factor_GX, self.listener.tied_GX
        left_PX = np.empty((len(pair), self.track.mean_GX.shape[1]))
        for start in range(0, len(pair), CHUNK):
            here = slice(start, start + CHUNK)
            place, track, share = place_P[here], track_P[here], share_P[here]
            precision_PXX = precision_TXX[track] - share[:, None, None] * square_LXX[place]
            pulled_PX = pulled_TX[track] - rest_P[here, None] * factor_LX[place] + share[:, None] * tied_LX[place]
            left_PX[here] = np.linalg.solve(precision_PXX, pulled_PX[:, :, None])[:, :, 0]
        vector_PK, bias_P = left_PX[:, :-1] / self.size, left_PX[:, -1]
        return vector_PK.astype(np.float32)[pair_N], bias_P.astype(np.float32)[pair_N]


def factorise(
    listener_N: NDArray[np.int64],
    track_N: Rows,
    outcome_N: Floats,
    weight_N: Floats,
    *,
    tracks: int,
    width: int,
    seed: int,
) -> Factors:
    """Variational Bayes: taste ~ N(0, 1), level ~ N(0, v), (vector, bias) of a track ~ N(0, S); v and S from the log.

    Lim & Teh 2007 (Variational Bayesian approach to movie rating prediction), with one posterior of a track's vector and bias
    together: what everybody thinks of a track then says which vector it has, and the other way round. Every spread is set by
    expectation maximisation, so there is no strength of regularisation to choose: with little feedback the vectors shrink to
    nothing by themselves."""
    listeners_L, place_N = np.unique(listener_N, return_inverse=True)
    track = Side.drawn(tracks, width, np.random.default_rng([seed, 2]))
    prior_X = np.append(np.ones(width), FIRST_SPREAD)
    mean = float(np.average(outcome_N, weights=weight_N))
    beyond_N, weight = outcome_N - mean, float(weight_N.sum())
    open_square = float(weight_N @ beyond_N**2) / weight
    least_noise = LEAST_NOISE * open_square + 1e-9
    for _ in range(ROUNDS):
        noise = max(least_noise, open_square)
        listener = Said.of(place_N, len(listeners_L), track, track_N, weight_N, beyond_N).posterior(np.diag(prior_X), noise)
        prior_X[-1] = listener.second_moment_XX[-1, -1]
        said = Said.of(track_N, tracks, listener, place_N, weight_N, beyond_N)
        track = said.posterior(track.prior_XX, noise)
        left_N = (beyond_N - listener.number_G[place_N]) ** 2 + listener.covariance_GXX[place_N, -1, -1]
        open_square = (float(weight_N @ left_N) - said.explained(track)) / weight
        track = replace(track, prior_XX=track.second_moment_XX)
    return Factors(
        listeners_L=listeners_L,
        listener=replace(listener, prior_XX=np.diag(prior_X)),
        track=track,
        mean=mean,
        noise=noise,
    )


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """What is known of the track of each taught transition without the listener's own word: else a track would seem to be
    foretold by likeness that was found in this very outcome (deleted estimation, as in next_choices.py)."""

    vector_NZ: NDArray[np.float32]
    bias_N: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TasteModels:
    """Factors found from several random starts: each explains the log about as well, and their mean foretells better."""

    each: tuple[Factors, ...]
    worth_S: Floats
    """What each signal of a row tells of the outcome (`tastes.worth_of_signals`)."""

    @property
    def bias_T(self) -> Floats:
        """What everybody thinks of each track."""
        return np.asarray(np.mean([factors.bias_T for factors in self.each], axis=0))

    @property
    def mean(self) -> float:
        """Of all outcomes."""
        return self.each[0].mean

    def vectors(self) -> NDArray[np.float32]:
        """All models' scaled track vectors side by side, [T, Z]."""
        return np.concatenate([factors.scaled() for factors in self.each], axis=1)

    def row_variances(self) -> NDArray[np.float32]:
        """Of an outcome, given the listener's taste: noise, and what is not known of the track, [T + 1, M]; last a track of
        which nothing is known."""
        return np.stack([factors.row_variance_T for factors in self.each], axis=1).astype(np.float32)

    def precisions(self) -> NDArray[np.float32]:
        """Of a listener nothing is known of: taste in units of the scaled vectors, then their level; a row for each model."""
        rows = [[factors.size**2] * factors.track_TK.shape[1] + [factors.level_variance] for factors in self.each]
        return 1.0 / np.array(rows, dtype=np.float32)

    def pleasure(self, listener_N: NDArray[np.int64], track_N: Rows) -> Floats:
        """Expected outcome of each pair above the listener's own level."""
        return np.asarray(np.mean([factors.pleasure(listener_N, track_N) for factors in self.each], axis=0))


Known = tuple[TasteModels, LeftOut]


def taste_models_of(dataset: ReplayDataset, *, models: int, width: int, passed_over_weight: float, seed: int) -> Known:
    """Of the training part of a `ReplayDataset`: plays with their reward, and what was passed over with 0."""
    taught = ~dataset.is_held_out_N
    passed = len(dataset.passed_track_K) if passed_over_weight > 0 else 0
    listener_N = np.concatenate([dataset.listener_N[taught], dataset.passed_listener_K[:passed]])
    track_N = np.concatenate([dataset.track_N[taught], dataset.passed_track_K[:passed]])
    outcome_N = np.concatenate([dataset.reward_N[taught].astype(np.float64), np.zeros(passed)])
    weight_N = np.concatenate([np.ones(int(taught.sum())), np.full(passed, passed_over_weight)])
    outcomes = listener_N, track_N, outcome_N, weight_N
    each = tuple(
        factorise(*outcomes, tracks=len(dataset.table), width=width, seed=seed * models + number) for number in range(models)
    )
    count = int(taught.sum())
    left_out = [tuple(known[:count].copy() for known in factors.left_out(*outcomes)) for factors in each]
    return TasteModels(each=each, worth_S=dataset.worth_S), LeftOut(
        vector_NZ=np.concatenate([vector_NK for vector_NK, _ in left_out], axis=1),
        bias_N=np.mean([bias_N for _, bias_N in left_out], axis=0),
    )
