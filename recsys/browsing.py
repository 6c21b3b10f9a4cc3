"""Finding tracks: search, filters, sort, stable paging. Before: catalogue.py fills the table. After: pages.py, views.py."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from accounts.models import Listener
from recsys.models import Track

PAGE_SIZE = 30
LONGEST_SEARCH = 100
"""Letters of a search text that are read."""
SHORTEST_MISSPELT = 4
"""Words of so many letters are also found when they are spelt a little differently."""
SORTS: Mapping[str, tuple[str, bool, str]] = {
    "title": ("title", False, "title"),
    "newest": ("created_at", True, "newest first"),
    "slowest": ("tempo", False, "slow first"),
    "fastest": ("tempo", True, "fast first"),
    "shortest": ("duration_seconds", False, "short first"),
    "longest": ("duration_seconds", True, "long first"),
}
"""Field, whether it falls, and words, by name."""
FACETS = ("style", "collection", "metre", "mode")


class BrokenCursor(ValueError):  # noqa: N818 – names what is wrong
    """A paging cursor that this sort did not make."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What somebody looks for."""

    text: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Values by facet."""
    mine_of: Listener | None = None
    """Only this listener's own pieces."""
    sort: str = "title"

    @classmethod
    def from_query(cls, query: Mapping[str, str], listener: Listener | None) -> Search:
        """The search in an address; an unknown sort is the first one."""
        sort = query.get("sort", "title")
        return cls(
            text=query.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH],
            filters={facet: query[facet].replace("\0", "") for facet in FACETS if query.get(facet)},
            mine_of=listener if query.get("mine") else None,
            sort=sort if sort in SORTS else "title",
        )

    def matching(self, listener: Listener | None) -> QuerySet[Track]:
        """Every track that fits and that the listener may see."""
        tracks = Track.objects.visible_to(listener).filter(**self.filters)
        if self.mine_of is not None:
            tracks = tracks.filter(owner=self.mine_of)
        for word in self.text.split():
            named = Q(title__icontains=word) | Q(artist__icontains=word) | Q(style__icontains=word)
            if len(word) >= SHORTEST_MISSPELT:
                named |= Q(title__trigram_word_similar=word)
            tracks = tracks.filter(named)
        return tracks


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the tracks, and where to go on."""

    tracks: list[Track]
    next_cursor: str | None


def page_of(search: Search, listener: Listener | None, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """The tracks after the cursor. Tracks that arrive meanwhile neither repeat nor hide one."""
    name, falls, _ = SORTS[search.sort]
    tracks = search.matching(listener).defer("features").order_by(*((f"-{name}", "-id") if falls else (name, "id")))
    if cursor:
        value, pk = _read_cursor(cursor, search.sort)
        beyond = "lt" if falls else "gt"
        # The first condition is what an index can jump to; tracks of one value are told apart by the second.
        tracks = tracks.filter(**{f"{name}__{beyond}e": value})
        tracks = tracks.filter(Q(**{f"{name}__{beyond}": value}) | Q(**{f"id__{beyond}": pk}))
    found = list(tracks[: size + 1])
    has_more = len(found) > size
    return Page(tracks=found[:size], next_cursor=_write_cursor(found[size - 1], search.sort) if has_more else None)


def _write_cursor(track: Track, sort: str) -> str:
    value = getattr(track, SORTS[sort][0])
    plain = json.dumps([sort, value if isinstance(value, str | float) else value.isoformat(), track.pk])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str) -> tuple[Any, int]:
    try:
        made_by, value, pk = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if SORTS[sort][0] == "created_at":
            value = parse_datetime(value)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BrokenCursor("this is no cursor of a list of tracks") from error
    kind = {"title": str, "tempo": float, "duration_seconds": float}.get(SORTS[sort][0])
    # Halves of surrogate pairs and zero bytes are JSON, but no text that the database takes.
    is_storable = not isinstance(value, str) or not re.search("[\0\ud800-\udfff]", value)
    if made_by != sort or value is None or not isinstance(pk, int) or (kind and not isinstance(value, kind)) or not is_storable:
        raise BrokenCursor(f"this cursor was not made for the sort {sort}")
    return value, pk


def count_facets() -> dict[str, list[tuple[str, int]]]:
    """Values of each facet in the catalogue with their numbers of tracks, in one query; the commonest first."""
    sets = ", ".join(f"({facet})" for facet in FACETS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(FACETS)}, count(*) FROM recsys_track WHERE owner_id IS NULL GROUP BY GROUPING SETS ({sets})"  # noqa: S608 – constants
        )
        rows = cursor.fetchall()
    facets: dict[str, list[tuple[str, int]]] = {facet: [] for facet in FACETS}
    for *values, count in rows:
        for facet, value in zip(FACETS, values, strict=True):
            if value is not None:
                facets[facet].append((value, count))
    return {facet: sorted(counted, key=lambda pair: (-pair[1], pair[0])) for facet, counted in facets.items()}
