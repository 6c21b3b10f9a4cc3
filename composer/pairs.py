"""Blind pairs: which two authors meet next, and what the listener said. Before: page, API. After: pair_making.py, taste."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Listener
from composer.composing import store_piece, why_no_composer
from composer.models import BlindPair, Piece, Side
from composer.pair_scores import LOOKS, decided, is_on_trial
from composer.recipes import SLOT
from composer.titles import title_of
from music.notes import Score
from recsys.feedback import refusal_of_time
from recsys.listener_lock import lock_listener
from recsys.models import Choice
from recsys.taste import taste_of
from training import gate, queue
from training.models import PolicyVersion, Slot, Verdict

AHEAD = 2
"""Pairs that wait for a listener, so that the next one is there at once: they know all answers but the last one or two."""
REST_AFTER_FAILURE = timedelta(seconds=30)
TASK = "composer.make_pair"
LONGEST_HEARD_SECONDS = 3600.0
Author, Status = BlindPair.Author, BlindPair.Status


class PairRefused(Exception):  # noqa: N818 – an answer, not an accident
    """The pair can't be given or answered; the message says why."""


class NoComposerYet(PairRefused):
    """Nobody writes the pieces yet."""


class NoSuchPair(PairRefused):
    """This listener has no pair, or no side of it, of that name."""


class NotReady(PairRefused):
    """It is still being composed."""


class ImpossibleTime(PairRefused):
    """An answer can't have been given then."""


class AnsweredOtherwise(PairRefused):
    """The pair has another answer, or the client's id named another choice."""


def next_pair(listener: Listener) -> BlindPair:
    """The pair to answer now: ready, or on its way, or failed a moment ago. Asks workers for those after it."""
    champion = Slot.objects.select_related("champion").filter(name=SLOT).first()
    if champion is None:
        raise NoComposerYet(why_no_composer())
    with transaction.atomic():
        lock_listener(listener)
        # What nobody saw yet must be by the composer that serves now.
        unseen = BlindPair.objects.filter(listener=listener, choice=None, shown_at=None)
        unseen.exclude(champion=champion.champion).delete()
        failed = unseen.filter(status=Status.FAILED, created_at__gt=timezone.now() - REST_AFTER_FAILURE).last()
        waiting = list(BlindPair.objects.filter(listener=listener, choice=None).exclude(status=Status.FAILED))
        if failed is None:
            waiting += [_ask(listener, champion.champion) for _ in range(AHEAD - len(waiting))]
        ready = [pair for pair in waiting if pair.status == Status.READY]
        if ready and ready[0].shown_at is None:
            ready[0].shown_at = timezone.now()
            ready[0].save(update_fields=["shown_at"])
    return ready[0] if ready else failed or waiting[0]


def _ask(listener: Listener, champion: PolicyVersion) -> BlindPair:
    """The authors that met least often so far; which one is left is drawn."""
    trial = version_on_trial(champion)
    meetings = meetings_for(listener, champion, trial)
    met: Counter[frozenset[str]] = Counter()
    # Skipped and failed ones don't count as met.
    rows = BlindPair.objects.filter(listener=listener).exclude(choice__answer=Choice.Answer.SKIP).exclude(status=Status.FAILED)
    for first, second in rows.values_list("first_author", "second_author"):
        met[frozenset((first, second))] += 1
    fewest = min(met[frozenset(meeting)] for meeting in meetings)
    chosen = secrets.choice([meeting for meeting in meetings if met[frozenset(meeting)] == fewest])
    left, right = chosen if secrets.randbelow(2) else chosen[::-1]
    pair = BlindPair.objects.create(
        listener=listener,
        first_author=left,
        second_author=right,
        champion=champion,
        trial=trial if Author.CHALLENGER in chosen else None,
        seed=secrets.randbelow(2**62),
    )
    defer(pair)
    return pair


def defer(pair: BlindPair) -> bool:
    """Puts the job of a pair into the queue, once: whether it was not waiting there already."""
    return queue.defer(TASK, "interactive", queueing_lock=f"pair:{pair.pk}", pair_id=str(pair.pk))


def meetings_for(listener: Listener, champion: PolicyVersion, trial: PolicyVersion | None) -> list[tuple[str, str]]:
    """Which authors can meet. A composer that is a prior writes like the prior where it knows no taste: those don't meet."""
    meetings: list[tuple[str, str]] = [(Author.COMPOSER, Author.COMPOSER), (Author.COMPOSER, Author.HUMAN)]
    if champion.kind != "prior" or not taste_of(listener).abstains:
        meetings += [(Author.COMPOSER, Author.PRIOR), (Author.PRIOR, Author.HUMAN)]
    return meetings + ([(Author.CHALLENGER, Author.COMPOSER)] if trial is not None else [])


