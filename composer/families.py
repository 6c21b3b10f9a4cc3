"""The tree of variations around a track: ancestors, siblings, descendants. Before: Piece.parent, source. After: track page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Q, QuerySet, When
from django.db.models.fields.json import KeyTransform

from accounts.models import Listener
from composer.models import Piece
from recsys.models import Track

MOST_GENERATIONS = 12
MOST_BRANCHES = 60
"""Beyond these a page would be a forest: the line that leads to the track is shown whole, then the older generations, of each
the newest."""
_TASK = ("kind", "first_bar", "last_bar", "bars", "closeness", "style", "blend", "texture")
"""What `words_of` says of a task. The whole recipe holds a taste and a melody: too much to read for a line of a tree."""


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One track of the tree."""

    track: Track
    depth: int
    """Generations below the first one."""
    words: str
    """What was done to make it."""
    is_here: bool


def family_of(track: Track, listener: Listener) -> list[Branch]:
    """The tree that holds this track, from its first ancestor down, as far as the listener may see; empty if it is alone."""
    line = _line_to(track, listener)
    children = _descendants(line, listener)
    if not children:
        return []
    branches: list[Branch] = []
    _grow(branches, line[0], "", 0, children, track.pk)
    return branches


def _line_to(track: Track, listener: Listener) -> list[Track]:
    """The track and what it came from, step by step, the oldest first."""
    line = [track]
    for _ in range(MOST_GENERATIONS):
        piece = None if _is_first(line[0]) else _origins().filter(track=line[0]).first()
        origin = None if piece is None else piece.source or (piece.parent.track if piece.parent else None)
        # A shared piece may have a private origin: for others it is the first one.
        if origin is None or not (origin.owner_id in (None, listener.pk) or origin.is_shared):
            return line
        line.insert(0, origin)
    return line


def _is_first(track: Track) -> bool:
    """Whether it is known without asking that the track was made from no other: it is of the catalogue, or its piece, which
    the page has read already, names neither a source nor a parent."""
    piece = track._state.fields_cache.get("piece")
    return track.owner_id is None or (piece is not None and piece.source_id is None and piece.parent_id is None)


def _origins() -> QuerySet[Piece]:
    """Pieces with what they were made from, as far as a tree shows it."""
    pieces = Piece.objects.select_related("source", "parent__track")
    shown = (f"{origin}__{name}" for origin in ("source", "parent__track") for name in ("title", "owner_id", "is_shared"))
    return pieces.only("track_id", "source_id", "parent_id", "parent__track_id", *shown)


def _descendants(line: Sequence[Track], listener: Listener) -> dict[int, list[Piece]]:
    """The pieces made of each track, oldest first, by the track's number; one query a generation."""
    children: dict[int, list[Piece]] = {}
    level: Sequence[int] = [line[0].pk]
    left = MOST_BRANCHES - len(line)
    leads_there = Case(When(track__in=[track.pk for track in line], then=0), default=1)
    for generation in range(1, MOST_GENERATIONS + 1):
        made_of = Q(source__in=level) | Q(source=None, parent__track__in=level)
        seen = Track.objects.visible_to(listener)
        pieces = Piece.objects.filter(made_of, track__in=seen.values("pk")).select_related("track", "parent")
        pieces = pieces.only("track__title", "source_id", "parent__track_id").annotate(**_task_of())
        pieces = pieces.order_by(leads_there, "-id")
        found = sorted(pieces[: left + (generation < len(line))], key=lambda piece: piece.pk)
        left -= len(found) - (generation < len(line))
        for piece in found:
            origin = piece.source_id or (piece.parent.track_id if piece.parent else 0)
            children.setdefault(origin, []).append(piece)
        level = [piece.track_id for piece in found]
        if not level:
            break
    return children


def _grow(branches: list[Branch], track: Track, words: str, depth: int, children: dict[int, list[Piece]], here: int) -> None:
    branches.append(Branch(track=track, depth=depth, words=words, is_here=track.pk == here))
    for piece in children.get(track.pk, []):
        _grow(
            branches, piece.track, words_of({name: getattr(piece, f"task_{name}") for name in _TASK}), depth + 1, children, here
        )


def _task_of() -> dict[str, KeyTransform]:
    """Annotations: the fields of the recipe's task that words are made of."""
    return {f"task_{name}": KeyTransform(name, KeyTransform("task", "recipe")) for name in _TASK}


def words_of(task: Mapping[str, Any]) -> str:
    """What a task did, in a few words."""
    kind = task.get("kind")
    if kind == "rewrite":
        first, last = task["first_bar"], task["last_bar"]
        return f"bar {first} again" if first == last else f"bars {first}–{last} again"
    if kind == "continue":
        return f"{task['bars']} bar{'' if task['bars'] == 1 else 's'} more"
    if kind == "vary":
        return f"varied, {round(100 * task['closeness'])} % close"
    if kind == "transfer":
        return f"{task['style']}, {round(100 * task['blend'])} %"
    if kind == "accompany":
        return f"accompanied: {task['texture']}"
    return "another piece of the same wish"
