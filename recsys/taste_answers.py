"""What listeners said about tracks, as numbers a taste can be learnt from. Before: feedback.py, choices. After: taste.py.

Shapes: n opinions and plays, m choices, F features, D = F weights of the standardised ones, P = 1 + D with generosity first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from music.features import NAMES
from recsys.models import Choice, Feedback, Track
from recsys.standing import standing_of
from recsys.taste_features import scale_of

Vector = NDArray[np.float64]
Row = tuple[int, str, float | None]
"""(track, kind, value) of a feedback row."""

RATING_VARIANCE = 0.16
"""Of a rating in reward units, (stars − 3)/2: two listeners of one taste often differ by a star."""
OPINION_VARIANCE = 0.36
"""Of a like (+1), a dislike or ban (−1)."""
PLAY_VARIANCE = 1.0
"""Of one play: people leave for many reasons that are not the music."""
COMPLETED_SHARE = 0.9
COMPLETED_WORTH = 0.3
"""What hearing at least COMPLETED_SHARE of a track speaks for."""
EARLY_SECONDS, EARLY_SHARE = 30.0, 0.25
LEFT_EARLY_WORTH = -0.5
"""What leaving within 30 s or a quarter of the track, whichever is shorter, speaks for."""
MOST_PLAYS_COUNTED = 4
"""Plays of one track that add weight: the fortieth says nothing new."""
NEWEST_ROWS = 2000
"""A taste is read from at most so many rows, the newest."""
NEWEST_CHOICES = 500
CHOICE_SCALE = math.sqrt(6 * RATING_VARIANCE) / math.pi
"""Logistic scale of a choice, in units of reward: it scatters as the difference of two ratings does."""
BOUND_ROUNDS = 50
"""At most; the bound of a choice hardly moves after five."""
WON = {Choice.Answer.FIRST: 1.0, Choice.Answer.SECOND: 0.0, Choice.Answer.NO_DIFFERENCE: 0.5}
"""What an answer says of the first one; a skip says nothing."""

_CENTRE = np.array([scale_of(name).centre for name in NAMES])
_SPREAD = np.array([scale_of(name).spread for name in NAMES])


def standardise(features_F: ArrayLike) -> Vector:
    """z: features in standard deviations of the starter catalogue from its mean, within ±4; any leading dimensions."""
    return np.asarray(np.clip((np.asarray(features_F, dtype=np.float64) - _CENTRE) / _SPREAD, -4.0, 4.0))


def of_plain(weights_D: ArrayLike) -> Vector:
    """The same weights for features as they are measured, of those for standardised ones; any leading dimensions."""
    return np.asarray(np.asarray(weights_D, dtype=np.float64) / _SPREAD)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one listener said, as numbers: one row for each signal about a track."""

    z_nD: Vector
    worth_n: Vector
    """−1 … 1, in units of reward."""
    variance_n: Vector
    difference_mD: Vector = field(default_factory=lambda: np.zeros((0, len(NAMES))))
    """Of choices: standardised features of the first one less those of the second."""
    won_m: Vector = field(default_factory=lambda: np.zeros(0))
    """1 where the first one was preferred, 0 where the second, ½ where they were as good."""
    choice_scale: float = CHOICE_SCALE

    def __len__(self) -> int:
        return len(self.worth_n) + len(self.won_m)

    def scattered(self, noise: float) -> Answers:
        """The same answers with variances `noise` times as large."""
        return replace(self, variance_n=self.variance_n * noise, choice_scale=self.choice_scale * math.sqrt(noise))


def said_by(listener_id: int, moment: datetime | None = None) -> Answers:
    """What a listener's rows received until the moment say, the newest of them."""
    rows = Feedback.objects.filter(listener=listener_id).exclude(kind=Feedback.Kind.SKIP)
    choices = Choice.objects.filter(listener=listener_id).exclude(answer=Choice.Answer.SKIP)
    if moment is not None:
        rows, choices = rows.filter(received_at__lte=moment), choices.filter(received_at__lte=moment)
    newest = rows.order_by("-occurred_at", "-id").values_list("track_id", "kind", "value")[:NEWEST_ROWS]
    chosen = choices.order_by("-id").values_list("answer", "first_features", "second_features")[:NEWEST_CHOICES]
    return answers_of(list(newest)[::-1], list(chosen))


def answers_of(rows: Sequence[Row], choices: Sequence[Chosen] = ()) -> Answers:
    """Rows of one listener, oldest first, and their choices, as numbers. One query, for the tracks' features."""
    tracks = {track_id for track_id, _, _ in rows}
    found = Track.objects.filter(pk__in=tracks).values_list("pk", "features", "duration_seconds")
    answers = answers_from(rows, {pk: (np.asarray(features), seconds) for pk, features, seconds in found})
    return with_choices(answers, choices)


Chosen = tuple[str, Sequence[float], Sequence[float]]
"""(answer, raw features of the first one, of the second) of a choice."""


def with_choices(answers: Answers, choices: Sequence[Chosen]) -> Answers:
    """The answers and these choices. Skipped ones say nothing, nor do those of a version with other features."""
    told = [
        (WON[Choice.Answer(answer)], first, second)
        for answer, first, second in choices
        if answer in WON and len(first) == len(second) == len(NAMES)
    ]
    if not told:
        return answers
    won, first, second = zip(*told, strict=True)
    return replace(answers, difference_mD=standardise(first) - standardise(second), won_m=np.array(won))


