"""The tree of variations around a track: ancestors, siblings, descendants. Before: Piece.parent, source. After: track page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.models import Listener
from composer.models import Piece
from recsys.models import Track

MOST_GENERATIONS = 12
MOST_BRANCHES = 60
"""Beyond these a page would be a forest; the nearest ones are shown."""


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
    root = _first_ancestor(track, listener)
    children = _descendants(root, listener)
    if not children:
        return []
    branches: list[Branch] = []
    _grow(branches, root, "", 0, children, track.pk)
    return branches[:MOST_BRANCHES]


def _first_ancestor(track: Track, listener: Listener) -> Track:
    """The oldest track that this one came from, step by step."""
    for _ in range(MOST_GENERATIONS):
        piece = getattr(track, "piece", None)
        origin = None if piece is None else piece.source or (piece.parent.track if piece.parent else None)
        # A shared piece may have a private origin: for others it is the first one.
        if origin is None or not (origin.owner_id in (None, listener.pk) or origin.is_shared):
            return track
        track = origin
    return track


def _descendants(root: Track, listener: Listener) -> dict[int, list[Piece]]:
    """The pieces made of each track, by the track's number; one query a generation."""
    children: dict[int, list[Piece]] = {}
    level: Sequence[int] = [root.pk]
    for _ in range(MOST_GENERATIONS):
        made_of = Q(source__in=level) | Q(source=None, parent__track__in=level)
        seen = Track.objects.visible_to(listener)
        found = Piece.objects.filter(made_of, track__in=seen).select_related("track", "parent").order_by("id")[:MOST_BRANCHES]
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
