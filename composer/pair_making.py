"""Fills a blind pair: a tune gives key, metre and tempo, then both sides are written. Before: pairs.py. After: page, API.

Runs in a worker: composing loads torch."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from composer.composing import CantCompose
from composer.excerpts import ends_on_tonic, excerpt_of
from composer.melody_bars import room_of
from composer.models import BlindPair, Side
from composer.pairs import meetings_for
from composer.recipes import UnusableVersion, is_readable, perform, policy_of, readable, write_recipe
from composer.steering import ImpossibleSteering, Steering
from music.features import features
from music.notes import Melody, Score, Voice
from music.styles import PROGRAMS
from recsys.exports import FORMATS, exported
from recsys.models import Track
from recsys.preferences import preferences_as_of
from recsys.taste import taste_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.models import PolicyVersion

logger = logging.getLogger(__name__)

BARS = 8
TUNES_TRIED = 60
ATTEMPTS = 4
"""Two pieces of the same notes are no pair: the second one is written again."""
SOUNDS = ("audio.opus", "audio.mp3")
Author = BlindPair.Author


@dataclass(frozen=True, kw_only=True)
class Written:
    """One side before it is stored."""

    score: Score
    policy_version: PolicyVersion | None = None
    recipe: dict[str, Any] | None = None
    track: Track | None = None


def make_pair(pair_id: uuid.UUID) -> None:
    """Writes both sides and their sound. Running it twice is harmless: of two workers the first one's sides count."""
    pair = BlindPair.objects.select_related("listener", "champion", "trial").filter(pk=pair_id).first()
    if pair is None or pair.status not in (BlindPair.Status.QUEUED, BlindPair.Status.COMPOSING):
        return
    BlindPair.objects.filter(pk=pair_id, status=BlindPair.Status.QUEUED).update(status=BlindPair.Status.COMPOSING)
    try:
        sides = _write_sides(pair, _settle(pair))
    except (CantCompose, ImpossibleSteering, UnusableVersion) as error:
        fail_pair(pair_id, str(error))
        return
    for side in sides:
        for form in SOUNDS:
            exported(Track(title="", score=side.score.to_json()), FORMATS[form])
    _store(pair, sides)


def fail_pair(pair_id: uuid.UUID, reason: str) -> None:
    """Ends an open pair without sides; the reason is for the listener."""
    open_ones = (BlindPair.Status.QUEUED, BlindPair.Status.COMPOSING)
    BlindPair.objects.filter(pk=pair_id, status__in=open_ones).update(status=BlindPair.Status.FAILED, error=reason)


def _store(pair: BlindPair, sides: list[Written]) -> None:
    with transaction.atomic():
        # Holding the row settles the race of two workers with the same pair.
        held = BlindPair.objects.select_for_update().filter(pk=pair.pk, status=BlindPair.Status.COMPOSING).first()
        if held is None:
            return
        for place, side in enumerate(sides):
            Side.objects.create(
                pair=held,
                place=place,
                score=side.score.to_json(),
                features=features(side.score.melody).tolist(),
                policy_version=side.policy_version,
                recipe=side.recipe,
                track=side.track,
            )
        held.status, held.ready_at = BlindPair.Status.READY, timezone.now()
        held.first_author, held.second_author, held.trial = pair.first_author, pair.second_author, pair.trial
        held.save(update_fields=["status", "ready_at", "first_author", "second_author", "trial"])


def _settle(pair: BlindPair) -> PolicyVersion:
    """Who writes as the champion: what served before where its checkpoint can't be read, until the alarm has seen it.

    Answers about a version on trial are answers against the champion. Where either can't be read a tune of people takes the
    place of the one on trial; so it does where champion and prior would now write alike."""
    champion = readable(pair.champion)
    if champion == pair.champion and (pair.trial is None or is_readable(pair.trial)):
        return champion
    pair.trial = None
    authors = (pair.first_author, pair.second_author)
    can_meet = [{*meeting} for meeting in meetings_for(pair.listener, champion, None)]
    if Author.COMPOSER in authors and {*authors} not in can_meet:
        pair.first_author, pair.second_author = (author if author == Author.COMPOSER else Author.HUMAN for author in authors)
    return champion


