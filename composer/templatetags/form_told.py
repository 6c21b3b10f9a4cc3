"""`{{ form|form_told }}`: which bars of a piece come back, in words. Before: a piece's recipe. After: its page."""

from __future__ import annotations

from django import template

from composer.forms import in_words

register = template.Library()


@register.filter
def form_told(form: str) -> str:
    """Empty where every bar is new, and of pieces of before."""
    return in_words(form or "")
