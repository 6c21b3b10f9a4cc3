"""Pieces and commissions for staff. Before: composing.py. After: an approved piece may be recommended to others."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from composer.models import Commission, Piece
from recsys.models import Track


@admin.register(Piece)
class PieceAdmin(ModelAdmin):
    """Composed pieces; the action approves shared ones for everyone's recommendations."""

    list_display = ("track", "owner", "style", "is_shared", "is_approved", "policy_version", "created_at")
    list_select_related = ("track__owner__account", "policy_version")
    list_filter = ("track__is_shared", "track__is_approved", "track__style", "policy_version")
    search_fields = ("track__title",)
    actions = ("approve", "take_back_approval")

    @admin.display(description=_("for"))
    def owner(self, piece: Piece) -> str:
        """Whose piece it is."""
        return str(piece.track.owner)

    @admin.display(description=_("style"), ordering="track__style")
    def style(self, piece: Piece) -> str:
        """Its style."""
        return piece.track.style

    @admin.display(description=_("shared"), boolean=True)
    def is_shared(self, piece: Piece) -> bool:
        """Whether its listener lets others hear it."""
        return piece.track.is_shared

    @admin.display(description=_("approved"), boolean=True)
    def is_approved(self, piece: Piece) -> bool:
        """Whether it may be recommended to others."""
        return piece.track.is_approved

    @admin.action(description=_("Let the chosen shared pieces be recommended to everyone"), permissions=["change"])
    def approve(self, request: HttpRequest, pieces: QuerySet[Piece]) -> None:
        """A private piece can't be approved: its listener has not shared it."""
        count = Track.objects.filter(piece__in=pieces, is_shared=True).update(is_approved=True)
        self.message_user(request, _("%(count)d pieces may be recommended now.") % {"count": count})

    @admin.action(description=_("Recommend the chosen pieces to nobody else"), permissions=["change"])
    def take_back_approval(self, request: HttpRequest, pieces: QuerySet[Piece]) -> None:
        """Acts on the next recommendation."""
        count = Track.objects.filter(piece__in=pieces).update(is_approved=False)
        self.message_user(request, _("%(count)d pieces are no longer recommended.") % {"count": count})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A piece is never changed."""
        return ("track", "parent", "policy_version", "recipe", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Pieces are composed, not typed."""
        return False


@admin.register(Commission)
class CommissionAdmin(ModelAdmin):
    """Wishes on their way, and why some failed."""

    list_display = ("id", "listener", "status", "progress", "error", "created_at", "finished_at")
    list_select_related = ("listener__account",)
    list_filter = ("status",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only shown."""
        return tuple(field.name for field in Commission._meta.fields)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Listeners commission."""
        return False
