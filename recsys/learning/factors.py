"""What tracks have in common, found in who liked what. Before: replay_dataset.py. After: training.py starts from it.

Letters: N outcomes, L listeners, T tracks, P pairs of both, K dimensions, M taste models, Z their dimensions together; a group
is a listener or a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.learning.replay_dataset import ReplayDataset

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
ROUNDS = 25
CHUNK = 65_536
"""Pairs of listener and track that are looked at at once."""
LEAST_NOISE = 1e-3
"""Of the outcomes' variance: no listener says the same twice, and what is left out could not be told from rounding."""
LEAST_SIZE = 1e-6
"""Of track vectors that say anything."""
LEAST_SPREAD = 1e-4
"""Of a dimension that the log says nothing about: keeps its precision finite."""


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Outcome of listener l with track t ≈ mean + listener's level + bias_t + ⟨taste_l, track_t⟩."""

    listeners_L: NDArray[np.int64]
    """Ids, ascending."""
    taste_LK: Floats
    track_TK: Floats
    """Posterior means: near 0 where little is known, so that a track heard once says little."""
    taste_square_LKK: Floats
    """Second moments of the tastes."""
    covariance_TKK: Floats
    """How unsure the track vectors are."""
    spread_K: Floats
    """Variance of the vector of a track that nobody heard."""
    bias_T: Floats
    """What everybody thinks of the track, beyond who they are."""
    bias_variance_T: Floats
    level_L: Floats
    mean: float
    """Of all outcomes."""
    noise: float
    """Variance of an outcome that all of this leaves open."""
    level_variance: float
    """Of the listeners' levels."""

    def pleasure(self, listener_N: NDArray[np.int64], track_N: Rows) -> Floats:
        """Expected outcome of each pair above the listener's own level."""
        place_N = np.searchsorted(self.listeners_L, listener_N)
        found: Floats = self.bias_T[track_N] + (self.taste_LK[place_N] * self.track_TK[track_N]).sum(axis=1)
        return found

    @property
    def variance_TK(self) -> Floats:
        """Of each track's vector."""
        return np.asarray(np.einsum("tkk->tk", self.covariance_TKK))

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
        beyond_N = weight_N / self.noise * (outcome_N - self.mean - self.level_L[place_N] - self.bias_T[track_N])
        beyond_P = np.bincount(pair_N, beyond_N, len(pair))
        precision_TKK = np.linalg.inv(self.covariance_TKK)
        vector_PK = np.empty((len(pair), self.track_TK.shape[1]), dtype=np.float32)
        for start in range(0, len(pair), CHUNK):
            here = slice(start, start + CHUNK)
            place, precision_PKK = place_P[here], precision_TKK[track_P[here]]
            pulled_PK = np.einsum("pkj,pj->pk", precision_PKK, self.track_TK[track_P[here]])
            pulled_PK -= beyond_P[here, None] * self.taste_LK[place]
            left_PKK = precision_PKK - share_P[here, None, None] * self.taste_square_LKK[place]
            vector_PK[here] = np.linalg.solve(left_PKK, pulled_PK[:, :, None])[:, :, 0] / self.size
        joined_N = (self.taste_LK[place_N] * self.track_TK[track_N]).sum(axis=1)
        rest_N = beyond_N + weight_N / self.noise * (self.bias_T[track_N] - joined_N)
        left_P = np.bincount(track_N, rest_N, len(self.bias_T))[track_P] - np.bincount(pair_N, rest_N, len(pair))
        bias_P = left_P / (1.0 / self.bias_variance_T[track_P] - share_P)
        return vector_PK[pair_N], bias_P[pair_N].astype(np.float32)


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
    """Variational Bayes: taste ~ N(0, 1), track_k ~ N(0, s_k), biases and noise with spreads learned from the log.

    Lim & Teh 2007 (Variational Bayesian approach to movie rating prediction); every spread is set by expectation maximisation,
    so there is no strength of regularisation to choose: with little feedback the vectors shrink to nothing by themselves.
    """
    listeners_L, place_N = np.unique(listener_N, return_inverse=True)
    taste = _Side.drawn(len(listeners_L), width, np.ones(width), np.random.default_rng([seed, 1]))
    track = _Side.drawn(tracks, width, np.full(width, 0.1), np.random.default_rng([seed, 2]))
    mean = float(np.average(outcome_N, weights=weight_N))
    rest_N = outcome_N - mean
    level, bias = _Bias.of(len(listeners_L)), _Bias.of(tracks)
    unsure_N = rest_N**2
    least_noise = LEAST_NOISE * float(np.average(unsure_N, weights=weight_N)) + 1e-9
    for _ in range(ROUNDS):
        noise = max(least_noise, float(np.average(unsure_N, weights=weight_N)))
        joined_N = (taste.mean_GK[place_N] * track.mean_GK[track_N]).sum(axis=1)
        bias = bias.fitted(track_N, weight_N, rest_N - level.mean_G[place_N] - joined_N, noise)
        level = level.fitted(place_N, weight_N, rest_N - bias.mean_G[track_N] - joined_N, noise)
        own_N = rest_N - level.mean_G[place_N] - bias.mean_G[track_N]
        taste = taste.fitted(place_N, track, track_N, weight_N, own_N, noise)
        track = track.fitted(track_N, taste, place_N, weight_N, own_N, noise).with_own_spread()
        unsure_N = _expected_square(own_N, taste, place_N, track, track_N)
        unsure_N += bias.variance_G[track_N] + level.variance_G[place_N]
    return Factors(
        listeners_L=listeners_L,
        taste_LK=taste.mean_GK,
        track_TK=track.mean_GK,
        taste_square_LKK=taste.square_GKK,
        covariance_TKK=track.covariance_GKK,
        spread_K=track.spread_K,
        bias_T=bias.mean_G,
        bias_variance_T=bias.variance_G,
        level_L=level.mean_G,
        mean=mean,
        noise=noise,
        level_variance=level.spread,
    )


