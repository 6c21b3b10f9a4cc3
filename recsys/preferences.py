"""What listeners declared, kept as versions. Before: pages, REST. After: a request reads the version of its moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import Listener
from recsys.listener_lock import lock_listener
from recsys.models import Preferences, Track

MOST_STYLES = 30
MOST_RECENTLY_HEARD = 1000


class ImpossiblePreference(ValueError):  # noqa: N818 – a refusal, named like the wish
    """A preference outside its bounds: names the field and what it may be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def preferences_as_of(listener: Listener, moment: datetime | None = None) -> Preferences:
    """The version received last before the moment; the first values where nothing was declared."""
    return latest(listener, moment) or Preferences(listener=listener)


def latest(listener: Listener, moment: datetime | None = None) -> Preferences | None:
    """The version received last before the moment; None from a listener who never declared anything."""
    versions = Preferences.objects.filter(listener=listener)
    if moment is not None:
        versions = versions.filter(received_at__lte=moment)
    return versions.order_by("-received_at", "-id").first()


def declare(
    listener: Listener,
    *,
    styles: Sequence[str] | None = None,
    diversity: float | None = None,
    recently_heard: int | None = None,
    is_private_session: bool | None = None,
    received_at: datetime | None = None,
) -> Preferences:
    """Adds a version; what is not given stays as it was."""
    with transaction.atomic():
        now = lock_listener(listener)
        before = preferences_as_of(listener)
        version = Preferences(
            listener=listener,
            styles=list(dict.fromkeys(styles)) if styles is not None else before.styles,
            diversity=before.diversity if diversity is None else diversity,
            recently_heard=before.recently_heard if recently_heard is None else recently_heard,
            is_private_session=before.is_private_session if is_private_session is None else is_private_session,
            received_at=received_at or now,
        )
        _check(version)
        _check_styles(version.styles, kept=before.styles)
        version.save()
    return version


def _check(version: Preferences) -> None:
    if not 0 <= version.diversity <= 1:
        raise ImpossiblePreference("diversity", "it must lie between 0 and 1")
    if not 0 <= version.recently_heard <= MOST_RECENTLY_HEARD:
        raise ImpossiblePreference("recently_heard", f"it must lie between 0 and {MOST_RECENTLY_HEARD}")
    if len(version.styles) > MOST_STYLES:
        raise ImpossiblePreference("styles", f"at most {MOST_STYLES} styles")
    if any(not style or len(style) > 40 for style in version.styles):
        raise ImpossiblePreference("styles", "a style has 1 … 40 characters")


def _check_styles(styles: Sequence[str], *, kept: Sequence[str]) -> None:
    """Refuses a style that the catalogue doesn't have. One that was declared before may have gone with its collection, and
    while there is no music yet, nobody knows which styles there will be."""
    if set(styles) <= set(kept) or not (known := Track.objects.known_styles()):
        return
    for style in styles:
        if style not in known and style not in kept:
            raise ImpossiblePreference("styles", f"there is no style {style!r}; there are {', '.join(sorted(known))}")
