"""What the composer keeps about a listener: to take along. Before: apps.py registers. After: accounts/privacy.py.

Pieces, commissions and pairs vanish with the listener; the files of pieces are erased as those of tracks, in recsys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.models import Listener
from accounts.privacy import CHUNK_ROWS, Part, rows_of
from composer.models import BlindPair, Commission, Piece, Side
from recsys.exports import remove_exports_of
from recsys.models import Track


def export_pieces(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every piece with its recipe and its notes, oldest first."""
    pieces = Piece.objects.filter(track__owner=listener).order_by("created_at", "id").select_related("track")
    return (
        {
            "id": piece.pk,
            "title": piece.track.title,
            "parent": piece.parent_id,
            "created_at": piece.created_at,
            "policy_version": piece.policy_version_id,
            "recipe": piece.recipe,
            "is_shared": piece.track.is_shared,
            "score": piece.track.score,
        }
        for piece in pieces.iterator(chunk_size=CHUNK_ROWS)
    )


def export_commissions(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every wish for a piece and what became of it, oldest first."""
    fields = ("id", "steering", "prompt", "task", "seed", "status", "error", "piece", "created_at", "finished_at")
    return rows_of(Commission.objects.filter(listener=listener).order_by("created_at").values(*fields))


def export_pairs(listener: Listener) -> Iterator[dict[str, Any]]:
    """Every answered pair, oldest first: who wrote A and B, the notes, and what was said; `choices` has the seconds heard."""
    pairs = BlindPair.objects.filter(listener=listener, choice__isnull=False).select_related("choice")
    return (
        {
            "id": pair.pk,
            "authors": [pair.first_author, pair.second_author],
            "versions": [side.policy_version_id for side in pair.sides.all()],
            "tracks": [side.track_id for side in pair.sides.all()],
            "scores": [side.score for side in pair.sides.all()],
            "recipes": [side.recipe for side in pair.sides.all()],
            "answer": pair.choice.answer if pair.choice else None,
            "choice": pair.choice.client_id if pair.choice else None,
            "created_at": pair.created_at,
        }
        for pair in pairs.prefetch_related("sides").iterator(chunk_size=CHUNK_ROWS)
    )


def erase_files_of_pairs(listener: Listener) -> None:
    """Removes the rendered sound of both sides of each pair."""
    for score in Side.objects.filter(pair__listener=listener).values_list("score", flat=True).iterator():
        remove_exports_of(Track(title="", score=score))


PARTS = (
    Part(name="pieces", export=export_pieces),
    Part(name="commissions", export=export_commissions),
    Part(name="pairs", export=export_pairs, erase=erase_files_of_pairs),
)
