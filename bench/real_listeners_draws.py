"""Taste models drawn from their posterior: many that explain the ratings about equally well, where one would be overconfident.

Before: real_listeners_tastes, whose letters these are, with the first of them. After: real_listeners_sessions. Further letters:
S draws, R ratings, L levels of rating and their edges, x = (1, u) a person's vector u after a 1, c = size of x."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bench.real_listeners_tastes import Factors, Floats, Indices

LIKED = 3
"""Ratings from here on are likes."""
DRAWS = 32
ROUNDS_BEFORE = 20
"""Rounds until draws no longer remember where they began."""
ROUNDS_BETWEEN = 2
"""From one kept draw to the next, which should differ."""
PRIOR_VARIANCE = 0.4
"""Of biases and factors, on the scale where noise has variance 1; it counts as much as two tracks."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """A rating tells between which edges b_i + u·q_i + noise fell; noise and, before the answers, u have variance 1.

    The edge below LIKED is 0, so that b_i + u·q_i > 0 is a like more often than not."""

    bias_SI: Floats
    factor_SIk: Floats
    edge_SL: Floats
    """From −∞ below the first level to ∞ above the last."""


@dataclass(kw_only=True)
class DrawnBelief:
    """What each draw believes of the vectors of P people, as a normal distribution."""

    draws: Draws
    mean_SPk: Floats
    covariance_SPkk: Floats

    @classmethod
    def start(cls, draws: Draws, people: int) -> DrawnBelief:
        """Nothing was answered."""
        count, _, size = draws.factor_SIk.shape
        covariance_SPkk = np.tile(np.eye(size), (count, people, 1, 1))
        return cls(draws=draws, mean_SPk=np.zeros((count, people, size)), covariance_SPkk=covariance_SPkk)

    def learn(self, track_P: Indices, rating_P: Floats, has_answered_P: NDArray[np.bool_]) -> None:
        """One answer of each person: the normal distribution with the mean and variance that the answer leaves.

        Assumed density filtering (Minka 2001): exact for one answer, nearly so for several."""
        q_SPk = self.draws.factor_SIk[:, track_P]
        # A level that no training person used counts as the nearest.
        level_P = np.clip(rating_P, 1, self.draws.edge_SL.shape[1] - 1).astype(np.int64)
        along_SPk = np.einsum("spij,spj->spi", self.covariance_SPkk, q_SPk)
        spread_SP = np.sqrt(1 + (q_SPk * along_SPk).sum(axis=2))
        expected_SP = self.draws.bias_SI[:, track_P] + (q_SPk * self.mean_SPk).sum(axis=2)
        low_SP = (self.draws.edge_SL[:, level_P - 1] - expected_SP) / spread_SP
        high_SP = (self.draws.edge_SL[:, level_P] - expected_SP) / spread_SP
        shift_SP, loss_SP = truncated_moments(low_SP, high_SP)
        step_SP, shrinkage_SP = has_answered_P * shift_SP / spread_SP, has_answered_P * loss_SP / spread_SP**2
        self.mean_SPk += step_SP[:, :, None] * along_SPk
        self.covariance_SPkk -= shrinkage_SP[:, :, None, None] * along_SPk[:, :, :, None] * along_SPk[:, :, None, :]

    def chance_of_like(self, track_PA: Indices) -> Floats:
        """Of each listed track, over all draws and what they leave open."""
        chance_PA = np.zeros(track_PA.shape)
        for bias_I, factor_Ik, mean_Pk, covariance_Pkk in zip(
            self.draws.bias_SI, self.draws.factor_SIk, self.mean_SPk, self.covariance_SPkk, strict=True
        ):
            q_PAk = factor_Ik[track_PA]
            expected_PA = bias_I[track_PA] + np.einsum("pak,pk->pa", q_PAk, mean_Pk)
            variance_PA = ((q_PAk @ covariance_Pkk) * q_PAk).sum(axis=2)
            chance_PA += normal_below(expected_PA / np.sqrt(1 + variance_PA))
        return np.asarray(chance_PA / len(self.mean_SPk))


def normal_below(x: Floats) -> Floats:
    """Share of the standard normal distribution below x."""
    return np.asarray(torch.special.ndtr(torch.from_numpy(x)).numpy())


def normal_density(x: Floats) -> Floats:
    """Density of the standard normal distribution."""
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def truncated_moments(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Mean of a standard normal between two edges, and by how much its variance is below 1."""
    share = np.maximum(normal_below(high) - normal_below(low), 1e-12)
    at_low, at_high = normal_density(low), normal_density(high)
    mean = (at_low - at_high) / share
    # An edge at infinity counts 0: x·density(x) goes there.
    bounded_low, bounded_high = (np.where(np.isfinite(edge), edge, 0.0) for edge in (low, high))
    return mean, mean**2 - (bounded_low * at_low - bounded_high * at_high) / share


