"""One listener's history as JSON lines, out and in. Before: feedback.py keeps rows. After: history_import.py, other players.

Two kinds of line: Encore's own, one per signal, and ListenBrainz' listen, one per play. Formats: docs/feedback.md."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from accounts.models import Listener
from recsys.feedback import Refusal
from recsys.models import Feedback

LONGEST_LINE = 20_000
"""Bytes of one line; listens of other players carry much that is not read here."""
LONGEST_TEXT = 300
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Zero bytes and halves of surrogate pairs: they are JSON, but no text that the database takes."""
NO_ARTIST = "Traditional"
"""Stands where a track names no artist: a listen must name one."""
LISTENS = UUID("6f1d6f8a-0a53-5c0e-9d53-6b1c7a3f2b10")
"""Namespace of the ids made for listens, which have none: the same listen always gets the same id."""


@dataclass(frozen=True, kw_only=True)
class NamedTrack:
    """A track as another installation or player names it."""

    title: str
    artist: str = ""
    collection: str = ""
    source: str = ""
    content_hash: str = ""
    field: str = "track"
    """The field of the line that is named when the track is not found."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One signal that a line tells of."""

    client_id: UUID
    kind: str
    track: NamedTrack
    started_at: datetime | None
    """Of a listen, which tells when the play began and seldom how long it lasted."""
    occurred_at: datetime | None
    value: float | None = None
    track_position_seconds: float | None = None


class BrokenLine(ValueError):  # noqa: N818 – named for what it is
    """A line that can't be read; carries the field and what it may be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.refusal = Refusal(field=field, message=message)


def write_history(listener: Listener) -> Iterator[str]:
    """Every signal, oldest first, each line enough to find its track in another installation."""
    for row in _rows(listener):
        track = row.track
        yield _line(
            client_id=str(row.client_id),
            kind=row.kind,
            value=row.value,
            track_position_seconds=row.track_position_seconds,
            occurred_at=row.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            track={
                "title": track.title,
                "artist": track.artist,
                "collection": track.collection,
                "source": track.source,
                "content_hash": track.content_hash,
            },
        )


def write_listens(listener: Listener) -> Iterator[str]:
    """Every play as ListenBrainz' exports write a listen, oldest first."""
    for row in _rows(listener, kind=Feedback.Kind.PLAY):
        heard, track = row.value or 0.0, row.track
        started_at = row.occurred_at - timedelta(seconds=heard)
        yield _line(
            listened_at=math.floor(started_at.timestamp()),
            track_metadata={
                "track_name": track.title,
                "artist_name": track.artist or NO_ARTIST,
                "release_name": track.collection,
                "additional_info": {
                    "duration_ms": round(1000 * track.duration_seconds),
                    "duration_played": round(heard),
                    "media_player": "Encore",
                    "submission_client": "Encore",
                    "submission_client_version": settings.ENCORE_VERSION,
                    "encore_client_id": str(row.client_id),
                },
            },
        )


def _rows(listener: Listener, **only: str) -> Iterator[Feedback]:
    rows = Feedback.objects.filter(listener=listener, **only).select_related("track")
    return rows.defer("track__features", "track__score").order_by("occurred_at", "id").iterator(chunk_size=2000)


def _line(**fields: Any) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def read_line(text: bytes) -> Line:
    """What a line tells; BrokenLine names the field that can't be read."""
    if len(text) > LONGEST_LINE:
        raise BrokenLine("line", f"it has {len(text)} bytes; a line has at most {LONGEST_LINE}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenLine("line", "it is no JSON") from error
    if not isinstance(fields, dict):
        raise BrokenLine("line", "it must be an object: {…}")
    return _read_listen(fields) if "track_metadata" in fields else _read_own(fields)


def _read_own(fields: dict[str, Any]) -> Line:
    track = fields.get("track")
    if not isinstance(track, dict):
        raise BrokenLine("track", "it must be an object with a title")
    more = ("artist", "collection", "source", "content_hash")
    return Line(
        client_id=_uuid(fields.get("client_id"), "client_id"),
        kind=_text(fields, "kind"),
        value=_number(fields.get("value"), "value"),
        track_position_seconds=_number(fields.get("track_position_seconds"), "track_position_seconds"),
        started_at=None,
        occurred_at=_moment(_text(fields, "occurred_at")),
        track=NamedTrack(
            title=_text(track, "title", "track.title"),
            **{name: _text(track, name, f"track.{name}", default="") for name in more},
        ),
    )


def _read_listen(fields: dict[str, Any]) -> Line:
    metadata = fields["track_metadata"]
    if not isinstance(metadata, dict):
        raise BrokenLine("track_metadata", "it must be an object with track_name and artist_name")
    more = metadata.get("additional_info")
    more = more if isinstance(more, dict) else {}
    title = _text(metadata, "track_name", "track_metadata.track_name")
    artist = _text(metadata, "artist_name", "track_metadata.artist_name")
    seconds = _number(fields.get("listened_at"), "listened_at")
    if seconds is None:
        raise BrokenLine("listened_at", "a listen needs the second at which it began, counted from 1970")
    known = more.get("encore_client_id")
    return Line(
        client_id=_uuid(known, "encore_client_id") if known else uuid5(LISTENS, json.dumps([seconds, artist, title])),
        kind=str(Feedback.Kind.PLAY),
        value=_number(more.get("duration_played"), "duration_played"),
        started_at=_moment_of_seconds(seconds),
        occurred_at=None,
        track=NamedTrack(
            title=title,
            artist="" if artist == NO_ARTIST else artist,
            collection=_text(metadata, "release_name", "track_metadata.release_name", default=""),
            field="track_metadata.track_name",
        ),
    )


def _text(fields: dict[str, Any], name: str, shown: str = "", *, default: str | None = None) -> str:
    text = fields.get(name)
    if (text is None or text == "") and default is not None:
        return default
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_TEXT or UNSTORABLE.search(text):
        raise BrokenLine(shown or name, f"it must be a text of 1 … {LONGEST_TEXT} characters")
    return text


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise BrokenLine(name, "it must be a number")
    return float(value)


def _uuid(value: Any, name: str) -> UUID:
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise BrokenLine(name, "it must be a UUID") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise BrokenLine("occurred_at", "it must be a time like 2026-11-23T08:00:00Z") from None


def _moment_of_seconds(seconds: float) -> datetime:
    try:
        # The play's length is added later: no moment so close to the end of all time that there is no room for it.
        return datetime.fromtimestamp(seconds, UTC) + timedelta(days=30) - timedelta(days=30)
    except (ValueError, OverflowError, OSError):
        raise BrokenLine("listened_at", "it must be a second counted from 1970") from None