def version_on_trial(champion: PolicyVersion) -> PolicyVersion | None:
    """The newest version after the champion that the gate has not refused: blind answers may still prove it."""
    newer = PolicyVersion.objects.filter(slot=SLOT, kind="dqn", pk__gt=champion.pk).order_by("-pk")
    for version in newer[:3]:
        verdict = version.verdicts.first()
        if verdict is not None and verdict.outcome != Verdict.Outcome.REFUSE:
            return version
    return None


def pair_of(listener: Listener, pair_id: uuid.UUID) -> BlindPair:
    """The listener's pair; somebody else's does not exist."""
    found = BlindPair.objects.select_related("choice").filter(pk=pair_id, listener=listener).first()
    if found is None:
        raise NoSuchPair("There is no such pair.")
    return found


def side_of(listener: Listener, pair_id: uuid.UUID, place: str) -> Side:
    """A side of the listener's pair, `a` or `b`."""
    if place not in Side.PLACES:
        raise NoSuchPair(f"A pair has the sides {' and '.join(Side.PLACES)}.")
    sides = Side.objects.select_related("pair__choice", "policy_version", "track", "piece")
    found = sides.filter(pair=pair_id, pair__listener=listener, place=Side.PLACES.index(place)).first()
    if found is None:
        raise NoSuchPair("There is no such pair, or it is still being composed.")
    return found


def answer(
    listener: Listener,
    pair_id: uuid.UUID,
    said: str,
    *,
    client_id: uuid.UUID,
    heard_seconds: tuple[float | None, float | None] = (None, None),
    occurred_at: datetime | None = None,
) -> BlindPair:
    """Logs what was said, `first`, `second`, `no_difference` or `skip`: the taste knows it at once. A retry changes nothing."""
    with transaction.atomic():
        now = lock_listener(listener)
        pair = pair_of(listener, pair_id)
        if pair.choice is not None:
            if (pair.choice.client_id, pair.choice.answer) != (client_id, said):
                raise AnsweredOtherwise(
                    "This pair was answered already; an answer can't be changed once the authors are known."
                )
            return pair
        if pair.status != Status.READY:
            raise NotReady("This pair is still being composed.")
        if Choice.objects.filter(listener=listener, client_id=client_id).exists():
            raise AnsweredOtherwise("This id was used for another choice; make a new one.")
        if occurred_at is not None and (refusal := refusal_of_time(occurred_at, now)) is not None:
            raise ImpossibleTime(refusal.message)
        first, second = pair.sides.all()
        pair.choice = Choice.objects.create(
            listener=listener,
            client_id=client_id,
            answer=said,
            first_features=first.features,
            second_features=second.features,
            first_heard_seconds=heard_seconds[0],
            second_heard_seconds=heard_seconds[1],
            occurred_at=occurred_at or now,
            received_at=now,
        )
        pair.save(update_fields=["choice"])
        _judge_when_enough(pair)
    return pair


def _judge_when_enough(pair: BlindPair) -> None:
    """Asks for a new verdict when the answers about a version on trial reach a number at which the gate looks at them."""
    if pair.trial is None or pair.choice is None or pair.choice.answer == Choice.Answer.SKIP:
        return
    if decided(is_on_trial(pair.trial_id, pair.champion_id)).count() in LOOKS:
        gate.request_verdict(pair.trial)


def keep(listener: Listener, pair_id: uuid.UUID, place: str) -> Piece:
    """Makes a composed side a piece of the listener's own, once the pair is answered. Kept twice, it is still one piece."""
    with transaction.atomic():
        lock_listener(listener)
        side = side_of(listener, pair_id, place)
        if side.pair.choice is None:
            raise NotReady("A piece can be kept once the pair is answered.")
        if side.piece is not None:
            return side.piece
        if side.recipe is None or side.policy_version is None:
            raise NoSuchPair("Only a piece of the composer can be kept.")
        steering = side.recipe["steering"]
        score = Score.from_json(side.score)
        title = title_of(seed=side.recipe["seed"], style=steering["style"], mode=steering["mode"])
        named = Score(title=title, voices=tuple(replace(voice, name="Melody") for voice in score.voices))
        side.piece = store_piece(listener, named, side.recipe, side.policy_version)
        side.save(update_fields=["piece"])
    return side.piece
