"""Tracks, feedback, slates, preferences as JSON: translated, nothing decided. Before: models, feedback.py. After: views/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.fields import Asked, ClientId, Moment, Number, OneOf
from music.keys import NAMES
from recsys.browsing import FACETS, LONGEST_SEARCH, SORTS
from recsys.feedback import MOST_ROWS_A_CALL, NewFeedback, Outcome
from recsys.models import Feedback, Preferences, Recommendation, Track
from recsys.preferences import MOST_RECENTLY_HEARD, MOST_STYLES
from recsys.recommending import MOST_TRACKS

LARGEST_ID = 2**63 - 1
OUTCOMES = ("stored", "duplicate", "refused", "private")
SURFACES = ("home", "radio", "browse", "api")


class ListenerField(serializers.CharField):
    """External id of an integrator's listener; operators only, made on first use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            required=False,
            max_length=200,
            help_text="External id of the listener this call speaks for; needs the role operator. Made on first use.",
            **options,
        )


class WhoseSerializer(Asked):
    """Whom a call speaks for."""

    listener = ListenerField()


class TrackSerializer(serializers.ModelSerializer[Track]):
    """A track without its notes; sound and notation have addresses of their own under it."""

    key = serializers.SerializerMethodField(help_text="Tonic and mode, for example “D major”.")
    is_piece = serializers.SerializerMethodField(help_text="Composed here instead of coming from the catalogue.")

    class Meta:
        model = Track
        fields = [
            "id",
            "title",
            "artist",
            "style",
            "collection",
            "source",
            "licence",
            "key",
            "tonic",
            "mode",
            "metre",
            "tempo",
            "bars",
            "duration_seconds",
            "note_count",
            "is_piece",
            "is_shared",
            "created_at",
        ]
        read_only_fields = fields

    def get_key(self, track: Track) -> str:
        """For people."""
        return f"{NAMES[track.tonic]} {track.mode}"

    def get_is_piece(self, track: Track) -> bool:
        """Pieces have an owner."""
        return track.owner_id is not None


class TrackPageSerializer(serializers.Serializer[Any]):
    """One page of tracks."""

    tracks = TrackSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="Give it as `cursor` for the next page; null at the end.")


class TrackQuerySerializer(serializers.Serializer[Any]):
    """What a list of tracks can be asked for."""

    q = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_SEARCH, help_text="Words of title or artist."
    )
    style = serializers.CharField(required=False, max_length=40)  # type: ignore[assignment]  # a key, not DRF's attribute
    collection = serializers.CharField(required=False, max_length=60)
    metre = serializers.CharField(required=False, max_length=8, help_text="As written, for example 6/8.")
    mode = serializers.CharField(required=False, max_length=12)
    mine = serializers.BooleanField(required=False, help_text="Only one's own pieces.")
    sort = OneOf(choices=list(SORTS), default="title")
    cursor = serializers.CharField(required=False, max_length=2000)
    limit = serializers.IntegerField(default=50, min_value=1, max_value=200)

    @property
    def facets(self) -> dict[str, str]:
        """The filters that were given."""
        return {name: self.validated_data[name] for name in FACETS if self.validated_data.get(name)}


class FeedbackRowSerializer(Asked):
    """One signal. Bounds that need the log (unknown track, foreign recommendation …) are checked when it is stored."""

    client_id = ClientId(help_text="Made by the client; sent again, the row is a duplicate.")
    track = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    recommendation = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=LARGEST_ID)
    position = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=MOST_TRACKS - 1, help_text="Place in the slate, from 0."
    )
    kind = OneOf(choices=Feedback.Kind.choices)
    value = Number(required=False, allow_null=True, help_text="Seconds really heard for a play, 1 … 5 for a rating.")
    track_position_seconds = Number(required=False, allow_null=True)
    occurred_at = Moment()

    def to_row(self) -> NewFeedback:
        """The checked values as feedback.py takes them."""
        given = self.validated_data
        return NewFeedback(
            client_id=given["client_id"],
            track_id=given["track"],
            kind=given["kind"],
            occurred_at=given["occurred_at"],
            value=given.get("value"),
            track_position_seconds=given.get("track_position_seconds"),
            recommendation_id=given.get("recommendation"),
            position=given.get("position"),
        )


class FeedbackBatchSerializer(Asked):
    """Signals that are sent together. Each row is judged alone, so a malformed one stops no other."""

    feedback = serializers.ListField(child=serializers.DictField(), max_length=MOST_ROWS_A_CALL)
    listener = ListenerField()


class FeedbackBatchSchema(serializers.Serializer[Any]):
    """`FeedbackBatchSerializer` as the API's description shows it."""

    feedback = FeedbackRowSerializer(many=True)
    listener = ListenerField()


class RefusalSerializer(serializers.Serializer[Any]):
    """Why a row was refused."""

    field = serializers.CharField()
    message = serializers.CharField()


class OutcomeSerializer(serializers.Serializer[Any]):
    """What became of one row."""

    client_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=OUTCOMES)
    error = RefusalSerializer(required=False)


class OutcomesSerializer(serializers.Serializer[Any]):
    """One outcome per row, in the order of the rows."""

    results = OutcomeSerializer(many=True)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome of a row that could be read."""
    plain: dict[str, Any] = {"client_id": str(outcome.client_id), "status": outcome.status}
    if outcome.refusal is not None:
        plain["error"] = {"field": outcome.refusal.field, "message": outcome.refusal.message}
    return plain


def unreadable_json(row: Mapping[str, Any], errors: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The outcome of a row with a value of a wrong kind: the first field that is wrong."""
    field, messages = next(iter(errors.items()))
    client_id = row.get("client_id")
    return {
        "client_id": client_id if isinstance(client_id, str) else None,
        "status": "refused",
        "error": {"field": field, "message": str(messages[0])},
    }


