"""Figures of training in words. Before: dashboard.py. After: templates/admin/training."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from training.dashboard import duration_of
from training.models import Run

register = template.Library()


@register.filter
def duration(run: Run) -> str:
    """How long a run took or has been going: `3 min 12 s`."""
    passed = duration_of(run)
    return "–" if passed is None else seconds_in_words(passed.total_seconds())


def seconds_in_words(seconds: float) -> str:
    """`42 s`, `3 min 12 s`, `2 h 5 min`."""
    whole = int(max(0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def figure(value: Any) -> str:
    """A number with four significant digits; anything else as it is."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(figure(one) for one in value)
    return str(value)


@register.filter
def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{share:.0%}"


@register.filter
def spaced(name: str) -> str:
    """`reward_per_session` as words."""
    return str(name).replace("_", " ").replace(".", " · ")


@register.filter
def wall_clock(moment: datetime) -> str:
    """A moment as the clocks of its own zone show it: `Tue 24 Nov 2026, 03:00 CET`."""
    return moment.strftime("%a %-d %b %Y, %H:%M %Z")
