"""Runs and slots as JSON. Before: models.py. After: views.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.fields import Asked
from training.dashboard import curves_of
from training.models import PolicyVersion, Run, Slot, Verdict


class RunRequestSerializer(Asked):
    """What a run is asked for with; the configuration is checked by the slot's own class."""

    slot = serializers.CharField(max_length=20)
    configuration = serializers.DictField(required=False, default=dict)
    seed = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=0, max_value=2**31 - 1)
    parent: Any = serializers.PrimaryKeyRelatedField[Run](
        queryset=Run.objects.all(), required=False, allow_null=True, default=None
    )


class RunSerializer(serializers.ModelSerializer[Run]):
    """One run as a list shows it."""

    versions = serializers.PrimaryKeyRelatedField[PolicyVersion](many=True, read_only=True)

    class Meta:
        model = Run
        fields = (
            "id", "slot", "trigger", "status", "progress", "outcome", "configuration", "seed", "parent", "starts_from",
            "dataset", "dataset_fingerprint", "code_revision", "device", "figures", "versions",
            "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class CurvesSerializer(serializers.Serializer[Any]):
    """A run's curves: name → [step, value] points, thinned for drawing."""

    metrics = serializers.DictField(child=serializers.ListField(child=serializers.ListField(child=serializers.FloatField())))


class RunDetailSerializer(RunSerializer):
    """One run with its curves."""

    metrics = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = (*RunSerializer.Meta.fields, "metrics")
        read_only_fields = fields

    @extend_schema_field(CurvesSerializer().fields["metrics"])
    def get_metrics(self, run: Run) -> dict[str, Any]:
        """Curve name → [step, value] points."""
        return {name: by_run[run.pk] for name, by_run in curves_of([run.pk]).items()}


class VerdictSerializer(serializers.ModelSerializer[Verdict]):
    """What the gate said, with every check."""

    class Meta:
        model = Verdict
        fields = ("id", "outcome", "checks", "champion", "created_at")
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer[PolicyVersion]):
    """Something that can serve."""

    verdict = serializers.SerializerMethodField()

    class Meta:
        model = PolicyVersion
        fields = ("id", "kind", "run", "sha256", "figures", "created_at", "verdict")
        read_only_fields = fields

    @extend_schema_field(VerdictSerializer(allow_null=True))
    def get_verdict(self, version: PolicyVersion) -> dict[str, Any] | None:
        """The newest verdict on it."""
        newest = version.verdicts.first()
        return dict(VerdictSerializer(newest).data) if newest else None


class SlotSerializer(serializers.ModelSerializer[Slot]):
    """Who serves in a slot."""

    champion = VersionSerializer(read_only=True)
    previous = serializers.PrimaryKeyRelatedField[PolicyVersion](read_only=True)
    challenger = VersionSerializer(read_only=True)

    class Meta:
        model = Slot
        fields = ("name", "champion", "previous", "challenger", "canary_share", "changed_at")
        read_only_fields = fields
