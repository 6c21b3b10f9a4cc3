"""Taste models of rated tracks that learn after every answer: means, least squares, variational Bayes. After: real_listeners.

Letters: N people of training, P people being asked, I tracks, A tracks listed for a person, k factors (the last is the person's
own level)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SHRINKAGE_RATINGS = 10.0
"""A track's mean counts as if it had so many ratings of average worth besides."""


def shrunken_mean(rated_NI: Floats) -> Floats:
    """Mean of each track over those who rated it (others are nan), drawn towards the overall mean."""
    known_NI = ~np.isnan(rated_NI)
    total_I = np.where(known_NI, rated_NI, 0).sum(axis=0)
    mean_I: Floats = (total_I + SHRINKAGE_RATINGS * np.nanmean(rated_NI)) / (known_NI.sum(axis=0) + SHRINKAGE_RATINGS)
    return mean_I


@dataclass(frozen=True, kw_only=True)
class Factors:
    """r = b_i + p·q_i + noise, with what is known of q. `moment_Ikk` is E[q qᵀ]: the mean's square plus its uncertainty."""

    bias_I: Floats
    mean_Ik: Floats
    moment_Ikk: Floats
    precision: float
    """1 / variance of the noise."""
    prior_kk: Floats
    """Precision of a person's vector before the first answer."""


@dataclass(kw_only=True)
class Belief:
    """What a model believes of the vectors of P people, as a normal distribution in its natural form."""

    factors: Factors
    precision_Pkk: Floats
    weighted_Pk: Floats

    @classmethod
    def start(cls, factors: Factors, people: int) -> Belief:
        """Nothing was answered."""
        size = len(factors.prior_kk)
        return cls(
            factors=factors,
            precision_Pkk=np.tile(factors.prior_kk, (people, 1, 1)),
            weighted_Pk=np.zeros((people, size)),
        )

    def learn(self, track_P: Indices, value_P: Floats, has_answered_P: NDArray[np.bool_]) -> None:
        """One answer of each person."""
        f = self.factors
        weight_P = f.precision * has_answered_P
        self.precision_Pkk += weight_P[:, None, None] * f.moment_Ikk[track_P]
        self.weighted_Pk += (weight_P * (value_P - f.bias_I[track_P]))[:, None] * f.mean_Ik[track_P]

    def predict(self, track_PA: Indices) -> tuple[Floats, Floats]:
        """Mean and standard deviation (of what a person's vector makes of it) for each listed track."""
        f = self.factors
        covariance_Pkk = np.linalg.inv(self.precision_Pkk)
        vector_Pk = np.einsum("pij,pj->pi", covariance_Pkk, self.weighted_Pk)
        q_PAk = f.mean_Ik[track_PA]
        mean_PA = f.bias_I[track_PA] + np.einsum("pak,pk->pa", q_PAk, vector_Pk)
        variance_PA = ((q_PAk @ covariance_Pkk) * q_PAk).sum(axis=2)
        return mean_PA, np.sqrt(np.maximum(variance_PA, 0))