def _write_sides(pair: BlindPair, champion: PolicyVersion) -> list[Written]:
    generator = np.random.default_rng(pair.seed)
    track, tune, steering = choose_tune(pair, generator)
    taste = taste_of(pair.listener)
    mean_D = None if taste.abstains else taste.mean_D
    authors = (pair.first_author, pair.second_author)
    # Two pieces of one author ask about the taste itself: each is written for a taste the listener may have, drawn from what
    # is known (double Thompson sampling, Wu and Liu 2016, arXiv 1604.07101).
    is_about_taste = authors[0] == authors[1]
    writers: dict[str, Callable[[], Written]] = {
        Author.HUMAN: lambda: Written(score=_score(tune, track.style), track=track),
        Author.PRIOR: lambda: _of_prior(champion, steering, _seed(generator)),
        Author.COMPOSER: lambda: _of_version(
            champion, steering, taste.draw(generator) if is_about_taste else mean_D, _seed(generator)
        ),
        Author.CHALLENGER: lambda: _of_version(pair.trial, steering, mean_D, _seed(generator)),
    }
    first = writers[authors[0]]()
    for _ in range(ATTEMPTS):
        second = writers[authors[1]]()
        if second.score.melody.notes != first.score.melody.notes:
            return [first, second]
    raise CantCompose("Both pieces came out the same, note for note. The next pair will be another one.")


def choose_tune(pair: BlindPair, generator: np.random.Generator) -> tuple[Track, Melody, Steering]:
    """A tune that the listener has not met, its first bars, and a steering that asks for pieces like them: same style, key,
    metre, tempo, length and register. Both sides follow it even where no person is one of the authors."""
    tunes = Track.objects.filter(owner__isnull=True, bars__gte=BARS).exclude(feedback__listener=pair.listener)
    tunes = tunes.exclude(pk__in=Side.objects.filter(pair__listener=pair.listener, track__isnull=False).values("track"))
    wished = preferences_as_of(pair.listener).styles
    numbers = list(tunes.filter(style__in=wished).values_list("pk", flat=True)) if wished else []
    numbers = numbers or list(tunes.values_list("pk", flat=True))
    drawn = [int(number) for number in generator.permutation(sorted(numbers))[:TUNES_TRIED]]
    found = Track.objects.defer("features").in_bulk(drawn)
    second_best = None
    for number in drawn:
        chosen = _fit(found[number])
        if chosen is not None and ends_on_tonic(chosen[1]):
            return chosen
        second_best = second_best or chosen
    if second_best is None:
        raise CantCompose(f"The catalogue has no tune whose first {BARS} bars can stand beside a piece.")
    return second_best


def _fit(track: Track) -> tuple[Track, Melody, Steering] | None:
    """The tune's first bars and the steering like them; None where they can't be cut out or asked for."""
    tune = excerpt_of(Score.from_json(track.score).melody, BARS)
    if tune is None:
        return None
    lowest, highest = room_of(tune)
    try:
        steering = Steering(
            style=track.style,
            tonic=tune.tonic,
            mode=tune.mode,
            metre=tune.metre,
            bars=BARS,
            tempo=tune.tempo,
            lowest=lowest,
            highest=highest,
        )
    except ImpossibleSteering:
        return None
    return track, tune, steering


def _of_version(version: PolicyVersion | None, steering: Steering, taste_D: NDArray[np.float64] | None, seed: int) -> Written:
    """A piece as the version serves it."""
    if version is None:
        raise CantCompose("The version on trial is gone.")
    recipe = write_recipe(version, steering, taste_D, seed=seed)
    score, figures = perform(recipe, version)
    return Written(score=_score(score.melody, steering.style), policy_version=version, recipe=recipe | {"figures": figures})


def _of_prior(version: PolicyVersion, steering: Steering, seed: int) -> Written:
    """A piece of the version's prior under the same masks, at its own temperature, for nobody's taste."""
    policy = policy_of(version)
    bare = replace(policy.writer, advantage=None, foresight=None, temperature=1.0, prior_temperature=1.0)
    composed = replace(policy, kind="prior", writer=bare).compose(steering, None, seed=seed)
    return Written(score=_score(composed.melody, steering.style), policy_version=version)


def _score(melody: Melody, style: str) -> Score:
    """Nothing in it tells who made it: no title, one voice without a name, the instrument of the style."""
    return Score(title="", voices=(Voice(name="", melody=melody, program=PROGRAMS.get(style, 0)),))


def _seed(generator: np.random.Generator) -> int:
    return int(generator.integers(2**31))
