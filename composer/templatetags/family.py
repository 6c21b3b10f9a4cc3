"""`{% family track as branches %}`: what a track came from and what came of it. Before: families.py. After: track page."""

from __future__ import annotations

from typing import Any

from django import template

from composer.families import Branch, family_of
from recsys.models import Track
from recsys.pages import listener_of

register = template.Library()


@register.simple_tag(takes_context=True)
def family(context: dict[str, Any], track: Track) -> list[Branch]:
    """The branches that the reader may see; none where the track stands alone."""
    return family_of(track, listener_of(context["request"]))