def variational_bayes(rated_NI: Floats, factors: int, seed: int, rounds: int = 25) -> Factors:
    """Variational Bayesian matrix factorisation (Lim & Teh 2007), with the noise and both priors learned too."""
    known_NI = (~np.isnan(rated_NI)).astype(np.float64)
    people, tracks = rated_NI.shape
    bias_I = shrunken_mean(rated_NI)
    left_NI = np.where(known_NI > 0, rated_NI - bias_I, 0.0)
    size = factors + 1
    mean_Ik, covariance_Ikk = _first_factors(tracks, factors, seed)
    variance = float(np.nanvar(rated_NI))
    precision, prior_kk, prior_of_tracks_k = 1 / variance, np.eye(size), np.full(factors, 5.0)
    prior_kk[-1, -1] = 1 / (0.15 * variance)
    moment_Ikk = covariance_Ikk + mean_Ik[:, :, None] * mean_Ik[:, None, :]
    for number in range(rounds):
        precision_Nkk = prior_kk + precision * (known_NI @ moment_Ikk.reshape(tracks, -1)).reshape(people, size, size)
        spread_Nkk = np.linalg.inv(precision_Nkk)
        vector_Nk = np.einsum("nij,nj->ni", spread_Nkk, precision * left_NI @ mean_Ik)
        second_Nkk = spread_Nkk + vector_Nk[:, :, None] * vector_Nk[:, None, :]
        prior_kk = np.linalg.inv(second_Nkk.mean(axis=0))
        gathered_Ikk = (known_NI.T @ second_Nkk.reshape(people, -1)).reshape(tracks, size, size)
        wanted_Ik = left_NI.T @ vector_Nk[:, :-1] - gathered_Ikk[:, :-1, -1]
        spread_Ikk = np.linalg.inv(precision * gathered_Ikk[:, :-1, :-1] + np.diag(prior_of_tracks_k))
        mean_Ik[:, :-1] = np.einsum("iab,ib->ia", spread_Ikk, precision * wanted_Ik)
        covariance_Ikk[:, :-1, :-1] = spread_Ikk
        if number >= 2:  # a factor that has learnt nothing yet would be switched off for good
            prior_of_tracks_k = 1 / (mean_Ik[:, :-1] ** 2 + np.einsum("iaa->ia", spread_Ikk)).mean(axis=0)
        moment_Ikk = covariance_Ikk + mean_Ik[:, :, None] * mean_Ik[:, None, :]
        # E[(r − p·q)²] = r² − 2 r ⟨p⟩⟨q⟩ + tr(E[ppᵀ] E[qqᵀ]), over the ratings that exist.
        fit = (left_NI * (left_NI - 2 * vector_Nk @ mean_Ik.T)).sum() + (gathered_Ikk * moment_Ikk).sum()
        precision = float(known_NI.sum() / fit)
    return Factors(bias_I=bias_I, mean_Ik=mean_Ik, moment_Ikk=moment_Ikk, precision=precision, prior_kk=prior_kk)


def least_squares(rated_NI: Floats, factors: int, seed: int, rounds: int = 15, ridge: float = 8.0) -> Factors:
    """Alternating least squares with a ridge; people who are asked get theirs by the same ridge regression."""
    known_NI = (~np.isnan(rated_NI)).astype(np.float64)
    people, tracks = rated_NI.shape
    bias_I = shrunken_mean(rated_NI)
    left_NI = np.where(known_NI > 0, rated_NI - bias_I, 0.0)
    mean_Ik, _ = _first_factors(tracks, factors, seed)
    size = factors + 1
    for _ in range(rounds):
        square_Ikk = mean_Ik[:, :, None] * mean_Ik[:, None, :]
        left_Nkk = (known_NI @ square_Ikk.reshape(tracks, -1)).reshape(people, size, size) + np.eye(size)
        vector_Nk = np.linalg.solve(left_Nkk, (left_NI @ mean_Ik)[:, :, None])[:, :, 0]
        square_Nkk = vector_Nk[:, :, None] * vector_Nk[:, None, :]
        gathered_Ikk = (known_NI.T @ square_Nkk.reshape(people, -1)).reshape(tracks, size, size)
        wanted_Ik = left_NI.T @ vector_Nk[:, :-1] - gathered_Ikk[:, :-1, -1]
        mean_Ik[:, :-1] = np.linalg.solve(gathered_Ikk[:, :-1, :-1] + ridge * np.eye(factors), wanted_Ik[:, :, None])[:, :, 0]
    square_Ikk = mean_Ik[:, :, None] * mean_Ik[:, None, :]
    return Factors(bias_I=bias_I, mean_Ik=mean_Ik, moment_Ikk=square_Ikk, precision=1.0, prior_kk=np.eye(size))


def _first_factors(tracks: int, factors: int, seed: int) -> tuple[Floats, Floats]:
    """Small random factors with little uncertainty, beside the fixed 1 that carries a person's own level."""
    mean_Ik = np.random.default_rng(seed).normal(0, 0.1, (tracks, factors + 1))
    mean_Ik[:, -1] = 1.0
    covariance_Ikk = np.tile(0.01 * np.eye(factors + 1), (tracks, 1, 1))
    covariance_Ikk[:, -1, -1] = 0.0
    return mean_Ik, covariance_Ikk
