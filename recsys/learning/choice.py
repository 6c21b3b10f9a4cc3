"""Which track of a slate is played first, or none. Before: offers.py, network.py. After: recsys/slates.py. Loads no torch.

Letters: J slates, P positions, n candidates, C clock, D weights, H heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.learning.offers import Offers
from recsys.learning.windows import CLOCK_NAMES

Floats = NDArray[np.float64]
LEAST_OFFERS = 100
"""Slates in the training part; fewer say too little about choosing."""
RIDGE = 1.0
"""Precision of the normal prior of each weight, whose feature varies by about 1: matters while slates are few."""
ROUNDS = 30
TRACK_FEATURES = ("pleasure", "position", "log position")
NOTHING_FEATURES = ("one", *CLOCK_NAMES)
PREFIX = "choice."


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How likely one listener is to choose each candidate now, and nothing. Weights are relative to each other."""

    weight_n: Floats
    """s of each candidate, at the first position."""
    position_P: Floats
    """What s is multiplied by at each position."""
    nothing: float
    """s₀."""
    nothing_value_H: Floats
    """Q₀: what follows where nothing is chosen, as each head values the moment."""
    rivalry: float
    """How far the tracks of a slate take choices from each other, 0 … 1: 1 where only one of them is played."""


@dataclass(frozen=True, kw_only=True)
class ChoiceModel:
    """Conditional logit (McFadden 1974): s = exp(α·A(s, a) + what the position does), s₀ = exp(a constant + the clock).

    Only differences of utilities matter: tracks have no constant of their own, so that of nothing is identified.
    """

    pleasure: float
    """α per unit of A."""
    position_2: Floats
    """Weights of the position and of log(1 + position)."""
    nothing_D: Floats
    """Weights of NOTHING_FEATURES."""
    nothing_value: float
    """Q₀ less V(s)."""
    rivalry: float
    """Of slates of which something was played, the share of which nothing else was."""

    def of(self, pleasure_n: Floats, clock_C: Floats, value_H: Floats, positions: int) -> Choices:
        """For tracks of this expected pleasure at this moment."""
        utility_n = self.pleasure * pleasure_n
        # The highest is 1, so that nothing overflows.
        top = float(utility_n.max(initial=-np.inf))
        top = top if np.isfinite(top) else 0.0
        return Choices(
            weight_n=np.exp(utility_n - top),
            position_P=np.exp(_positions(positions) @ self.position_2),
            nothing=float(np.exp(np.clip(self.nothing_utility(clock_C[None])[0] - top, -50.0, 50.0))),
            nothing_value_H=value_H + self.nothing_value,
            rivalry=self.rivalry,
        )

    def nothing_utility(self, clock_JC: Floats) -> Floats:
        """log s₀."""
        utility_J: Floats = self.nothing_D[0] + clock_JC @ self.nothing_D[1:]
        return utility_J

    def probabilities(self, offers: Offers, pleasure_JP: Floats, clock_JC: Floats) -> Floats:
        """Of nothing (first) and of each position, [J, 1 + P]."""
        weights = np.concatenate([[self.pleasure], self.position_2, self.nothing_D])
        return _probabilities(_features(offers, pleasure_JP, clock_JC), _open(offers), weights)

    def weights(self) -> dict[str, Floats]:
        """As a checkpoint keeps them."""
        return {
            PREFIX + "pleasure": np.array(self.pleasure),
            PREFIX + "position_2": self.position_2,
            PREFIX + "nothing_D": self.nothing_D,
            PREFIX + "nothing_value": np.array(self.nothing_value),
            PREFIX + "rivalry": np.array(self.rivalry),
        }

    @classmethod
    def read(cls, weights: Mapping[str, NDArray[Any]]) -> ChoiceModel | None:
        """What `weights` gave; None where a checkpoint has no choice model."""
        if PREFIX + "pleasure" not in weights:
            return None
        return cls(
            pleasure=float(weights[PREFIX + "pleasure"]),
            position_2=weights[PREFIX + "position_2"].astype(np.float64),
            nothing_D=weights[PREFIX + "nothing_D"].astype(np.float64),
            nothing_value=float(weights[PREFIX + "nothing_value"]),
            rivalry=float(weights[PREFIX + "rivalry"]),
        )


def fit_choice_model(offers: Offers, pleasure_JP: Floats, clock_JC: Floats, nothing_value: float) -> ChoiceModel | None:
    """Maximum likelihood with a normal prior, by Newton's method, from the training part. None where there is too little."""
    taught = ~offers.is_held_out_J
    chosen = offers.position_J[taught] + 1
    if len(chosen) < LEAST_OFFERS or not (chosen > 0).any():
        return None
    is_open = _open(offers)[taught]
    spread = float(pleasure_JP[taught][is_open[:, 1:]].std()) + 1e-9
    features = _features(offers, pleasure_JP / spread, clock_JC)[taught]
    weight_D = np.zeros(features.shape[2])
    for _ in range(ROUNDS):
        gradient_D, curvature_DD = _newton(features, is_open, chosen, weight_D)
        step_D = np.linalg.solve(curvature_DD, gradient_D)
        # The objective is concave: a bounded step keeps the first ones from overshooting where choices are nearly certain.
        step_D *= min(1.0, 2.0 / (np.abs(step_D).max() + 1e-12))
        weight_D = weight_D + step_D
        if np.abs(step_D).max() < 1e-9:
            break
    return ChoiceModel(
        pleasure=float(weight_D[0] / spread),
        position_2=weight_D[1:3],
        nothing_D=weight_D[3:],
        nothing_value=nothing_value,
        rivalry=float((offers.plays_J[taught] == 1).sum() + 1) / float((chosen > 0).sum() + 2),
    )


def _newton(features: Floats, is_open: NDArray[np.bool_], chosen: NDArray[np.int64], weight_D: Floats) -> tuple[Floats, Floats]:
    """Gradient and negative second derivative of the penalised log-likelihood."""
    chance = _probabilities(features, is_open, weight_D)
    mean_JD = np.einsum("jp,jpd->jd", chance, features)
    gradient_D = (features[np.arange(len(chosen)), chosen] - mean_JD).sum(axis=0) - RIDGE * weight_D
    square_DD = np.einsum("jp,jpd,jpe->de", chance, features, features, optimize=True)
    return gradient_D, square_DD - mean_JD.T @ mean_JD + RIDGE * np.eye(len(weight_D))


def _probabilities(features: Floats, is_open: NDArray[np.bool_], weight_D: Floats) -> Floats:
    utility = np.where(is_open, features @ weight_D, -np.inf)
    share = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(share / share.sum(axis=1, keepdims=True))


def _open(offers: Offers) -> NDArray[np.bool_]:
    """Nothing, and the positions that hold a track."""
    return np.concatenate([np.ones((len(offers), 1), dtype=np.bool_), offers.track_JP >= 0], axis=1)


def _features(offers: Offers, pleasure_JP: Floats, clock_JC: Floats) -> Floats:
    """[J, 1 + P, D]: nothing first, then the positions."""
    positions = offers.track_JP.shape[1]
    features = np.zeros((len(offers), 1 + positions, len(TRACK_FEATURES) + len(NOTHING_FEATURES)))
    features[:, 1:, 0] = pleasure_JP
    features[:, 1:, 1:3] = _positions(positions)
    features[:, 0, 3] = 1.0
    features[:, 0, 4:] = clock_JC
    return features


def _positions(count: int) -> Floats:
    """Position in tens, and its logarithm."""
    position_P = np.arange(count, dtype=np.float64)
    return np.stack([position_P / 10.0, np.log1p(position_P)], axis=1)
