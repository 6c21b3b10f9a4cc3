"""Simulated listeners with hidden tastes. Before: hidden_catalogue.py. After: recommending.py and feedback.py, as for people.

Letters: T tracks, D hidden characters of a track."""

from __future__ import annotations

import heapq
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings

from accounts.models import Listener
from recsys import feedback, preferences, recommending
from recsys.feedback import NewFeedback
from recsys.hidden_catalogue import CHARACTERS, Floats, HiddenCatalogue
from recsys.models import Recommendation, Track

SLATE = 5
PLAYS_A_SLATE = 3
LONGEST_SESSION_PLAYS = 25
SATIATION_PER_PLAY = 0.3
SATIATION_HALF_LIFE = timedelta(hours=3)
CATCHY_PLEASURE = 0.5
"""What a catchy track pleases more at once, per standard deviation and unit of catchiness …"""
CATCHY_SURFEIT = 0.2
"""… and what it takes from everything that follows, until it fades as satiation does."""
TIME_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC")


class NotSimulated(RuntimeError):  # noqa: N818 – names what is wrong
    """This installation belongs to people: simulated listeners would mix with them."""


@dataclass(kw_only=True)
class SimulatedListener:
    """One hidden taste and the mood of the moment."""

    listener: Listener
    taste_D: Floats
    generator: np.random.Generator
    sessions_a_day: float
    satiation: dict[int, tuple[float, datetime]] = field(default_factory=dict)
    """Style → (weariness, when it was that)."""
    catchiness: float = 0.0
    """How much catchy tracks please at once and wear the listener out; 0 makes all tracks alike in this."""
    surfeit: tuple[float, datetime] | None = None
    """(weariness of everything, when it was that)."""

    def weariness(self, style: int, moment: datetime) -> float:
        """How tired of a style; halves in SATIATION_HALF_LIFE."""
        if style not in self.satiation:
            return 0.0
        level, since = self.satiation[style]
        return _faded(level, since, moment)

    def surfeit_at(self, moment: datetime) -> float:
        """How tired of everything: what catchy tracks leave behind."""
        return _faded(*self.surfeit, moment) if self.surfeit is not None else 0.0

    def appeal(self, catalogue: HiddenCatalogue, row: int, moment: datetime) -> float:
        """How much the listener would enjoy the track now, roughly standard normal when rested."""
        liking = float(self.taste_D @ catalogue.character_TD[row])
        rested = liking + 0.4 * float(catalogue.quality_T[row]) - self.weariness(int(catalogue.style_T[row]), moment)
        return rested + CATCHY_PLEASURE * self.catchiness * float(catalogue.catchy_T[row]) - self.surfeit_at(moment)

    def tire(self, catalogue: HiddenCatalogue, row: int, moment: datetime) -> None:
        """A style heard once more bores a little more; the rest recover. A catchy track wears everything out a little."""
        style = int(catalogue.style_T[row])
        self.satiation[style] = (self.weariness(style, moment) + SATIATION_PER_PLAY, moment)
        worn = CATCHY_SURFEIT * self.catchiness * max(0.0, float(catalogue.catchy_T[row]))
        self.surfeit = (self.surfeit_at(moment) + worn, moment)


def _faded(level: float, since: datetime, moment: datetime) -> float:
    return float(level * 0.5 ** ((moment - since) / SATIATION_HALF_LIFE))


Serve = Callable[[Listener, datetime, int], Recommendation]
Record = Callable[[Listener, Sequence[NewFeedback], datetime], object]


def serve(listener: Listener, moment: datetime, seed: int) -> Recommendation:
    """A slate as people get it."""
    return recommending.recommend(listener, count=SLATE, surface="home", moment=moment, seed=seed)


def record(listener: Listener, rows: Sequence[NewFeedback], moment: datetime) -> None:
    """Feedback as people send it."""
    feedback.record(listener, rows, received_at=moment)


