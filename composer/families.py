"""The tree of variations around a track: ancestors, siblings, descendants. Before: Piece.parent, source. After: track page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Case, Q, When

from accounts.models import Listener
from composer.models import Piece
from recsys.models import Track

MOST_GENERATIONS = 12
MOST_BRANCHES = 60
"""Beyond these a page would be a forest: the line that leads to the track is shown whole, then the older generations, of each
the newest."""


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
        piece = getattr(line[0], "piece", None)
        origin = None if piece is None else piece.source or (piece.parent.track if piece.parent else None)
        # A shared piece may have a private origin: for others it is the first one.
        if origin is None or not (origin.owner_id in (None, listener.pk) or origin.is_shared):
            return line
        line.insert(0, origin)
    return line


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
        pieces = pieces.defer("track__score", "track__features", "parent__recipe").order_by(leads_there, "-id")
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
        _grow(branches, piece.track, words_of(piece), depth + 1, children, here)


def words_of(piece: Piece) -> str:
    """What was done, in a few words."""
    task = piece.recipe.get("task") or {}
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
