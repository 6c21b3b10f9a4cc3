"""People who are asked for tracks they rated, one after another, and what is believed of them. After: real_listeners.

Before: real_listeners_tastes and real_listeners_draws, whose letters these are; T steps, C counts of steps."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.real_listeners_draws import LIKED, DrawnBelief, Draws, draw_tastes, normal_below
from bench.real_listeners_tastes import Belief, Factors, Floats, Indices, shrunken_mean, variational_bayes

STEPS = 30
COUNTED_AFTER = (10, 20, 30)
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class People:
    """The tracks each person rated, padded: `is_rated_PA` says which are real."""

    track_PA: Indices
    rating_PA: Floats
    is_rated_PA: Bools

    @classmethod
    def of(cls, rated_PI: Floats) -> People:
        """From a table with nan where nothing was rated."""
        known_PI = ~np.isnan(rated_PI)
        longest = int(known_PI.sum(axis=1).max())
        track_PA = np.argsort(~known_PI, axis=1, kind="stable")[:, :longest]
        rating_PA = np.take_along_axis(rated_PI, track_PA, axis=1)
        return cls(track_PA=track_PA, rating_PA=np.nan_to_num(rating_PA), is_rated_PA=~np.isnan(rating_PA))

    def __len__(self) -> int:
        return len(self.track_PA)


@dataclass(frozen=True, kw_only=True)
class Tastes:
    """Everything that training people taught about tracks."""

    rating: Factors
    rough: Factors
    """With fewer factors: surer after few answers."""
    draws: Draws
    means_IF: Floats
    """Means of rating and of liking."""

    @classmethod
    def fit(cls, rated_NI: Floats, seed: int) -> Tastes:
        """From a table with nan where nothing was rated."""

        def share(lowest: float) -> Floats:
            return np.where(np.isnan(rated_NI), np.nan, (rated_NI >= lowest).astype(np.float64))

        rating = variational_bayes(rated_NI, 8, seed)
        return cls(
            rating=rating,
            rough=variational_bayes(rated_NI, 4, seed + 1),
            draws=draw_tastes(rated_NI, rating, seed),
            means_IF=np.stack([shrunken_mean(rated_NI), shrunken_mean(share(LIKED))], axis=1),
        )


@dataclass(kw_only=True)
class Asked:
    """People in the middle of being asked: what each model believes of them, and what is still open."""

    people: People
    tastes: Tastes
    open_PA: Bools
    beliefs: tuple[Belief, Belief]
    """Of `rating` and `rough`."""
    drawn: DrawnBelief

    @classmethod
    def start(cls, people: People, tastes: Tastes) -> Asked:
        """Nothing was asked yet."""
        return cls(
            people=people,
            tastes=tastes,
            open_PA=people.is_rated_PA.copy(),
            beliefs=(Belief.start(tastes.rating, len(people)), Belief.start(tastes.rough, len(people))),
            drawn=DrawnBelief.start(tastes.draws, len(people)),
        )

    def ask(self, place_P: Indices) -> tuple[Floats, Bools]:
        """Asks each person for the track at this place of their list; gives likes, and who had a track left to be asked for."""
        everybody = np.arange(len(self.people))
        answered_P = self.open_PA[everybody, place_P]
        self.open_PA[everybody, place_P] = False
        track_P, rating_P = self.people.track_PA[everybody, place_P], self.people.rating_PA[everybody, place_P]
        like_P = ((rating_P >= LIKED) & answered_P).astype(np.float64)
        for belief in (*self.beliefs, self.drawn):
            belief.learn(track_P, rating_P, answered_P)
        return like_P, answered_P

    def chance(self) -> Floats:
        """How likely each listed track is liked, by all models together."""
        track_PA = self.people.track_PA
        each = [chance_of_like(belief, track_PA) for belief in self.beliefs]
        return np.asarray((sum(each) / len(each) + self.drawn.chance_of_like(track_PA)) / 2)


def chance_of_like(belief: Belief, track_PA: Indices) -> Floats:
    """That the rating of a listed track is nearer to LIKED than to what is below, or higher."""
    mean_PA, spread_PA = belief.predict(track_PA)
    return normal_below((mean_PA - (LIKED - 0.5)) / np.sqrt(spread_PA**2 + 1 / belief.factors.precision))


Choose = Callable[[Asked], Indices]
"""The place in each person's list of the track to ask for next."""


def best(asked: Asked, score_PA: Floats) -> Indices:
    """The open place with the highest score."""
    return np.asarray(np.where(asked.open_PA, score_PA, -np.inf).argmax(axis=1))


def ask_all(people: People, tastes: Tastes, choose: Choose) -> Floats:
    """Likes of each person after COUNTED_AFTER steps."""
    asked = Asked.start(people, tastes)
    likes_PT = np.stack([asked.ask(choose(asked))[0] for _ in range(STEPS)], axis=1)
    return np.asarray(likes_PT.cumsum(axis=1)[:, [after - 1 for after in COUNTED_AFTER]])


def by_rating(asked: Asked) -> Indices:
    """Greedy by the rating that the first model expects."""
    return best(asked, asked.beliefs[0].predict(asked.people.track_PA)[0])


def by_chance(asked: Asked) -> Indices:
    """Greedy by the chance of a like, by all models together."""
    return best(asked, asked.chance())


def random_track(generator: np.random.Generator, asked: Asked) -> Indices:
    """Any open track."""
    return best(asked, generator.random(asked.open_PA.shape))


def best_by_mean(asked: Asked) -> Indices:
    """The open track that is liked by most."""
    return best(asked, asked.tastes.means_IF[asked.people.track_PA, 1])


def read_ratings(path: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """People, tracks, and a row of (place of person, place of track, rating) for each rating."""
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        rows = [(row["user_id"], row["item_id"], float(row["rating"])) for row in csv.DictReader(file)]
    people, tracks = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    person, track = ({name: place for place, name in enumerate(names)} for names in (people, tracks))
    return people, tracks, np.array([(person[row[0]], track[row[1]], row[2]) for row in rows])


def tables(train: Path, test: Path | None) -> tuple[Floats, Floats | None]:
    """Ratings as people × tracks, nan where there is none, over the tracks of both files."""
    read = [read_ratings(path) for path in (train, test) if path is not None]
    tracks = sorted({track for _, listed, _ in read for track in listed})
    made = []
    for people, listed, rows in read:
        table = np.full((len(people), len(tracks)), np.nan)
        column = np.array([tracks.index(track) for track in listed])
        table[rows[:, 0].astype(int), column[rows[:, 1].astype(int)]] = rows[:, 2]
        made.append(table)
    return made[0], made[1] if len(made) > 1 else None
