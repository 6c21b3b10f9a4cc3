"""Commissions and pieces as JSON. Before: the API's requests. After: views.py. Translates only: steering.py decides."""

from __future__ import annotations

import io
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.views import APIView

from accounts.fields import Asked, ClientId
from composer.composing import LARGEST_SEED
from composer.models import Commission, Piece
from composer.prompting.prompt import MOST_CHARACTERS
from music.notes import MODES
from recsys.serializers import LARGEST_ID, ListenerField, TrackSerializer

TEXT, LYRICS = MOST_CHARACTERS["text"], MOST_CHARACTERS["lyrics"]


class SteeringSerializer(serializers.Serializer[Any]):
    """What a steering may ask for, for the API's description; `steering.py` checks it."""

    style = serializers.CharField(  # type: ignore[assignment]  # a key of the request, not DRF's attribute
        required=False, help_text="A style of the catalogue."
    )
    tonic = serializers.IntegerField(required=False, help_text="Pitch class 0 … 11, C = 0.")
    mode = serializers.ChoiceField(MODES, required=False)
    chords = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="Of each bar, `Am F C G`, or with bar lines one or two a bar, `Am F | C`; degrees too, `I V7`. They begin "
        "again where they end. A note of its chord begins each bar, and each half of a bar with two.",
    )
    metre = serializers.JSONField(required=False, help_text="`[6, 8]` or `6/8`; a bar lasts 1 … 8 quarter notes.")
    bars = serializers.IntegerField(required=False, help_text="1 … 64.")
    tempo = serializers.FloatField(required=False, help_text="Quarter notes per minute, 30 … 300.")
    lowest = serializers.IntegerField(required=False, help_text="Lowest MIDI pitch; 60 is C4, middle C.")
    highest = serializers.IntegerField(required=False, help_text="Highest MIDI pitch.")
    density = serializers.FloatField(required=False, allow_null=True, help_text="0 few notes … 1 many.")
    leaps = serializers.FloatField(required=False, allow_null=True, help_text="0 steps only … 1 many leaps.")
    syncopation = serializers.FloatField(required=False, allow_null=True, help_text="0 on the beat … 1 off the beat.")
    brightness = serializers.FloatField(required=False, allow_null=True, help_text="0 low … 1 high in the range.")
    closeness = serializers.FloatField(required=False, allow_null=True, help_text="0 far from … 1 close to the catalogue.")
    taste_strength = serializers.FloatField(required=False, help_text="0 for anyone … 1 for this listener only.")
    primer = serializers.JSONField(
        required=False,
        allow_null=True,
        help_text="The piece begins with these notes, `[pitch or null, quarter notes]` each. Lengths are texts such as `3/2` "
        "or numbers, to at least three decimal places.",
    )
    locked_bars = serializers.JSONField(required=False, help_text="Bar number from 1 → the notes that fill this bar.")


class AsSent(serializers.JSONField):
    """A value as it was sent: whatever it is must reach the check that knows its fields, and names the one that is wrong."""

    def to_internal_value(self, data: Any) -> Any:
        """JSON has been read before, but in multipart, where a part holds it as text. An infinite number would be refused here,
        where nobody knows in which field it stands."""
        if not getattr(data, "is_json_string", False):
            return data
        [parser] = APIView.parser_classes
        try:
            return parser().parse(io.BytesIO(data.encode()))
        except ParseError as trouble:
            raise serializers.ValidationError(f"In multipart it must be JSON. {trouble.detail}") from None


@extend_schema_field(SteeringSerializer)
class SteeringField(AsSent):
    """A steering."""


