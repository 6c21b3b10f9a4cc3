"""From a wish to a piece, which is a track like any other. Before: pages, API, command. After: tasks.py runs it in a worker."""

from __future__ import annotations

import logging
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from composer.accompaniment.slot import SLOT as ACCOMPANIST
from composer.contradictions import check_chords, check_graded
from composer.melody_tasks import MelodyTask
from composer.models import Commission, Piece
from composer.prompting.prompt import Prompt
from composer.recipes import SLOT, UnusableVersion, perform, readable, write_recipe
from composer.steering import ImpossibleSteering, Steering
from recsys.catalogue import track_of
from recsys.models import Track
from recsys.taste import taste_of
from training import queue
from training.models import PolicyVersion, Run
from training.promotion import serving_version

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from accounts.models import Listener
    from music.notes import Score

logger = logging.getLogger(__name__)

OPEN = (Commission.Status.QUEUED, Commission.Status.COMPOSING)
LARGEST_SEED = 2**31 - 1
SECONDS_BETWEEN_REPORTS = 0.5
COLLECTION = "pieces"
TASK = "composer.compose"


class CommissionRefused(Exception):  # noqa: N818 – an answer, not an accident
    """The wish can't be taken now; the message says why and what to do."""


class QueueIsFull(CommissionRefused):
    """Too many pieces are waiting, of this listener or of all."""


class IdIsTaken(CommissionRefused):
    """The id was used for another wish."""


class CantCompose(Exception):  # noqa: N818 – becomes the commission's error
    """No piece came of it; the message is for the listener."""


def commission(
    listener: Listener,
    steering: Steering,
    seed: int | None = None,
    id: uuid.UUID | None = None,
    parent: Piece | None = None,
    task: MelodyTask | None = None,
    source: Track | None = None,
    prompt: Prompt | None = None,
) -> Commission:
    """Queues a piece. The same id asked again gives the same commission; a full queue raises QueueIsFull.

    A task works on a melody; `source` is the track it came from, whose piece is the parent where none is named.
    A prompt is what the steering was read from: it is kept; lyrics choose among drafts and are set under the notes."""
    _check_seed(seed)
    known = Track.objects.known_styles()
    if known and (task is None or task.kind == "transfer"):
        steering.check_style(known)
    check_chords(steering)
    check_graded(steering)
    _check_words(task, prompt)
    parent = parent or (getattr(source, "piece", None) if source is not None else None)
    kept = {"task": task.to_json() if task else {}, "prompt": prompt.to_json() if prompt else {}}
    with transaction.atomic():
        _hold_queue()
        if id is not None and (made := Commission.objects.filter(pk=id).first()) is not None:
            return _same_wish(made, listener, steering, seed, parent, kept)
        _check_room(listener)
        made = Commission.objects.create(
            id=id or uuid.uuid4(),
            listener=listener,
            steering=steering.to_json(),
            seed=secrets.randbelow(LARGEST_SEED) if seed is None else seed,
            parent=parent,
            source=source,
            **kept,
        )
        # Within the transaction: either both the row and its job exist, or neither.
        defer(made)
    return made


def defer(made: Commission) -> bool:
    """Puts the job of a commission into the queue, once: whether it was not waiting there already."""
    return queue.defer(TASK, "interactive", queueing_lock=f"commission:{made.pk}", commission_id=str(made.pk))


def _check_seed(seed: int | None) -> None:
    if seed is not None and not 0 <= seed <= LARGEST_SEED:
        raise ImpossibleSteering("seed", f"must be a whole number 0 … {LARGEST_SEED}; it is {seed}")


def _check_words(task: MelodyTask | None, prompt: Prompt | None) -> None:
    if task is not None and task.keeps_words and prompt is not None and prompt.kind == "lyrics":
        raise ImpossibleSteering(
            "prompt", "can't be set under the notes: the melody has words of its own, which stay; leave the lyrics out"
        )


def _hold_queue() -> None:
    """Settles two races: one id sent twice at once, and two wishes for the last free place."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('composer.commission'))")


def _same_wish(
    made: Commission,
    listener: Listener,
    steering: Steering,
    seed: int | None,
    parent: Piece | None,
    kept: dict[str, dict[str, Any]],
) -> Commission:
    is_same = (
        made.listener_id == listener.pk
        and made.steering == steering.to_json()
        and seed in (None, made.seed)
        and made.parent == parent
        and {"task": made.task, "prompt": made.prompt} == kept
    )
    if not is_same:
        raise IdIsTaken("This id was used for another wish; make a new one.")
    return made


def _check_room(listener: Listener) -> None:
    waiting = Commission.objects.filter(status__in=OPEN)
    own_limit, limit = settings.ENCORE_COMMISSIONS_PER_LISTENER, settings.ENCORE_COMMISSIONS
    if waiting.filter(listener=listener).count() >= own_limit:
        raise QueueIsFull(f"{own_limit} pieces of yours are being composed; wait until one is done.")
    if waiting.count() >= limit:
        raise QueueIsFull(f"The composer is busy: {limit} pieces are waiting. Try again in a minute.")


def compose_commission(commission_id: uuid.UUID) -> None:
    """Composes what was commissioned; in a worker. Done and failed commissions stay as they are, so running it twice is
    harmless: of two workers the first one's piece counts, and both would have written the same notes."""
    found = Commission.objects.select_related("listener", "parent__track", "source")
    wanted = found.filter(pk=commission_id).first()
    if wanted is None or wanted.status not in OPEN:
        return
    Commission.objects.filter(pk=commission_id, status__in=OPEN).update(status=Commission.Status.COMPOSING, progress=0.0)
    try:
        piece = _compose(wanted)
    except (CantCompose, ImpossibleSteering, UnusableVersion) as error:
        fail(commission_id, _sentence(str(error)))
    else:
        logger.info("commission %s became piece %s", commission_id, piece.pk if piece else "of another worker")


