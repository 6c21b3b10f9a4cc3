"""The running scores of blind pairs, with their intervals. Before: answers. After: page, API, dashboard, the gate.

A score is the share of answers that preferred the first author; no difference is half a win of each, a skip none."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from accounts.models import Listener
from composer.models import BlindPair
from recsys.models import Choice
from recsys.taste_answers import WON

Author = BlindPair.Author
MEETINGS: tuple[tuple[str, str], ...] = (
    (Author.COMPOSER, Author.PRIOR),
    (Author.COMPOSER, Author.HUMAN),
    (Author.PRIOR, Author.HUMAN),
)
ENOUGH = 10
"""Answers from which on a score says something in words."""
Z = 1.959964
"""Of a 95 % interval."""
LOOKS = tuple(30 * 2**power for power in range(8))
"""Numbers of answers at which the gate judges a version on trial anew: doubling, because each look is a chance to err."""


@dataclass(frozen=True, kw_only=True)
class RunningScore:
    """How one author fared against another."""

    author: str
    rival: str
    wins: float
    """Answers that preferred the author; half of those that heard no difference."""
    ties: int
    answers: int
    listeners: int
    low: float | None
    """95 % interval of the share; None where nothing was answered."""
    high: float | None

    @property
    def share(self) -> float | None:
        """Of the answers that preferred the author."""
        return self.wins / self.answers if self.answers else None

    @property
    def is_enough(self) -> bool:
        """Whether there are enough answers to speak of a score."""
        return self.answers >= ENOUGH

    @property
    def words(self) -> str:
        """What it comes to, honestly."""
        author, rival = (AUTHOR_WORDS[name] for name in (self.author, self.rival))
        if not self.is_enough or self.low is None or self.high is None:
            return f"Not enough answers yet: {self.answers} of {ENOUGH}."
        if self.low > 0.5:
            return f"{author[:1].upper()}{author[1:]} is preferred."
        if self.high < 0.5:
            return f"{rival[:1].upper()}{rival[1:]} is preferred."
        return "Undecided: as good as each other, as far as these answers tell."


AUTHOR_WORDS: dict[str, str] = {
    Author.COMPOSER: "the composer",
    Author.PRIOR: "the prior",
    Author.HUMAN: "the human tune",
    Author.CHALLENGER: "the version on trial",
}


def wilson(wins: float, answers: float) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927): holds near 0 and 1 and for few answers, where a normal one does not."""
    share, z2 = wins / answers, Z * Z
    middle = (share + z2 / (2 * answers)) / (1 + z2 / answers)
    half = Z / (1 + z2 / answers) * math.sqrt(share * (1 - share) / answers + z2 / (4 * answers**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def interval_of(by_listener: Iterable[tuple[float, int]]) -> tuple[float, float] | None:
    """Wilson's interval of (wins, answers) of listeners. Answers of one listener resemble each other: where listeners differ
    by more than chance, fewer answers count (the design effect of clusters, Kish 1965)."""
    rows = [(wins, answers) for wins, answers in by_listener if answers]
    total = sum(answers for _, answers in rows)
    if not total:
        return None
    share = sum(wins for wins, _ in rows) / total
    by_chance = share * (1 - share) / total
    effect = 1.0
    if len(rows) > 1 and by_chance > 0:
        spread = sum((wins - share * answers) ** 2 for wins, answers in rows) / total**2
        effect = max(1.0, spread * len(rows) / (len(rows) - 1) / by_chance)
    return wilson(share * total / effect, total / effect)


def scores_of(listener: Listener) -> list[RunningScore]:
    """The listener's own scores."""
    return _scores(decided(Q(listener=listener)))


def scores_of_all() -> list[RunningScore]:
    """The scores over all listeners, simulated ones apart from people."""
    return _scores(decided(Q(listener__is_simulated=settings.ENCORE_SIMULATED)))


def scores_on_trial(trial_id: int) -> list[RunningScore]:
    """A version on trial against each champion it met, the latest first."""
    met = (
        BlindPair.objects.filter(trial=trial_id, choice__isnull=False).order_by("-champion").values_list("champion", flat=True)
    )
    return [
        _score(Author.CHALLENGER, Author.COMPOSER, _counts(decided(is_on_trial(trial_id, champion_id))))
        for champion_id in met.distinct()
    ]


def decided(which: Q) -> QuerySet[BlindPair]:
    """Pairs whose answer says something."""
    return BlindPair.objects.filter(which, choice__isnull=False).exclude(choice__answer=Choice.Answer.SKIP)


def is_on_trial(trial_id: int | None, champion_id: int) -> Q:
    """Pairs in which this version met this champion."""
    return is_on_trial_at_all() & Q(trial=trial_id, champion=champion_id)


def is_on_trial_at_all() -> Q:
    """Pairs in which any version on trial met the champion of its time."""
    return Q(trial__isnull=False, listener__is_simulated=settings.ENCORE_SIMULATED)


Counts = Mapping[tuple[str, str], Mapping[int, Mapping[str, int]]]
"""(first author, second author) → listener → answer → how many."""


def _counts(pairs: QuerySet[BlindPair]) -> Counts:
    names = ("first_author", "second_author", "listener_id", "choice__answer")
    counts: defaultdict[tuple[str, str], defaultdict[int, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for first, second, listener, said, count in pairs.order_by().values_list(*names).annotate(rows=Count("pk")):
        counts[first, second][listener][said] = count
    return counts


def _scores(pairs: QuerySet[BlindPair]) -> list[RunningScore]:
    counts = _counts(pairs)
    return [_score(author, rival, counts) for author, rival in MEETINGS]


def _score(author: str, rival: str, counts: Counts) -> RunningScore:
    won: defaultdict[int, float] = defaultdict(float)
    answers: defaultdict[int, int] = defaultdict(int)
    ties = 0
    for names, is_first in (((author, rival), True), ((rival, author), False)):
        for listener, said in counts.get(names, {}).items():
            for each, count in said.items():
                share = WON[Choice.Answer(each)]
                won[listener] += count * (share if is_first else 1 - share)
                answers[listener] += count
                ties += count * (each == Choice.Answer.NO_DIFFERENCE)
    bounds = interval_of((won[listener], answers[listener]) for listener in answers)
    return RunningScore(
        author=author,
        rival=rival,
        wins=sum(won.values()),
        ties=ties,
        answers=sum(answers.values()),
        listeners=len(answers),
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
    )
