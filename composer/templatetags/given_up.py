"""`{{ recipe|given_up }}`: which rules a piece had to break, in words. Before: a piece's recipe. After: its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()
WORDS = {
    "key": "the key, or the tonic at an end, for a strong note of the melody or a chord",
    "repetition": "how often one note may come in a row, or a copy of what stood before",
    "anchors": "a strong note of the melody, or a note of a chord on the half bar",
    "grid": "the usual lengths, to fill a bar behind given notes",
}
"""Of `constraints.RELAXED`; an accompaniment has sentences of its own."""


@register.filter
def given_up(recipe: Mapping[str, Any]) -> list[str]:
    """One line each; empty where every rule held."""
    relaxed = recipe.get("figures", {}).get("relaxed") or {}
    if not isinstance(relaxed, Mapping):
        return list(relaxed)
    return [f"{WORDS.get(rule, rule)} ({times} ×)" for rule, times in relaxed.items() if times]