class HistoryRowSerializer(serializers.ModelSerializer[Feedback]):
    """One stored signal."""

    title = serializers.CharField(source="track.title", read_only=True)

    class Meta:
        model = Feedback
        fields = [
            "id",
            "client_id",
            "track",
            "title",
            "recommendation",
            "position",
            "kind",
            "value",
            "track_position_seconds",
            "occurred_at",
            "received_at",
        ]
        read_only_fields = fields


class HistoryPageSerializer(serializers.Serializer[Any]):
    """One page of history, newest first."""

    feedback = HistoryRowSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class HistoryQuerySerializer(serializers.Serializer[Any]):
    """What a history can be asked for."""

    kind = OneOf(choices=Feedback.Kind.choices, required=False)
    track = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    cursor = serializers.CharField(required=False, max_length=200)
    limit = serializers.IntegerField(default=100, min_value=1, max_value=500)
    listener = ListenerField()


class BestWishSerializer(Asked):
    """Which tracks are asked for, and for whom."""

    count = serializers.IntegerField(default=10, min_value=1, max_value=MOST_TRACKS)
    styles = serializers.ListField(
        child=serializers.CharField(max_length=40),
        required=False,
        default=list,
        max_length=MOST_STYLES,
        help_text="Only these.",
    )
    listener = ListenerField()


class WishSerializer(BestWishSerializer):
    """What a recommendation is asked for."""

    surface = OneOf(choices=SURFACES, default="api", help_text="Where it will be shown; `radio` asks for 1.")


class ReasonSerializer(serializers.Serializer[Any]):
    """One cause of a score."""

    kind = serializers.CharField(
        help_text="`heard`, `heard_style`, `heard_lately`, `declared`, `hour`, `weekday`, `session`, `history`, `popular`, "
        "`chance`; five are told one by one, others of a kind together, as `other_heard`, `other_declared`, `other_moment`. "
        "The last is the `residual`, the worth of the listener's state: the same for all candidates."
    )
    text = serializers.CharField(allow_blank=True, help_text="Empty where the cause is too small to be named.")
    contribution = serializers.FloatField(help_text="Those of one track sum to its score.")
    track = serializers.IntegerField(allow_null=True)
    tracks = serializers.ListField(
        child=serializers.IntegerField(), default=list, help_text="All heard tracks of the cause, where it is more than one."
    )
    style = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # a key, not DRF's attribute


@extend_schema_field(ReasonSerializer(many=True))
class ReasonsField(serializers.Field[Any, Any, Any, Any]):
    """Reasons as they were logged, without what is empty. The first ones have no `residual`, those after them one that takes
    the causes beyond five, too."""

    def to_representation(self, value: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Field by field they took longer than the draw."""
        return [{"track": None, "tracks": [], "style": None, **reason} for reason in value]


class BestPickSerializer(serializers.Serializer[Any]):
    """One position of the best slate."""

    position = serializers.IntegerField()
    track = TrackSerializer()
    score = serializers.FloatField()
    reasons = ReasonsField(read_only=True)


class BestSlateSerializer(serializers.Serializer[Any]):
    """What would be recommended without exploration."""

    policy_version = serializers.IntegerField()
    word = serializers.CharField(allow_blank=True, help_text="Why the slate is empty; absent words are an empty text.")
    tracks = BestPickSerializer(many=True)


class PickSerializer(BestPickSerializer):
    """One position of a slate."""

    probability = serializers.FloatField(help_text="Exact probability of this pick given the picks before it.")


PICKS = PickSerializer(many=True)
"""Made once: its fields take a millisecond to set up."""


class RecommendationSerializer(serializers.ModelSerializer[Recommendation]):
    """One slate. Needs the tracks by id in its context, so that no position asks the database."""

    policy_version = serializers.IntegerField(source="policy_version_id", read_only=True)
    word = serializers.SerializerMethodField(help_text="Why the slate is empty; absent words are an empty text.")
    tracks = serializers.SerializerMethodField()

    class Meta:
        model = Recommendation
        fields = ["id", "created_at", "policy_version", "is_canary", "epsilon", "word", "tracks"]
        read_only_fields = fields

    def get_word(self, recommendation: Recommendation) -> str:
        """For people."""
        return str(recommendation.context.get("word", ""))

    @extend_schema_field(PickSerializer(many=True))
    def get_tracks(self, recommendation: Recommendation) -> Any:
        """The slate in order; a track that was deleted since leaves a gap in the positions."""
        tracks: Mapping[int, Track] = self.context["tracks"]
        columns = zip(
            recommendation.tracks, recommendation.scores, recommendation.probabilities, recommendation.reasons, strict=True
        )
        picks = [
            {"position": at, "track": tracks[pk], "score": score, "probability": probability, "reasons": reasons}
            for at, (pk, score, probability, reasons) in enumerate(columns)
            if pk in tracks
        ]
        return PICKS.to_representation(picks)


class PreferencesSerializer(Asked, serializers.ModelSerializer[Preferences]):
    """Declared tastes and dials."""

    styles = serializers.ListField(child=serializers.CharField(max_length=40), max_length=MOST_STYLES, required=False)
    diversity = Number(min_value=0, max_value=1, required=False)
    recently_heard = serializers.IntegerField(min_value=0, max_value=MOST_RECENTLY_HEARD, required=False)

    class Meta:
        model = Preferences
        fields = ["styles", "diversity", "recently_heard", "is_private_session"]
