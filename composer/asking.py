"""Reads what somebody asks for: a new piece, or a task on a melody. Before: API, pages. After: composing.commission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import Listener
from composer.melody_tasks import KINDS, MelodyTask, check_names
from composer.sources import Source, source_of_abc, source_of_file, source_of_notes, source_of_track
from composer.steering import ImpossibleSteering, Steering
from recsys.models import Track

LARGEST_ID = 2**63 - 1
SOURCES = ("track", "melody", "abc")


class ImpossibleTask(ImpossibleSteering):
    """A task that can't be carried out: names the field and the bound."""


class NoSuchTrack(LookupError):  # noqa: N818 – names what it is
    """The listener may hear no track of this number."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What `composing.commission` takes."""

    steering: Steering
    task: MelodyTask | None = None
    source: Track | None = None


def read_wish(listener: Listener, steering: object, task: object = None, file: tuple[bytes, str] | None = None) -> Wish:
    """A wish from plain values; ImpossibleSteering or ImpossibleTask says what is wrong, NoSuchTrack what isn't there.

    `file` is the content and name of an upload, in place of a source within the task."""
    if task is None:
        return Wish(steering=Steering.from_json(steering))
    try:
        asked, source = _read_task(listener, task, file)
    except ImpossibleSteering as refusal:
        raise ImpossibleTask(refusal.field, refusal.message) from None
    wishes: Any = {} if steering is None else steering
    if not isinstance(wishes, Mapping):
        raise ImpossibleSteering("steering", "must be an object of fields")
    return Wish(steering=asked.steering(wishes), task=asked, source=source.track)


def _read_task(listener: Listener, task: object, file: tuple[bytes, str] | None) -> tuple[MelodyTask, Source]:
    if not isinstance(task, Mapping):
        raise ImpossibleSteering("task", f"must be an object with a kind: {', '.join(KINDS)}")
    given = dict(task)
    sources = {name: given.pop(name) for name in SOURCES if name in given}
    voice, metre = given.pop("voice", None), given.pop("metre", None)
    check_names(given)
    if len(sources) + (file is not None) != 1:
        raise ImpossibleSteering("track", f"name one melody: by one of {', '.join(SOURCES)} or by a file")
    source = source_of_file(*file, voice, metre) if file is not None else _find(listener, sources, voice, metre)
    asked = MelodyTask.from_wish(given, **source.as_fields())
    if asked.kind == "transfer" and (known := Track.objects.known_styles()):
        asked.steering({}).check_style(known)
    return asked, source


def _find(listener: Listener, sources: Mapping[str, Any], voice: Any, metre: Any) -> Source:
    if "abc" in sources:
        return source_of_abc(sources["abc"], voice, metre)
    if metre is not None:
        raise ImpossibleSteering("metre", "is that of the track, or stands within the melody; leave it out")
    if "track" in sources:
        return source_of_track(_track(listener, sources["track"]), voice)
    if voice is not None:
        raise ImpossibleSteering("voice", "a melody given by its notes is one voice; leave it out")
    return source_of_notes(sources["melody"])


def _track(listener: Listener, number: object) -> Track:
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= LARGEST_ID:
        raise ImpossibleSteering("track", f"must be the whole number of a track; it is {number!r:.40}")
    found = Track.objects.visible_to(listener).select_related("piece").filter(pk=number).first()
    if found is None:
        raise NoSuchTrack("There is no such track.")
    return found