def answers_from(rows: Sequence[Row], tracks: dict[int, tuple[Vector, float]]) -> Answers:
    """Rows of one listener, oldest first, with (raw features, seconds) by track; rows of other tracks are left out."""
    signals = [signal for signal in (*_opinions(rows), *_plays(rows, tracks)) if signal[0] in tracks]
    if not signals:
        return Answers(z_nD=np.zeros((0, len(NAMES))), worth_n=np.zeros(0), variance_n=np.zeros(0))
    return Answers(
        z_nD=standardise(np.stack([tracks[track_id][0] for track_id, _, _ in signals])),
        worth_n=np.array([worth for _, worth, _ in signals]),
        variance_n=np.array([variance for _, _, variance in signals]),
    )


Signal = tuple[int, float, float]
"""(track, worth, variance)."""


def _opinions(rows: Iterable[Row]) -> list[Signal]:
    """Ratings, likes, dislikes and bans that stand; what was taken back or changed says nothing."""
    standing = standing_of(rows)
    opinions = [(track_id, (stars - 3) / 2, RATING_VARIANCE) for track_id, stars in sorted(standing.ratings.items())]
    opinions += [(track_id, 1.0, OPINION_VARIANCE) for track_id in sorted(standing.liked)]
    opinions += [(track_id, -1.0, OPINION_VARIANCE) for track_id in sorted(standing.disliked | standing.banned)]
    return opinions


def _plays(rows: Iterable[Row], tracks: dict[int, tuple[Vector, float]]) -> list[Signal]:
    """One signal per played track: the mean worth of its plays, the surer the more there were."""
    worths: dict[int, list[float]] = {}
    for track_id, kind, heard_seconds in rows:
        if kind == Feedback.Kind.PLAY and heard_seconds is not None and track_id in tracks:
            worths.setdefault(track_id, []).append(worth_of_play(heard_seconds, tracks[track_id][1]))
    return [
        (track_id, float(np.mean(each)), PLAY_VARIANCE / min(len(each), MOST_PLAYS_COUNTED))
        for track_id, each in sorted(worths.items())
    ]


def worth_of_play(heard_seconds: float, duration_seconds: float) -> float:
    """What one play says about the track: from LEFT_EARLY_WORTH, growing with the share heard, to COMPLETED_WORTH."""
    early = min(EARLY_SECONDS, EARLY_SHARE * duration_seconds)
    completed = COMPLETED_SHARE * duration_seconds
    return float(np.interp(heard_seconds, [early, completed], [LEFT_EARLY_WORTH, COMPLETED_WORTH]))


def posterior(mean_P: Vector, covariance_PP: Vector, answers: Answers) -> tuple[Vector, Vector]:
    """Mean and covariance after the answers: opinions and plays in closed form, then choices by a bound that is one too."""
    mean, covariance = _after(mean_P, covariance_PP, with_offset(answers.z_nD), answers.worth_n, answers.variance_n)
    return _after_choices(mean, covariance, answers)


def _after(mean_P: Vector, covariance_PP: Vector, x_nP: Vector, worth_n: Vector, variance_n: Vector) -> tuple[Vector, Vector]:
    """Bayesian linear regression (Bishop 2006, equations 3.50 and 3.51)."""
    if not len(x_nP):
        return mean_P, covariance_PP
    weighted_nP = x_nP / variance_n[:, None]
    # Conjugate in covariance form where answers are few, in precision form where they are many: the smaller system is solved.
    if len(x_nP) < len(mean_P):
        cross_nP = x_nP @ covariance_PP
        gain_nP = np.linalg.solve(cross_nP @ x_nP.T + np.diag(variance_n), cross_nP)
        mean = mean_P + gain_nP.T @ (worth_n - x_nP @ mean_P)
        covariance = covariance_PP - gain_nP.T @ cross_nP
    else:
        precision_PP = np.asarray(np.linalg.inv(covariance_PP), dtype=np.float64)
        covariance = np.asarray(np.linalg.inv(precision_PP + x_nP.T @ weighted_nP), dtype=np.float64)
        mean = covariance @ (precision_PP @ mean_P + weighted_nP.T @ worth_n)
    return mean, (covariance + covariance.T) / 2


def _after_choices(mean_P: Vector, covariance_PP: Vector, answers: Answers) -> tuple[Vector, Vector]:
    """Bradley–Terry: P(first preferred) = σ(w·difference / scale), by the bound of Jaakkola and Jordan (Bishop 2006, 10.6).

    At η = ξ the bound log σ(±η) ≥ ±η/2 − λ(ξ)η² + … touches, so a choice is an answer about the difference whose variance
    follows from ξ² = E[η²]; generosity cancels. No difference counts as half a win of each."""
    if not len(answers.won_m):
        return mean_P, covariance_PP
    x_mP = np.pad(answers.difference_mD, ((0, 0), (1, 0))) / answers.choice_scale
    xi_m = np.sqrt((x_mP @ mean_P) ** 2 + ((x_mP @ covariance_PP) * x_mP).sum(axis=1))
    for _ in range(BOUND_ROUNDS):
        safe_m = np.maximum(xi_m, 1e-6)
        twice_lambda_m = np.tanh(safe_m / 2) / (2 * safe_m)
        mean, covariance = _after(mean_P, covariance_PP, x_mP, (answers.won_m - 0.5) / twice_lambda_m, 1 / twice_lambda_m)
        before_m, xi_m = xi_m, np.sqrt(np.maximum((x_mP @ mean) ** 2 + ((x_mP @ covariance) * x_mP).sum(axis=1), 0.0))
        if np.allclose(before_m, xi_m, rtol=1e-4, atol=1e-6):
            break
    return mean, covariance


def with_offset(z_nD: Vector) -> Vector:
    """A column of ones before the features, for the generosity."""
    return np.concatenate([np.ones((len(z_nD), 1)), z_nD], axis=1)