@dataclass(kw_only=True)
class Population:
    """Listeners, what they hear in the catalogue, and when each comes back."""

    catalogue: HiddenCatalogue
    listeners: list[SimulatedListener]
    due: list[tuple[datetime, int]]
    """Heap of (next session, place in `listeners`)."""
    visits: list[tuple[datetime, int]] = field(default_factory=list)
    """Every session so far (when, place in `listeners`), those without a play included: they leave no trace in the log."""

    @classmethod
    def make(cls, *, listeners: int, seed: int, start: datetime, catchiness: float = 0.0) -> Population:
        """Adds simulated listeners to the database, with declared styles for most; NotSimulated where people live.

        With `catchiness` 0 the best next track now is the best one for the session too: weariness of a style only falls on
        that style. Above 0 the two differ, as what pleases most at once wears out what follows.
        """
        if not settings.ENCORE_SIMULATED:
            raise NotSimulated("Simulated listeners need a database of their own: set ENCORE_SIMULATED=true for it.")
        tracks = list(
            Track.objects.recommendable().order_by("id").values_list("id", "score", "style", "duration_seconds", "features")
        )
        if not tracks:
            raise NotSimulated("There are no tracks to listen to: import a catalogue first.")
        catalogue = HiddenCatalogue.of_tracks(tracks, seed)
        generator = np.random.default_rng([seed, 2])
        circles = generator.normal(size=(8, CHARACTERS)) / math.sqrt(CHARACTERS)
        population = cls(catalogue=catalogue, listeners=[], due=[])
        for index in range(listeners):
            # Tastes cluster in circles of listeners, as they do among people; half of a taste is one's own.
            own = generator.normal(size=CHARACTERS) / math.sqrt(CHARACTERS)
            taste = 0.8 * circles[generator.integers(len(circles))] + 0.6 * own
            population._add(index, taste, seed, start, catchiness)
        return population

    def _add(self, index: int, taste_D: Floats, seed: int, start: datetime, catchiness: float) -> None:
        generator = np.random.default_rng([seed, 3, index])
        row = Listener.objects.create(
            external_id=f"simulated-{seed}-{index}",
            time_zone_name=TIME_ZONES[int(generator.integers(len(TIME_ZONES)))],
            is_simulated=True,
        )
        listener = SimulatedListener(
            listener=row,
            taste_D=taste_D,
            generator=generator,
            sessions_a_day=float(generator.uniform(0.7, 2.0)),
            catchiness=catchiness,
        )
        if generator.random() < 0.6:
            preferences.declare(row, styles=self._favourites(taste_D), received_at=start)
        self.listeners.append(listener)
        self.due.append((start + timedelta(hours=float(generator.uniform(0, 24))), index))
        self.due.sort()

    def _favourites(self, taste_D: Floats, count: int = 2) -> list[str]:
        """The styles whose tracks please most on average: what somebody would tick at the first visit."""
        liking_T = self.catalogue.character_TD @ taste_D
        means = [liking_T[self.catalogue.style_T == style].mean() for style in range(len(self.catalogue.styles))]
        return [self.catalogue.styles[style] for style in np.argsort(means)[::-1][:count]]

    def live(
        self,
        until: datetime,
        *,
        serve: Serve = serve,
        record: Record = record,
        report: Callable[[int], None] | None = None,
    ) -> int:
        """Everything that happens before `until`, in the order of time; gives the number of sessions."""
        sessions = 0
        while self.due and self.due[0][0] < until:
            moment, index = heapq.heappop(self.due)
            self.visits.append((moment, index))
            satisfaction, end = _Session(self, self.listeners[index], moment, serve, record).run()
            heapq.heappush(self.due, (self._comes_back(self.listeners[index], satisfaction, end), index))
            sessions += 1
            if report is not None:
                report(sessions)
        return sessions

    @staticmethod
    def _comes_back(listener: SimulatedListener, satisfaction: float, end: datetime) -> datetime:
        """Sooner after a good session; by day rather than by night."""
        longing = math.exp(0.5 * max(-1.5, min(1.5, satisfaction)))
        hours = 0.75 + listener.generator.exponential(24.0 / (listener.sessions_a_day * longing))
        back = end + timedelta(hours=float(hours))
        local = back.astimezone(listener.listener.time_zone)
        return back + timedelta(hours=8 - local.hour) if local.hour < 7 else back