class NewCommissionSerializer(Asked):
    """A wish for a piece."""

    id = ClientId(required=False, help_text="Made by the client: the same id asked twice gives the same piece.")
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=LARGEST_SEED)
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a key of the request, not DRF's attribute
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Track of the piece that this one varies.",
    )
    steering = SteeringField(
        required=False, help_text="Fields of a steering; what is missing follows the style's habits, in a task the melody."
    )
    task = AsSent(
        required=False,
        allow_null=True,
        help_text="What to do with a melody: `kind` (continue, vary, rewrite, accompany, transfer), its fields (`chords` of an "
        "accompaniment are written as in a steering), and the melody: `track` (id), `abc` (text) or `melody` (`notes`, "
        "`metre` …); of several voices `voice` names one; music that names no metre, or several, needs `metre`. "
        "The melody may also be a `file` beside the task.",
    )

    prompt = AsSent(
        required=False,
        allow_null=True,
        help_text="The `prompt` of `/wishes/` that the steering was read from: it is kept with the piece. Of lyrics, "
        "the draft that takes them best is kept and they are set under its notes; no note depends on another prompt. They are "
        "set under the melody of a task too, unless it keeps words of its own.",
    )

    file = serializers.FileField(
        required=False,
        allow_empty_file=True,
        help_text="The melody of the task as MIDI, MusicXML or ABC, up to 1 MiB, in place of `track`, `abc` or `melody`; as "
        "`multipart/form-data`, where `task`, `steering` and `prompt` are JSON.",
    )

    listener = ListenerField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A new piece needs a steering; a task brings its own, and a file needs one."""
        if "file" in attrs and attrs.get("task") is None:
            raise serializers.ValidationError({"task": ["This field is required with a file: it says what to do with it."]})
        if attrs.get("task") is None and "steering" not in attrs:
            raise serializers.ValidationError({"steering": ["This field is required, unless a task is given."]})
        return attrs


class PromptSerializer(Asked):
    """What a steering is to be read from: one of the three."""

    text = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=TEXT,
        help_text="Such as “a slow waltz in D minor”: English, German, Chinese.",
    )
    lyrics = serializers.CharField(
        required=False, trim_whitespace=False, max_length=LYRICS, help_text="A poem, one line of verse a line."
    )
    image = serializers.FileField(required=False, help_text="PNG, JPEG, WebP or GIF, as `multipart/form-data`. It is not kept.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one prompt."""
        if len(attrs) != 1:
            raise serializers.ValidationError({"text": [f"send one of {', '.join(self.fields)}; there are {len(attrs)}"]})
        return attrs


class ReadingSerializer(serializers.Serializer[Any]):
    """What was understood: ready to be looked at, changed, and sent to `/pieces/`."""

    steering = SteeringField(help_text="Every field of a steering.")
    because = serializers.DictField(
        child=serializers.CharField(), help_text="Field → the words, or the property of lyrics or picture, it came from."
    )
    not_understood = serializers.ListField(child=serializers.CharField(), help_text="What was left aside.")
    prompt = serializers.JSONField(help_text="`kind` and `text`, to be sent to `/pieces/` and kept with the piece.")


class CommissionSerializer(serializers.ModelSerializer[Commission]):
    """How far a wish is."""

    piece = serializers.IntegerField(
        source="piece.track_id", read_only=True, default=None, allow_null=True, help_text="Track of the piece, once it is done."
    )

    class Meta:
        model = Commission
        fields = (
            "id", "status", "progress", "error", "piece", "seed", "steering", "task", "prompt", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = tuple(name for name in fields if name != "piece")


class PieceSerializer(Asked, serializers.ModelSerializer[Piece]):
    """A piece, named by its track; its sound, notes and score lie under /tracks/{id}/."""

    id = serializers.IntegerField(source="track_id", read_only=True)
    track = TrackSerializer(read_only=True)
    is_own = serializers.SerializerMethodField(help_text="Composed for the listener who asks.")
    is_shared = serializers.BooleanField(source="track.is_shared", help_text="Others may hear it.")
    parent = serializers.IntegerField(  # type: ignore[assignment]  # a key of the answer, not DRF's attribute
        source="parent.track_id", read_only=True, default=None, allow_null=True, help_text="Track of the piece it varies."
    )
    source = serializers.IntegerField(  # type: ignore[assignment]  # a key of the answer, not DRF's attribute
        source="source_id", read_only=True, default=None, allow_null=True, help_text="Track whose melody it was made from."
    )

    class Meta:
        model = Piece
        fields = ["id", "track", "is_own", "is_shared", "parent", "source", "policy_version", "created_at"]
        read_only_fields = ["policy_version", "created_at"]

    def get_is_own(self, piece: Piece) -> bool:
        """Whether it was composed for the listener who asks."""
        return bool(piece.track.owner_id == self.context["listener"].pk)


class PieceDetailSerializer(PieceSerializer):
    """A piece with its recipe: everything it came from."""

    recipe = serializers.SerializerMethodField(help_text="Null for other people's shared pieces: it holds their taste.")

    class Meta(PieceSerializer.Meta):
        fields = [*PieceSerializer.Meta.fields, "recipe"]

    def get_recipe(self, piece: Piece) -> dict[str, Any] | None:
        """Only for the listener whose taste it holds."""
        recipe: dict[str, Any] = piece.recipe
        return recipe if self.get_is_own(piece) else None
