"""The sliders of what a piece may have more or less of, on every page that asks for one. Before: steering.py. After: forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from composer.steering import GRADED

TASTE = "taste_strength"
WORDS = {
    TASTE: ("Your taste", "for anyone", "only for me"),
    "density": ("Notes", "few", "many"),
    "leaps": ("Leaps", "steps", "leaps"),
    "syncopation": ("Syncopation", "on the beat", "off the beat"),
    "brightness": ("Register", "low", "high"),
    "closeness": ("Closeness", "far from the known", "close to it"),
}
"""Name of each field, and what its two ends mean."""
_UNMOVED = {TASTE: 1.0}
"""Where a slider stands that nobody has moved; the others in the middle."""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """One slider as a form shows it."""

    name: str
    """Of the control: the field's, after the form's prefix."""
    title: str
    low: str
    high: str
    is_optional: bool
    """A graded wish may be left open; how much the taste counts may not."""
    is_used: bool
    value: str
    because: str
    """Where the value came from; empty where nobody said it."""


def sliders_of(wish: Mapping[str, Any], because: Mapping[str, str] | None = None, *, prefix: str = "") -> list[Slider]:
    """All sliders, at the values of this wish."""
    return [
        Slider(
            name=prefix + field,
            title=title,
            low=low,
            high=high,
            is_optional=field in GRADED,
            is_used=wish.get(field) is not None,
            value=str(_UNMOVED.get(field, 0.5) if wish.get(field) is None else wish[field]),
            because=(because or {}).get(field, ""),
        )
        for field, (title, low, high) in WORDS.items()
    ]


def read_sliders(sent: QueryDict, *, prefix: str = "") -> dict[str, float | str]:
    """What was sent of them, numbers where they are some; Steering checks them."""
    wanted = [name for name in GRADED if sent.get(f"use_{prefix}{name}")] + [TASTE] * bool(sent.get(prefix + TASTE))
    return {name: read_number(sent.get(prefix + name, "")) for name in wanted}


def read_number(text: str) -> float | str:
    """The number, or the text where it is none: the field's check refuses it by name."""
    try:
        return float(text)
    except ValueError:
        return text
