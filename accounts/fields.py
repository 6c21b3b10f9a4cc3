"""Fields of requests that say what they take. Before: an app's serializers. After: the answer 400 with field and bound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.datastructures import MultiValueDict
from rest_framework import serializers


class Asked(serializers.Serializer[Any]):
    """What a call takes in its body. A name that it does not take is refused: passed over in silence, a misspelt one would do
    something else than was asked."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuses unknown names, then reads the others."""
        known = names_of(self)
        if isinstance(data, Mapping) and (unknown := [name for name in data if name not in known]):
            there_are = f"there are {', '.join(known)}" if known else "there are none"
            raise serializers.ValidationError({str(unknown[0])[:40]: [f"is no field of this call; {there_are}"]})
        # In multipart a part may come twice, and the last one would count.
        sent = data.lists() if isinstance(data, MultiValueDict) else ()
        for name, values in sent:
            if len(values) > 1 and not isinstance(self.fields[name], serializers.ListField):
                raise serializers.ValidationError({name: ["is sent more than once"]})
        return super().to_internal_value(data)


def names_of(asked: serializers.Serializer[Any]) -> tuple[str, ...]:
    """What may be sent, by name."""
    return tuple(name for name, field in asked.fields.items() if not field.read_only)


class OneOf(serializers.ChoiceField):
    """A word out of a list, which a refusal names; what was sent instead is not repeated, long as it may be."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        self.error_messages["invalid_choice"] = "It must be one of " + ", ".join(str(choice) for choice in self.choices) + "."


class Number(serializers.FloatField):
    """A number; `true` is none, though Python would count it as 1."""

    def to_internal_value(self, data: Any) -> float:
        """Refuses true and false."""
        if isinstance(data, bool):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class ClientId(serializers.UUIDField):
    """A UUID that a client made, as text: numbers would be taken as UUIDs, and `true` for the same one each time."""

    def to_internal_value(self, data: Any) -> UUID:
        """Refuses what is no text."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        found: UUID = super().to_internal_value(data)
        return found


class Moment(serializers.DateTimeField):
    """A time with its zone: without one it would be taken as this server's."""

    default_error_messages = {"no_zone": "The time needs its zone, for example 2026-11-23T08:00:00Z."}

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuses a time that any zone could be meant by."""
        if value.tzinfo is None:
            self.fail("no_zone")
        moment: datetime = super().enforce_timezone(value)
        return moment
