"""Commissions and pieces as JSON. Before: the API's requests. After: views.py. Translates only: steering.py decides."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from composer.composing import LARGEST_SEED
from composer.models import Commission, Piece
from composer.steering import ImpossibleSteering, Steering


class SteeringField(serializers.Field[Steering, Any, Any, Any]):
    """A steering as an object; refusals name the field and the bound."""

    def to_internal_value(self, data: Any) -> Steering:
        """Checks the wish."""
        try:
            return Steering.from_json(data)
        except ImpossibleSteering as refusal:
            raise serializers.ValidationError({refusal.field: [refusal.message]}) from None

    def to_representation(self, value: Any) -> Any:
        """As it was asked."""
        return value.to_json() if isinstance(value, Steering) else value


class NewCommissionSerializer(serializers.Serializer[Any]):
    """A wish for a piece."""

    id = serializers.UUIDField(required=False, help_text="Made by the client: the same id asked twice gives the same piece.")
    seed = serializers.IntegerField(required=False, min_value=0, max_value=LARGEST_SEED)
    parent = serializers.IntegerField(required=False, allow_null=True, help_text="Track of the piece that this one varies.")
    steering = SteeringField(help_text="Fields of a steering; what is missing follows the style's habits.")


class CommissionSerializer(serializers.ModelSerializer[Commission]):
    """How far a wish is."""

    piece = serializers.SerializerMethodField(help_text="Track of the piece, once it is done.")
    parent = serializers.SerializerMethodField()

    class Meta:
        model = Commission
        fields = ("id", "status", "progress", "error", "piece", "parent", "seed", "steering", "created_at", "finished_at")
        read_only_fields = fields

    def get_piece(self, commission: Commission) -> int | None:
        """A piece is named by its track everywhere."""
        return commission.piece.track_id if commission.piece else None

    def get_parent(self, commission: Commission) -> int | None:
        """The track of the piece it varies."""
        return commission.parent.track_id if commission.parent else None


class PieceSerializer(serializers.ModelSerializer[Piece]):
    """A piece, named by its track; its sound, notes and score lie under /tracks/{id}/."""

    id = serializers.IntegerField(source="track_id", read_only=True)
    title = serializers.CharField(source="track.title", read_only=True)
    style = serializers.CharField(source="track.style", read_only=True)
    tonic = serializers.IntegerField(source="track.tonic", read_only=True)
    mode = serializers.CharField(source="track.mode", read_only=True)
    metre = serializers.CharField(source="track.metre", read_only=True)
    tempo = serializers.FloatField(source="track.tempo", read_only=True)
    bars = serializers.IntegerField(source="track.bars", read_only=True)
    duration_seconds = serializers.FloatField(source="track.duration_seconds", read_only=True)
    is_own = serializers.SerializerMethodField()
    is_shared = serializers.BooleanField(source="track.is_shared")
    parent = serializers.SerializerMethodField()

    class Meta:
        model = Piece
        fields = (
            "id",
            "title",
            "style",
            "tonic",
            "mode",
            "metre",
            "tempo",
            "bars",
            "duration_seconds",
            "is_own",
            "is_shared",
            "parent",
            "policy_version",
            "created_at",
        )
        read_only_fields = ("policy_version", "created_at")

    def get_is_own(self, piece: Piece) -> bool:
        """Whether it was composed for the listener who asks."""
        return bool(piece.track.owner_id == self.context["listener"].pk)

    def get_parent(self, piece: Piece) -> int | None:
        """The track of the piece it varies."""
        return piece.parent.track_id if piece.parent else None


class PieceDetailSerializer(PieceSerializer):
    """A piece with its recipe: everything it came from."""

    recipe = serializers.SerializerMethodField(help_text="None for other people's shared pieces: it holds their taste.")

    class Meta(PieceSerializer.Meta):
        fields = (*PieceSerializer.Meta.fields, "recipe")

    def get_recipe(self, piece: Piece) -> dict[str, Any] | None:
        """Only for the listener whose taste it holds."""
        recipe: dict[str, Any] = piece.recipe
        return recipe if self.get_is_own(piece) else None