class _Session:
    """One visit: slates, choices, plays, opinions, until patience is gone."""

    def __init__(
        self, population: Population, listener: SimulatedListener, moment: datetime, serve: Serve, record: Record
    ) -> None:
        self.catalogue = population.catalogue
        self.who = listener
        self.moment = moment
        self.serve = serve
        self.record = record
        self.patience = 1.0 + 0.3 * float(listener.generator.normal())
        self.enjoyed: list[float] = []

    def run(self) -> tuple[float, datetime]:
        """(mean enjoyment, end)."""
        while self.patience > 0 and len(self.enjoyed) < LONGEST_SESSION_PLAYS:
            slate = self.serve(self.who.listener, self.moment, int(self.who.generator.integers(2**62)))
            self.moment += timedelta(seconds=4)
            if not slate.tracks:
                break
            self._listen_through(slate)
        return (float(np.mean(self.enjoyed)) if self.enjoyed else -1.0), self.moment

    def _listen_through(self, slate: Recommendation) -> None:
        remaining = list(range(len(slate.tracks)))
        for _ in range(PLAYS_A_SLATE):
            position = self._choose(slate, remaining)
            if position is None:
                # Nothing to one's liking: another slate is asked for, with less patience.
                self.patience -= 0.35
                return
            remaining.remove(position)
            self._play(slate, position)
            if self.patience <= 0 or len(self.enjoyed) >= LONGEST_SESSION_PLAYS or not remaining:
                return

    def _choose(self, slate: Recommendation, remaining: Sequence[int]) -> int | None:
        """By what title and style promise, and by position; or nothing."""
        rows = [self.catalogue.row_of_track.get(slate.tracks[position]) for position in remaining]
        promise = [
            0.7 * self.who.appeal(self.catalogue, row, self.moment) + 0.5 * self.who.generator.normal()
            if row is not None
            else -9.0
            for row in rows
        ]
        pull = np.array([p - 0.25 * position for p, position in zip(promise, remaining, strict=True)] + [-0.6])
        weights = np.exp(pull - pull.max())
        chosen = int(self.who.generator.choice(len(weights), p=weights / weights.sum()))
        return remaining[chosen] if chosen < len(remaining) else None

    def _play(self, slate: Recommendation, position: int) -> None:
        generator, track_id = self.who.generator, slate.tracks[position]
        row = self.catalogue.row_of_track[track_id]
        joy = self.who.appeal(self.catalogue, row, self.moment) + 0.3 * float(generator.normal())
        duration = float(self.catalogue.duration_seconds_T[row])
        if generator.random() < _sigmoid(-2.0 * joy - 1.2):
            heard = min(float(generator.uniform(3, 15)), 0.2 * duration)
        else:
            heard = duration * (1.0 if generator.random() < _sigmoid(1.5 * joy + 0.5) else float(generator.uniform(0.3, 0.95)))
        self.moment += timedelta(seconds=heard)
        self.who.tire(self.catalogue, row, self.moment)
        self.enjoyed.append(joy)
        self.patience += 0.15 * max(-2.0, min(1.5, joy)) - 0.13
        signals: list[tuple[str, float | None]] = [("play", heard)]
        if heard < 0.95 * duration:
            signals.append(("skip", None))
        signals += self._opinions(joy)
        self._send(slate, position, track_id, signals)

    def _opinions(self, joy: float) -> list[tuple[str, float | None]]:
        """A like, a dislike, stars: given by few, noisily."""
        generator = self.who.generator
        given: list[tuple[str, float | None]] = []
        if generator.random() < 0.5 * _sigmoid(3.0 * (joy - 1.0)):
            given.append(("like", None))
        elif generator.random() < 0.4 * _sigmoid(-3.0 * (joy + 1.2)):
            given.append(("dislike", None))
        if generator.random() < 0.2:
            given.append(("rate", float(np.clip(round(3 + 1.1 * joy + 0.4 * generator.normal()), 1, 5))))
        return given

    def _send(self, slate: Recommendation, position: int, track_id: int, signals: Sequence[tuple[str, float | None]]) -> None:
        rows = []
        for kind, value in signals:
            # Each signal has its own instant, so that their order is no accident.
            self.moment += timedelta(milliseconds=20)
            rows.append(
                NewFeedback(
                    client_id=uuid.UUID(bytes=self.who.generator.bytes(16), version=4),
                    track_id=track_id,
                    kind=kind,
                    occurred_at=self.moment,
                    value=value,
                    recommendation_id=slate.pk,
                    position=position,
                )
            )
        self.record(self.who.listener, rows, self.moment)
        self.moment += timedelta(seconds=1)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, x))))