def draw_tastes(rated_NI: Floats, first: Factors, seed: int) -> Draws:
    """Gibbs sampling of an ordinal probit factor model (Albert & Chib 1993; Salakhutdinov & Mnih 2008), begun at `first`.

    Biases and factors of a track have one normal prior together, with its mean and covariance drawn too, so that nothing says
    how strong regularisation is. A person's level needs no number of its own: factors need not have mean 0."""
    generator = np.random.default_rng([seed, 3])
    person_R, track_R = np.nonzero(~np.isnan(rated_NI))
    level_R = rated_NI[person_R, track_R].astype(np.int64)
    told_NI = (~np.isnan(rated_NI)).astype(np.float64)
    q_Ic, edge_L = _begin(first, int(level_R.max()))
    latent_NI = np.zeros_like(told_NI)
    u_Nk = np.zeros((len(rated_NI), q_Ic.shape[1] - 1))
    nothing_k, unit_kk = np.zeros(u_Nk.shape[1]), np.eye(u_Nk.shape[1], dtype=np.float64)
    mean_c, precision_cc = _prior_of(q_Ic, generator)
    kept = []
    for number in range(ROUNDS_BEFORE + DRAWS * ROUNDS_BETWEEN):
        expected_R = (q_Ic[:, 0] + u_Nk @ q_Ic[:, 1:].T)[person_R, track_R]
        if number:  # edges mean nothing before the first vectors
            edge_L = _better_edges(edge_L, expected_R, level_R)
        latent_NI[person_R, track_R] = expected_R + _truncated(
            edge_L[level_R - 1] - expected_R, edge_L[level_R] - expected_R, generator
        )
        left_NI = told_NI * (latent_NI - q_Ic[:, 0])
        u_Nk = _vectors(told_NI, left_NI, q_Ic[:, 1:], nothing_k, unit_kk, generator)
        x_Nc = np.concatenate([np.ones((len(u_Nk), 1)), u_Nk], axis=1)
        q_Ic = _vectors(told_NI.T, latent_NI.T, x_Nc, mean_c, precision_cc, generator)
        mean_c, precision_cc = _prior_of(q_Ic, generator)
        if number >= ROUNDS_BEFORE and (number - ROUNDS_BEFORE) % ROUNDS_BETWEEN == ROUNDS_BETWEEN - 1:
            kept.append((q_Ic[:, 0], q_Ic[:, 1:], edge_L))
    bias_SI, factor_SIk, edge_SL = (np.stack(each) for each in zip(*kept, strict=True))
    return Draws(bias_SI=bias_SI, factor_SIk=factor_SIk, edge_SL=edge_SL)


def _begin(first: Factors, levels: int) -> tuple[Floats, Floats]:
    """The first model on the scale of Draws: noise and people's vectors of variance 1, LIKED at 0."""
    scale = np.sqrt(first.precision)
    whitened_kk = np.linalg.cholesky(np.linalg.inv(first.prior_kk))
    edge_L = np.array([-np.inf, *(scale * (np.arange(1, levels) + 0.5 - (LIKED - 0.5))), np.inf])
    q_Ic = scale * np.concatenate([first.bias_I[:, None] - (LIKED - 0.5), first.mean_Ik @ whitened_kk], axis=1)
    return q_Ic, edge_L