@dataclass(frozen=True, kw_only=True)
class _Bias:
    """Posterior of one number per group."""

    mean_G: Floats
    variance_G: Floats
    spread: float

    @classmethod
    def of(cls, groups: int) -> _Bias:
        return cls(mean_G=np.zeros(groups), variance_G=np.zeros(groups), spread=0.1)

    def fitted(self, group_N: Rows, weight_N: Floats, rest_N: Floats, noise: float) -> _Bias:
        groups = len(self.mean_G)
        variance_G = 1.0 / (np.bincount(group_N, weight_N, groups) / noise + 1.0 / self.spread)
        mean_G = variance_G * np.bincount(group_N, weight_N * rest_N, groups) / noise
        return _Bias(mean_G=mean_G, variance_G=variance_G, spread=max(LEAST_SPREAD, float((mean_G**2 + variance_G).mean())))


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Posterior of one vector per group: listeners' tastes, or tracks."""

    mean_GK: Floats
    covariance_GKK: Floats
    spread_K: Floats

    @classmethod
    def drawn(cls, groups: int, width: int, spread_K: Floats, generator: np.random.Generator) -> _Side:
        covariance_GKK = np.broadcast_to(np.diag(0.1 * spread_K), (groups, width, width)).copy()
        return cls(mean_GK=0.3 * generator.normal(size=(groups, width)), covariance_GKK=covariance_GKK, spread_K=spread_K)

    @property
    def square_GKK(self) -> Floats:
        """Second moments."""
        square: Floats = self.mean_GK[:, :, None] * self.mean_GK[:, None, :] + self.covariance_GKK
        return square

    def fitted(self, group_N: Rows, other: _Side, other_N: Rows, weight_N: Floats, rest_N: Floats, noise: float) -> _Side:
        groups, width = self.mean_GK.shape
        share_N = weight_N / noise
        precision_GKK = np.broadcast_to(np.diag(1.0 / self.spread_K), (groups, width, width)).copy()
        square_GKK = other.square_GKK
        pulled_GK = np.zeros((groups, width))
        for k in range(width):
            pulled_GK[:, k] = np.bincount(group_N, share_N * rest_N * other.mean_GK[other_N, k], groups)
            for j in range(k + 1):
                found_G = np.bincount(group_N, share_N * square_GKK[other_N, k, j], groups)
                precision_GKK[:, k, j] += found_G
                if j < k:
                    precision_GKK[:, j, k] += found_G
        covariance_GKK = np.linalg.inv(precision_GKK).astype(np.float64, copy=False)
        mean_GK = np.einsum("gkj,gj->gk", covariance_GKK, pulled_GK)
        return _Side(mean_GK=mean_GK, covariance_GKK=covariance_GKK, spread_K=self.spread_K)

    def with_own_spread(self) -> _Side:
        """Spreads as the posterior has them."""
        second_K = np.einsum("gkk->k", self.square_GKK) / max(1, len(self.mean_GK))
        return _Side(mean_GK=self.mean_GK, covariance_GKK=self.covariance_GKK, spread_K=np.maximum(second_K, LEAST_SPREAD))


def _expected_square(rest_N: Floats, taste: _Side, place_N: Rows, track: _Side, track_N: Rows) -> Floats:
    """E (rest − ⟨taste, track⟩)² under the posterior."""
    u_NK, v_NK = taste.mean_GK[place_N], track.mean_GK[track_N]
    expected: Floats = (rest_N - (u_NK * v_NK).sum(axis=1)) ** 2
    for k in range(u_NK.shape[1]):
        for j in range(u_NK.shape[1]):
            of_u, of_v = taste.covariance_GKK[place_N, k, j], track.covariance_GKK[track_N, k, j]
            expected += u_NK[:, k] * u_NK[:, j] * of_v + v_NK[:, k] * v_NK[:, j] * of_u + of_u * of_v
    return expected


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
        unsure = [np.append(factors.variance_TK.sum(axis=1), factors.spread_K.sum()) for factors in self.each]
        found_TM = np.stack([factors.noise + unsure_T for factors, unsure_T in zip(self.each, unsure, strict=True)], axis=1)
        return found_TM.astype(np.float32)

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