def fail(commission_id: uuid.UUID, reason: str) -> None:
    """Ends an open commission without a piece; the reason is for the listener."""
    Commission.objects.filter(pk=commission_id, status__in=OPEN).update(
        status=Commission.Status.FAILED, error=reason, finished_at=timezone.now()
    )


def _compose(wanted: Commission) -> Piece | None:
    task = MelodyTask.from_json(wanted.task) if wanted.task else None
    needs_chords = task is not None and task.kind == "accompany"
    serving = serving_version(ACCOMPANIST if needs_chords else SLOT, wanted.listener_id)
    if serving is None:
        raise CantCompose(why_no_accompanist() if needs_chords else why_no_composer())
    version = readable(serving)
    steering = Steering.from_json(wanted.steering)
    parent_title = wanted.parent.track.title if wanted.parent else task.source_title if task else ""
    taste_D = None if needs_chords else taste_vector(wanted.listener)
    recipe = write_recipe(
        version, steering, taste_D, seed=wanted.seed, parent_title=parent_title, task=task, prompt=wanted.prompt
    )
    score, figures = perform(recipe, version, _Progress(wanted.pk))
    with transaction.atomic():
        # Holding the row settles the race of two workers with the same commission.
        held = Commission.objects.select_for_update().get(pk=wanted.pk)
        if held.status not in OPEN:
            return None
        piece = store_piece(wanted.listener, score, recipe | {"figures": figures}, version, wanted.parent, source=wanted.source)
        held.piece, held.status, held.progress = piece, Commission.Status.DONE, 1.0
        held.finished_at = timezone.now()
        held.save(update_fields=["piece", "status", "progress", "finished_at"])
    return piece


def store_piece(
    listener: Listener,
    score: Score,
    recipe: dict[str, Any],
    version: PolicyVersion,
    parent: Piece | None = None,
    *,
    source: Track | None = None,
) -> Piece:
    """The piece as a private track of its listener."""
    track = track_of(
        score,
        artist="Encore",
        style=recipe["steering"]["style"],
        collection=COLLECTION,
        source=f"composed by version {version.pk} with seed {recipe['seed']}",
        owner=listener,
    )
    track.save()
    return Piece.objects.create(track=track, parent=parent, source=source, policy_version=version, recipe=recipe)


def taste_vector(listener: Listener) -> NDArray[np.float64] | None:
    """What the listener likes, as weights of the standardised features; None while too little is known."""
    taste = taste_of(listener)
    return None if taste.abstains else taste.mean_D


def why_no_composer() -> str:
    """Why there is no composer yet, and how far it is."""
    run = Run.objects.filter(slot=SLOT, status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).first()
    if run is not None:
        return f"No composer has been trained yet: learning the music, {100 * run.progress:.0f} %. Ask again when it is done."
    if Track.objects.filter(owner__isnull=True).exists():
        return "No composer has been trained yet. An operator can start its training in the dashboard."
    return "No composer has been trained yet, because there is no music to learn from: the catalogue is empty."


def why_no_accompanist() -> str:
    """Why nobody can accompany yet, and how far it is."""
    run = Run.objects.filter(slot=ACCOMPANIST).first()
    if run is not None and run.status in (Run.Status.QUEUED, Run.Status.RUNNING):
        return f"No accompanist has been trained yet: learning harmony, {100 * run.progress:.0f} %. Ask again when it is done."
    if run is not None and run.status == Run.Status.SKIPPED:
        return f"There is no accompanist. {run.outcome.removeprefix('Skipped: ')}"
    return "No accompanist has been trained yet. It learns from the catalogue's chorales once they have been imported."


class _Progress:
    """Writes how far a commission is, at most twice a second."""

    def __init__(self, commission_id: uuid.UUID) -> None:
        self.commission_id = commission_id
        self.written_at = 0.0

    def __call__(self, share: float) -> None:
        if time.monotonic() - self.written_at < SECONDS_BETWEEN_REPORTS:
            return
        self.written_at = time.monotonic()
        Commission.objects.filter(pk=self.commission_id, status=Commission.Status.COMPOSING).update(
            progress=min(max(share, 0.0), 1.0)
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."
