"""What listeners said about tracks, as numbers a taste can be learnt from. Before: feedback.py. After: taste.py.

Shapes: n answers, F features, D = F weights of the standardised ones, P = 1 + D with the listener's generosity first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from music.features import NAMES
from recsys.models import Feedback, Track
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

_CENTRE = np.array([scale_of(name).centre for name in NAMES])
_SPREAD = np.array([scale_of(name).spread for name in NAMES])


def standardise(features_F: ArrayLike) -> Vector:
    """z: features in standard deviations of the starter catalogue from its mean, within ±4; any leading dimensions."""
    return np.asarray(np.clip((np.asarray(features_F, dtype=np.float64) - _CENTRE) / _SPREAD, -4.0, 4.0))


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one listener said, as numbers: one row for each signal about a track."""

    z_nD: Vector
    worth_n: Vector
    """−1 … 1, in units of reward."""
    variance_n: Vector

    def __len__(self) -> int:
        return len(self.worth_n)

    def scattered(self, noise: float) -> Answers:
        """The same answers with variances `noise` times as large."""
        return replace(self, variance_n=self.variance_n * noise)


def answers_of(rows: Sequence[Row]) -> Answers:
    """Rows of one listener, oldest first, as numbers. One query, for the tracks' features."""
    tracks = {track_id for track_id, _, _ in rows}
    found = Track.objects.filter(pk__in=tracks).values_list("pk", "features", "duration_seconds")
    return answers_from(rows, {pk: (np.asarray(features), seconds) for pk, features, seconds in found})


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
    """Mean and covariance after the answers: Bayesian linear regression (Bishop 2006, equations 3.50 and 3.51)."""
    if not len(answers):
        return mean_P, covariance_PP
    x_nP = with_offset(answers.z_nD)
    weighted_nP = x_nP / answers.variance_n[:, None]
    # Conjugate in covariance form where answers are few, in precision form where they are many: the smaller system is solved.
    if len(answers) < len(mean_P):
        cross_nP = x_nP @ covariance_PP
        gain_nP = np.linalg.solve(cross_nP @ x_nP.T + np.diag(answers.variance_n), cross_nP)
        mean = mean_P + gain_nP.T @ (answers.worth_n - x_nP @ mean_P)
        covariance = covariance_PP - gain_nP.T @ cross_nP
    else:
        precision_PP = np.asarray(np.linalg.inv(covariance_PP), dtype=np.float64)
        covariance = np.asarray(np.linalg.inv(precision_PP + x_nP.T @ weighted_nP), dtype=np.float64)
        mean = covariance @ (precision_PP @ mean_P + weighted_nP.T @ answers.worth_n)
    return mean, (covariance + covariance.T) / 2


def with_offset(z_nD: Vector) -> Vector:
    """A column of ones before the features, for the generosity."""
    return np.concatenate([np.ones((len(z_nD), 1)), z_nD], axis=1)
