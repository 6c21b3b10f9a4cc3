"""What the composer keeps about a listener: to take along. Before: apps.py registers. After: accounts/privacy.py.

Pieces and commissions vanish with the listener; the files of pieces are erased as those of tracks, by recsys/privacy.py."""

from __future__ import annotations

from typing import Any

from accounts.models import Listener
from accounts.privacy import Part
from composer.models import Commission, Piece


def export_pieces(listener: Listener) -> list[dict[str, Any]]:
    """Every piece with its recipe and its notes, oldest first."""
    pieces = Piece.objects.filter(track__owner=listener).order_by("created_at", "id").select_related("track")
    return [
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
        for piece in pieces
    ]


def export_commissions(listener: Listener) -> list[dict[str, Any]]:
    """Every wish for a piece and what became of it, oldest first."""
    fields = ("id", "steering", "prompt", "task", "seed", "status", "error", "piece", "created_at", "finished_at")
    return list(Commission.objects.filter(listener=listener).order_by("created_at").values(*fields))


PARTS = (
    Part(name="pieces", export=export_pieces),
    Part(name="commissions", export=export_commissions),
)
