"""What a listener's rows say as of a moment: likes, bans, stars. Before: feedback.py. After: lists, taste, slates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Listener
from recsys.feedback import history
from recsys.models import Feedback

Kind = Feedback.Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Current:
    """What a listener's rows say as of a moment: of rows that take each other back, the last one counts."""

    liked: frozenset[int]
    disliked: frozenset[int]
    banned: frozenset[int]
    ratings: Mapping[int, float]
    """Stars by track."""


def current(listener: Listener, moment: datetime | None = None, *, tracks: Collection[int] | None = None) -> Current:
    """Liked, disliked, banned tracks and ratings, of these tracks or all, from the rows received until the moment. One query.

    Liking takes a dislike back and disliking takes a like back. Of each track's rows of a kind only the last one leaves the
    database: the others can't count.
    """
    rows = Feedback.objects.filter(listener=listener, kind__in=OPINION_KINDS)
    if moment is not None:
        rows = rows.filter(received_at__lte=moment)
    if tracks is not None:
        rows = rows.filter(track_id__in=tracks)
    last = rows.order_by("track_id", "kind", "-occurred_at", "-id").distinct("track_id", "kind")
    in_time = sorted(last.values_list("occurred_at", "id", "track_id", "kind", "value"))
    return standing_of((track_id, kind, value) for _, _, track_id, kind, value in in_time)


def rows_that_stand(listener: Listener, kind: str) -> QuerySet[Feedback]:
    """The rows of an opinion (`like`, `dislike`, `rate`, `ban`) that no later row of their track takes back, newest first.

    Read from the newest on, each row with a look at its track's later ones: some of them are found without reading all.
    """
    return history(listener).filter(~Exists(later_rows_about(kind)), kind=kind)


def later_rows_about(kind: str) -> QuerySet[Feedback]:
    """Of a row of this kind, inside a query: the rows after it that take it back."""
    of_the_track = Feedback.objects.filter(listener=OuterRef("listener"), track=OuterRef("track"), kind__in=kinds_about(kind))
    return of_the_track.filter(
        Q(occurred_at__gt=OuterRef("occurred_at")) | Q(occurred_at=OuterRef("occurred_at"), id__gt=OuterRef("id"))
    )


def kinds_about(kind: str) -> list[str]:
    """The kinds of rows after which an opinion of this kind counts no more."""
    return [each for each, families in _FAMILIES.items() if kind in families]


def standing_of(rows: Iterable[tuple[int, str, float | None]]) -> Current:
    """What rows of (track, kind, value) say, oldest first; plays and skips say nothing here."""
    last = {}
    for track_id, kind, value in rows:
        for family in _FAMILIES.get(kind, ()):
            last[family, track_id] = (kind, value)
    standing = {name: frozenset(t for (f, t), (k, _) in last.items() if f == name and k == name) for name in _STANDING}
    ratings = {t: float(v) for (f, t), (k, v) in last.items() if f == Kind.RATE and k == Kind.RATE and v is not None}
    return Current(liked=standing[Kind.LIKE], disliked=standing[Kind.DISLIKE], banned=standing[Kind.BAN], ratings=ratings)


_STANDING = (Kind.LIKE, Kind.DISLIKE, Kind.BAN)
_FAMILIES: Mapping[str, Sequence[str]] = {
    Kind.LIKE: (Kind.LIKE, Kind.DISLIKE),
    Kind.UNLIKE: (Kind.LIKE,),
    Kind.DISLIKE: (Kind.DISLIKE, Kind.LIKE),
    Kind.UNDISLIKE: (Kind.DISLIKE,),
    Kind.BAN: (Kind.BAN,),
    Kind.UNBAN: (Kind.BAN,),
    Kind.RATE: (Kind.RATE,),
    Kind.UNRATE: (Kind.RATE,),
}
"""Which standings a row speaks about."""
OPINION_KINDS = tuple(_FAMILIES)
"""Of rows that say what is thought of a track, or take it back."""
