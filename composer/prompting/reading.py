"""What was understood of a prompt. Before: words.py, lyrics.py, picture.py. After: asking.py, the compose page."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from composer.steering import ImpossibleSteering, Steering

MOST_NAMED = 30
"""Of what was not understood, so much is named."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A prompt as a steering. The prompt itself steers nothing: what isn't in the steering isn't heard."""

    steering: Steering
    because: Mapping[str, str]
    """Field of the steering → the words, or the property of lyrics or picture, that it came from."""
    not_understood: tuple[str, ...] = ()
    """What was left aside, in the order in which it stands there."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for the API."""
        return {
            "steering": self.steering.to_json(),
            "because": dict(self.because),
            "not_understood": list(self.not_understood),
        }


def reading_of(
    fields: Mapping[str, Any], because: Mapping[str, str], not_understood: Collection[str], styles: Collection[str]
) -> Reading:
    """A reading from the understood fields; ImpossibleSteering where together they ask for what no piece can be.

    A style is always one of the catalogue's, where it has any."""
    asked = {"style": default_style(styles), **fields}
    named = tuple(dict.fromkeys(not_understood))
    more = len(named) - MOST_NAMED
    return Reading(
        steering=Steering.from_json(asked),
        because=because,
        not_understood=(*named[:MOST_NAMED], f"… and {more} more") if more > 0 else named,
    )


def default_style(styles: Collection[str]) -> str:
    """The style where none was asked for: the usual one, if the catalogue has it."""
    if not styles or Steering.style in styles:
        return Steering.style
    return "song" if "song" in styles else min(styles)


def check_text(field: str, text: object, most: int, example: str) -> str:
    """The text without what can't be seen; ImpossibleSteering where it is none, empty or too long."""
    if not isinstance(text, str):
        raise ImpossibleSteering(field, f"must be a text of 1 … {most} characters")
    plain = unicodedata.normalize("NFKC", text) if len(text) <= most else text
    if len(plain) > most:
        raise ImpossibleSteering(field, f"must be a text of 1 … {most} characters; it has {len(plain)}")
    seen = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in plain)
    if not seen.strip():
        raise ImpossibleSteering(field, f"must be a text of 1 … {most} characters, such as {example}; it is empty")
    return seen
