"""Declared tastes and dials, kept as versions. Before: welcome page, settings, REST. After: states and recommending."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.models import Listener
from recsys.feedback import lock_listener
from recsys.models import Preferences


def latest(listener: Listener) -> Preferences | None:
    """The version in force; None before the first visit's choice."""
    return Preferences.objects.filter(listener=listener).order_by("-received_at", "-id").first()


def declare(
    listener: Listener,
    *,
    styles: Sequence[str] | None = None,
    diversity: float | None = None,
    recently_heard: int | None = None,
    is_private_session: bool | None = None,
) -> Preferences:
    """A new version with these changes; what is None stays as it was."""
    with transaction.atomic():
        moment = lock_listener(listener)
        old = latest(listener) or Preferences(listener=listener)
        return Preferences.objects.create(
            listener=listener,
            styles=old.styles if styles is None else list(styles),
            diversity=old.diversity if diversity is None else diversity,
            recently_heard=old.recently_heard if recently_heard is None else recently_heard,
            is_private_session=old.is_private_session if is_private_session is None else is_private_session,
            received_at=moment,
        )
