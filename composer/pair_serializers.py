"""Blind pairs as JSON. Before: the API's requests. After: pair_views.py. Translates only: pairs.py decides."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.fields import Asked, ClientId, Moment, Number, OneOf
from composer.models import BlindPair, Side
from composer.pair_scores import RunningScore
from composer.pairs import LONGEST_HEARD_SECONDS
from recsys.models import Choice
from recsys.serializers import ListenerField


class AnswerSerializer(Asked):
    """What a listener said of a pair."""

    client_id = ClientId(help_text="Made by the client: the same answer sent again changes nothing.")
    answer = OneOf(choices=Choice.Answer.choices, help_text="`first` prefers A, `second` prefers B; a `skip` says nothing.")
    first_heard_seconds = Number(
        required=False, allow_null=True, min_value=0, max_value=LONGEST_HEARD_SECONDS, help_text="How long A was heard."
    )
    second_heard_seconds = Number(
        required=False, allow_null=True, min_value=0, max_value=LONGEST_HEARD_SECONDS, help_text="How long B was heard."
    )
    occurred_at = Moment(required=False, allow_null=True)
    listener = ListenerField()


class SoundSerializer(serializers.Serializer[Any]):
    """Where a side can be heard. The address says nothing about its author."""

    opus = serializers.CharField()
    mp3 = serializers.CharField()


class HiddenSideSerializer(serializers.Serializer[Any]):
    """A side before the answer."""

    sound = SoundSerializer()


class RevealedSideSerializer(serializers.Serializer[Any]):
    """A side after the answer."""

    author = serializers.ChoiceField(choices=BlindPair.Author.choices)
    policy_version = serializers.IntegerField(allow_null=True, help_text="Null for a human tune.")
    track = serializers.IntegerField(allow_null=True, help_text="The tune whose first bars it was.")
    piece = serializers.IntegerField(allow_null=True, help_text="Track of the piece, where it was kept.")


class SidesSerializer(serializers.Serializer[Any]):
    """Both sides."""

    a = HiddenSideSerializer()
    b = HiddenSideSerializer()


class RevealedSerializer(serializers.Serializer[Any]):
    """Who made which."""

    a = RevealedSideSerializer()
    b = RevealedSideSerializer()


class PairSerializer(serializers.ModelSerializer[BlindPair]):
    """A pair; its authors only once it is answered."""

    sides = serializers.SerializerMethodField(help_text="Null until the pair is ready.")
    answer = serializers.CharField(source="choice.answer", read_only=True, default=None, allow_null=True)
    authors = serializers.SerializerMethodField(help_text="Null until the pair is answered.")

    class Meta:
        model = BlindPair
        fields = ("id", "status", "error", "sides", "answer", "authors")
        read_only_fields = ("id", "status", "error")

    @extend_schema_field(SidesSerializer(allow_null=True))
    def get_sides(self, pair: BlindPair) -> dict[str, Any] | None:
        """Addresses of the sound, with the integrator's listener where the call spoke for one."""
        if pair.status != BlindPair.Status.READY:
            return None
        external_id = self.context["listener"].external_id
        whose = f"?{urlencode({'listener': external_id})}" if external_id else ""
        sound = {place: f"/api/v1/pairs/{pair.pk}/{place}/audio" for place in Side.PLACES}
        return {
            place: {"sound": {"opus": f"{start}.opus{whose}", "mp3": f"{start}.mp3{whose}"}} for place, start in sound.items()
        }

    @extend_schema_field(RevealedSerializer(allow_null=True))
    def get_authors(self, pair: BlindPair) -> dict[str, Any] | None:
        """Nobody knows them before the answer."""
        if pair.choice_id is None:
            return None
        authors = (pair.first_author, pair.second_author)
        return {
            Side.PLACES[side.place]: {
                "author": authors[side.place],
                "policy_version": side.policy_version_id,
                "track": side.track_id,
                "piece": side.piece.track_id if side.piece else None,
            }
            for side in pair.sides.select_related("piece")
        }


class RunningScoreSerializer(serializers.Serializer[RunningScore]):
    """How one author fared against another; a share with a 95 % interval."""

    author = serializers.CharField()
    rival = serializers.CharField()
    wins = serializers.FloatField(help_text="Answers that preferred the author; no difference is half a win.")
    ties = serializers.IntegerField()
    answers = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    is_enough = serializers.BooleanField(help_text="Whether there are enough answers to speak of a score.")


class RunningScoresSerializer(serializers.Serializer[Any]):
    """One's own scores."""

    scores = RunningScoreSerializer(many=True)


class KeptSerializer(serializers.Serializer[Any]):
    """The piece that a side became."""

    piece = serializers.IntegerField(help_text="Its track.")