def _better_edges(edge_L: Floats, expected_R: Floats, level_R: Indices) -> Floats:
    """A step uphill in likelihood for each edge but LIKED's: so many ratings leave their posterior no width to draw from."""
    better_L = edge_L.copy()
    for edge in range(1, len(edge_L) - 1):
        if edge == LIKED - 1:
            continue
        slopes = []
        for level, sign in ((edge, 1.0), (edge + 1, -1.0)):
            mean_R = expected_R[level_R == level]
            share_R = normal_below(better_L[level] - mean_R) - normal_below(better_L[level - 1] - mean_R)
            slopes.append(sign * normal_density(better_L[edge] - mean_R) / np.maximum(share_R, 1e-12))
        slope_R = np.concatenate(slopes)
        better_L[edge] += np.clip(slope_R.sum() / max((slope_R**2).sum(), 1.0), -0.2, 0.2)
    return better_L


def _truncated(low_R: Floats, high_R: Floats, generator: np.random.Generator) -> Floats:
    """A standard normal between two edges, by the inverse of its distribution, on the side where that is exact."""
    is_right_R = low_R > 0
    low_R, high_R = np.where(is_right_R, -high_R, low_R), np.where(is_right_R, -low_R, high_R)
    below_R = normal_below(low_R)
    share_R = below_R + (normal_below(high_R) - below_R) * generator.random(len(low_R))
    drawn_R = torch.special.ndtri(torch.from_numpy(np.clip(share_R, 1e-300, 1 - 1e-16))).numpy()
    drawn_R = np.clip(drawn_R, low_R, high_R)
    return np.asarray(np.where(is_right_R, -drawn_R, drawn_R), dtype=np.float64)


def _vectors(
    told_NI: Floats, value_NI: Floats, q_Ik: Floats, mean_k: Floats, precision_kk: Floats, generator: np.random.Generator
) -> Floats:
    """A vector for each row, drawn from its posterior: value = u·q + noise of variance 1, where told."""
    people, size = len(told_NI), len(mean_k)
    square_Ikk = q_Ik[:, :, None] * q_Ik[:, None, :]
    precision_Nkk = precision_kk + (told_NI @ square_Ikk.reshape(len(q_Ik), -1)).reshape(people, size, size)
    weighted_Nk = precision_kk @ mean_k + (told_NI * value_NI) @ q_Ik
    root_Nkk = np.linalg.cholesky(precision_Nkk)
    noise_Nk1 = generator.normal(size=(people, size, 1))
    drawn_Nk1 = np.linalg.solve(root_Nkk.swapaxes(1, 2), np.linalg.solve(root_Nkk, weighted_Nk[:, :, None]) + noise_Nk1)
    return np.asarray(drawn_Nk1[:, :, 0])


def _prior_of(q_Ic: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean and precision of all tracks' vectors, drawn from their normal-Wishart posterior."""
    tracks, size = q_Ic.shape
    mean_c = q_Ic.mean(axis=0)
    scatter_cc = PRIOR_VARIANCE * np.eye(size) + (q_Ic - mean_c).T @ (q_Ic - mean_c)
    root_cc = np.linalg.cholesky(np.linalg.inv(scatter_cc))
    # Bartlett's decomposition of a Wishart matrix.
    triangle_cc = np.tril(generator.normal(size=(size, size)), -1)
    triangle_cc[np.diag_indices(size)] = np.sqrt(generator.chisquare(size + 2 + tracks - np.arange(size)))
    factor_cc = root_cc @ triangle_cc
    precision_cc = factor_cc @ factor_cc.T
    drawn_c = mean_c + np.linalg.solve(factor_cc.T, generator.normal(size=size)) / np.sqrt(tracks)
    return drawn_c, precision_cc
