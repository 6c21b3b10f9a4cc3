"""Catalogue, log and rewards for staff. Before: catalogue.py, feedback.py. After: approvals and new weights act at once."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from accounts.models import Account
from recsys.models import CatalogueImport, Feedback, Recommendation, RewardVersion, Track
from recsys.rewards import RewardWeights, activate, active_weights
from training.configuration import fields_of


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows that nobody changes: they are the log."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: erasing a listener is done in their account."""
        return False


@admin.register(Track)
class TrackAdmin(ModelAdmin):
    """The catalogue and composed pieces; titles, styles and licences can be mended, notes can't."""

    list_display = ("title", "style", "collection", "metre", "duration", "owner", "is_shared", "is_approved")
    list_filter = ("style", "collection", "is_shared", "is_approved")
    list_select_related = ("owner__account",)
    search_fields = ("title", "artist", "source")
    show_full_result_count = False
    fields = ("title", "artist", "style", "licence", "collection", "source", "owner", "is_shared", "is_approved", "created_at")
    readonly_fields = ("collection", "source", "owner", "is_shared", "created_at")
    actions = ("approve", "take_back_approval")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Music comes by import or by composing."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Track]:
        """Without the notes, which no list shows."""
        tracks: QuerySet[Track] = super().get_queryset(request)
        return tracks.defer("score", "features")

    @admin.display(description=_("length"), ordering="duration_seconds")
    def duration(self, track: Track) -> str:
        """Minutes and seconds."""
        return f"{int(track.duration_seconds) // 60}:{int(track.duration_seconds) % 60:02d}"

    @admin.action(description=_("Let the chosen shared pieces be recommended to everyone"), permissions=["change"])
    def approve(self, request: HttpRequest, tracks: QuerySet[Track]) -> None:
        """A private piece can't be approved: its listener has not shared it."""
        count = tracks.filter(owner__isnull=False, is_shared=True).update(is_approved=True)
        self.message_user(request, _("%(count)d pieces may be recommended now.") % {"count": count})

    @admin.action(description=_("Recommend the chosen pieces to nobody else"), permissions=["change"])
    def take_back_approval(self, request: HttpRequest, tracks: QuerySet[Track]) -> None:
        """Acts on the next recommendation."""
        count = tracks.filter(owner__isnull=False).update(is_approved=False)
        self.message_user(request, _("%(count)d pieces are no longer recommended.") % {"count": count})


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    """The log of signals."""

    list_display = ("received_at", "listener", "kind", "value", "track", "recommendation", "position")
    list_filter = ("kind", "received_at")
    list_select_related = ("listener__account", "track", "recommendation")
    show_full_result_count = False
    ordering = ("-id",)


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    """The log of slates with their probabilities."""

    list_display = ("created_at", "listener", "policy_version", "is_canary", "surface", "length", "epsilon")
    list_filter = ("is_canary", "policy_version", "created_at")
    list_select_related = ("listener__account", "policy_version")
    show_full_result_count = False
    ordering = ("-id",)

    @admin.display(description=_("surface"))
    def surface(self, recommendation: Recommendation) -> str:
        """Where it was shown."""
        return str(recommendation.context.get("surface", ""))

    @admin.display(description=_("tracks"))
    def length(self, recommendation: Recommendation) -> int:
        """Length of the slate."""
        return len(recommendation.tracks)


class RewardWeightsForm(forms.ModelForm[RewardVersion]):
    """One number per weight, filled with the active ones."""

    class Meta:
        model = RewardVersion
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        helps = {each.name: each.help.replace("`", "") for each in fields_of(RewardWeights)}
        for name, weight in asdict(active_weights()).items():
            self.fields[name] = forms.FloatField(
                initial=weight,
                label=name.replace("_", " "),
                help_text=helps[name],
                widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
            )

    def clean(self) -> dict[str, Any] | None:
        """The bounds of `RewardWeights`."""
        cleaned = super().clean()
        if not self.errors:
            try:
                self.weights = RewardWeights(**{each.name: self.cleaned_data[each.name] for each in fields(RewardWeights)})
            except ValueError as error:
                raise forms.ValidationError(str(error)) from error
        return cleaned


@admin.register(RewardVersion)
class RewardVersionAdmin(ModelAdmin):
    """What feedback is worth. “Add” makes a new version the active one; versions are never changed, old runs keep theirs."""

    list_display = ("id", "is_active", "summary", "created_by", "created_at")
    list_select_related = ("created_by",)
    ordering = ("-id",)
    form = RewardWeightsForm

    def get_fieldsets(self, request: HttpRequest, obj: RewardVersion | None = None) -> Any:
        """The weights of a new version; the row itself of an old one."""
        names = ("weights", "is_active", "created_by", "created_at") if obj else [each.name for each in fields(RewardWeights)]
        return [(None, {"fields": names})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The weights are fields of the form, not of the model: Django must not look for them there."""
        if obj is not None:
            return super().get_form(request, obj, change, **options)
        return RewardWeightsForm

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: a change is a new version."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: runs name their version."""
        return False

    def save_model(self, request: HttpRequest, obj: RewardVersion, form: Any, change: bool) -> None:
        """Makes the weights active; equal ones stay the version they are."""
        assert isinstance(request.user, Account)
        version = activate(form.weights, by=request.user)
        obj.pk, obj.weights, obj.is_active = version.pk, version.weights, version.is_active
        obj.created_by, obj.created_at = version.created_by, version.created_at

    @admin.display(description=_("weights that differ from the first ones"))
    def summary(self, version: RewardVersion) -> str:
        """For people who compare versions."""
        first = asdict(RewardWeights())
        changed = [f"{name} {weight:g}" for name, weight in version.weights.items() if first.get(name) != weight]
        return ", ".join(changed) or "–"


@admin.register(CatalogueImport)
class CatalogueImportAdmin(ReadOnlyAdmin):
    """Imports and how far they are."""

    list_display = ("collection", "done", "total", "added", "duplicates", "failure_count", "started_at", "finished_at")
    ordering = ("-id",)

    @admin.display(description=_("not readable"))
    def failure_count(self, record: CatalogueImport) -> int:
        """Files that could not be read; each is listed with its error on the row's page."""
        return len(record.failures)
