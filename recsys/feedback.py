"""Raw signals, stored once and read back as of a moment. Before: pages, REST, simulation. After: rewards.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, models, transaction

from accounts.models import Listener
from recsys.listener_lock import lock_listener
from recsys.models import Feedback, Recommendation, Track
from recsys.preferences import preferences_as_of

SESSION_GAP = timedelta(minutes=30)
"""A longer silence ends a session."""
LONGEST_PLAY_SECONDS = 86_400.0
"""Nobody hears one track for more than a day."""
OLDEST_FEEDBACK = timedelta(days=90)
"""How long a client may keep feedback before it sends it."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a client's clock may run ahead."""
MOST_ROWS_A_CALL = 1000

Kind = Feedback.Kind
KINDS = tuple(Kind.values)
"""Once: the enumeration makes its list anew each time it is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewFeedback:
    """One signal as a client sends it."""

    client_id: UUID
    track_id: int
    kind: str
    occurred_at: datetime
    value: float | None = None
    """Seconds really heard for a play, 1 … 5 stars for a rating, nothing for the other kinds."""
    track_position_seconds: float | None = None
    recommendation_id: int | None = None
    position: int | None = None
    """Place in the slate, from 0; found by the track where it is left out."""

    def as_row(self, id: int, received_at: datetime) -> FeedbackRow:
        """What learning reads once it is stored; for simulations that store nothing."""
        sent = asdict(self)
        del sent["client_id"]
        return FeedbackRow(id=id, received_at=received_at, **sent)


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackRow:
    """One stored signal, as learning and pages read it."""

    id: int
    track_id: int
    kind: str
    value: float | None
    track_position_seconds: float | None
    occurred_at: datetime
    received_at: datetime
    recommendation_id: int | None
    position: int | None

    @property
    def started_at(self) -> datetime:
        """When it began: a play is sent at its end, so it began `value` seconds earlier."""
        heard = timedelta(seconds=self.value or 0) if self.kind == Kind.PLAY else timedelta()
        return self.occurred_at - heard


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a row was not stored: the field and what it may be."""

    field: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one row."""

    client_id: UUID
    status: str
    """`stored`, `duplicate`, `refused`, or `private`: heard in a private session, so it is not kept."""
    refusal: Refusal | None = None


def record(
    listener: Listener,
    rows: Sequence[NewFeedback],
    *,
    received_at: datetime | None = None,
    oldest: timedelta = OLDEST_FEEDBACK,
) -> list[Outcome]:
    """Stores what can be stored; one refused row stops no other, and a row sent again is a `duplicate`.

    An id that was used for another signal is refused: to call it a duplicate would lose this one.

    In a private session what was heard leaves no row; what a listener says (likes, dislikes, ratings, bans) always counts.

    `received_at` is given by simulations, which have a clock of their own.
    """
    with transaction.atomic():
        now = lock_listener(listener)
        moment = received_at or now
        refusals = _refusals(listener, rows, moment, oldest)
        unkept = {Kind.PLAY, Kind.SKIP} if preferences_as_of(listener).is_private_session else set()
        accepted = [row for row, refusal in zip(rows, refusals, strict=True) if refusal is None and row.kind not in unkept]
        stored = _insert(listener, _with_positions(accepted), moment)
        known = _known(listener, accepted) if len(stored) < len(accepted) else {}
    outcomes = []
    for row, refusal in zip(rows, refusals, strict=True):
        if refusal is None and row.kind not in unkept and row.client_id not in stored:
            refusal = _refusal_of_id(row, known)
        kept = "private" if row.kind in unkept else "stored" if row.client_id in stored else "duplicate"
        status = "refused" if refusal else kept
        stored.discard(row.client_id)
        outcomes.append(Outcome(client_id=row.client_id, status=status, refusal=refusal))
    return outcomes


def _refusals(listener: Listener, rows: Sequence[NewFeedback], moment: datetime, oldest: timedelta) -> list[Refusal | None]:
    visible = set(Track.objects.visible_to(listener).filter(pk__in={row.track_id for row in rows}).values_list("pk", flat=True))
    slates = _slates(listener, {row.recommendation_id for row in rows if row.recommendation_id is not None})
    return [
        _refusal_of_value(row)
        or refusal_of_time(row.occurred_at, moment, oldest)
        or _refusal_of_reference(row, visible, slates)
        for row in rows
    ]


def _refusal_of_value(row: NewFeedback) -> Refusal | None:
    value, position = row.value, row.track_position_seconds
    if row.kind not in KINDS:
        return Refusal(field="kind", message=f"{row.kind!r} is no kind of feedback; it must be one of {', '.join(KINDS)}")
    if row.kind == Kind.PLAY and (value is None or not 0 <= value <= LONGEST_PLAY_SECONDS):
        return Refusal(field="value", message=f"a play needs the seconds heard, 0 … {LONGEST_PLAY_SECONDS:g}")
    if row.kind == Kind.RATE and (value is None or not math.isfinite(value) or value not in {1, 2, 3, 4, 5}):
        return Refusal(field="value", message="a rating needs 1, 2, 3, 4 or 5 stars")
    if row.kind not in {Kind.PLAY, Kind.RATE} and value is not None:
        return Refusal(field="value", message=f"only a play and a rating have a value; leave it out for {row.kind}")
    if position is not None and not 0 <= position <= LONGEST_PLAY_SECONDS:
        return Refusal(field="track_position_seconds", message=f"it must lie between 0 and {LONGEST_PLAY_SECONDS:g}")
    return None


def refusal_of_time(occurred_at: datetime, moment: datetime, oldest: timedelta = OLDEST_FEEDBACK) -> Refusal | None:
    """Why what is received at this moment can't have occurred then."""
    if occurred_at.tzinfo is None:
        return Refusal(field="occurred_at", message="the time needs its zone, for example 2026-11-23T08:00:00Z")
    if occurred_at > moment + CLOCK_TOLERANCE:
        minutes = CLOCK_TOLERANCE.total_seconds() / 60
        return Refusal(
            field="occurred_at", message=f"it lies in the future, more than {minutes:g} minutes ahead of this server"
        )
    if occurred_at < moment - oldest:
        return Refusal(field="occurred_at", message=f"it is older than {oldest.days} days")
    return None


def _refusal_of_reference(row: NewFeedback, visible: set[int], slates: Mapping[int, Sequence[int]]) -> Refusal | None:
    if row.track_id not in visible:
        return Refusal(field="track", message=f"there is no track {row.track_id}")
    if row.recommendation_id is None:
        if row.position is not None:
            return Refusal(field="position", message="a position needs the recommendation it belongs to")
        return None
    slate = slates.get(row.recommendation_id)
    if slate is None:
        return Refusal(field="recommendation", message=f"this listener has no recommendation {row.recommendation_id}")
    if row.track_id not in slate:
        return Refusal(field="track", message=f"track {row.track_id} is not in recommendation {row.recommendation_id}")
    if row.position is not None and not 0 <= row.position < len(slate):
        return Refusal(field="position", message=f"the slate has positions 0 … {len(slate) - 1}")
    if row.position is not None and slate[row.position] != row.track_id:
        return Refusal(field="position", message=f"track {row.track_id} is at position {list(slate).index(row.track_id)}")
    return None


def _known(listener: Listener, rows: Sequence[NewFeedback]) -> dict[UUID, tuple[int, str, float | None]]:
    """What the ids of these rows stand for: track, kind and value."""
    stored = Feedback.objects.filter(listener=listener, client_id__in=[row.client_id for row in rows])
    return {
        client_id: (track_id, kind, value)
        for client_id, track_id, kind, value in stored.values_list("client_id", "track_id", "kind", "value")
    }


def _refusal_of_id(row: NewFeedback, known: Mapping[UUID, tuple[int, str, float | None]]) -> Refusal | None:
    track_id, kind, value = known[row.client_id]
    # Seconds of a play may come back rounded, from a file that another player keeps.
    if (track_id, kind) == (row.track_id, row.kind) and (kind != Kind.RATE or value == row.value):
        return None
    return Refusal(field="client_id", message="it was used for another signal: each needs an id of its own")


def _slates(listener: Listener, ids: set[int]) -> dict[int, list[int]]:
    if not ids:
        return {}
    return dict(Recommendation.objects.filter(listener=listener, pk__in=ids).values_list("pk", "tracks"))


def _with_positions(rows: Sequence[NewFeedback]) -> list[tuple[NewFeedback, int | None]]:
    """Each row with its place in the slate, looked up where the client left it out."""
    missing = {row.recommendation_id for row in rows if row.recommendation_id is not None and row.position is None}
    slates = dict(Recommendation.objects.filter(pk__in=missing).values_list("pk", "tracks")) if missing else {}
    return [
        (row, slates[row.recommendation_id].index(row.track_id) if row.recommendation_id in slates else row.position)
        for row in rows
    ]


_INSERT = """
INSERT INTO recsys_feedback (listener_id, received_at, client_id, track_id, recommendation_id, position, kind, value,
                             track_position_seconds, occurred_at)
SELECT %s, %s, new.* FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::smallint[], %s::text[], %s::float8[],
                                 %s::float8[], %s::timestamptz[]) AS new
ON CONFLICT (listener_id, client_id) DO NOTHING
RETURNING client_id
"""


def _insert(listener: Listener, rows: Sequence[tuple[NewFeedback, int | None]], moment: datetime) -> set[UUID]:
    """One statement for all rows. A concurrent retry of the same rows meets the unique constraint and adds nothing."""
    if not rows:
        return set()
    columns = zip(
        *(
            (
                row.client_id,
                row.track_id,
                row.recommendation_id,
                position,
                str(row.kind),
                _as_float(row.value),
                _as_float(row.track_position_seconds),
                row.occurred_at,
            )
            for row, position in rows
        ),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [listener.pk, moment, *(list(column) for column in columns)])
        return {client_id for (client_id,) in cursor.fetchall()}


def _as_float(number: float | None) -> float | None:
    """A whole number is a float to Python's types, and not to PostgreSQL's arrays."""
    return None if number is None else float(number)


def history(listener: Listener) -> models.QuerySet[Feedback]:
    """The listener's rows with their tracks, newest first."""
    return Feedback.objects.filter(listener=listener).select_related("track").order_by("-occurred_at", "-id")


def rows_of(
    listener_id: int, moment: datetime | None = None, *, since: datetime | None = None, last: int | None = None
) -> list[FeedbackRow]:
    """The rows received until the moment, oldest first; only those received from `since` on, only the `last` so many."""
    rows = Feedback.objects.filter(listener_id=listener_id)
    if moment is not None:
        rows = rows.filter(received_at__lte=moment)
    if since is not None:
        rows = rows.filter(received_at__gte=since)
    newest_first = rows.order_by("-occurred_at", "-id").values_list(*FeedbackRow.__slots__)[:last]
    return [FeedbackRow(**dict(zip(FeedbackRow.__slots__, values, strict=True))) for values in reversed(newest_first)]


def split_into_sessions(rows: Iterable[FeedbackRow]) -> list[list[FeedbackRow]]:
    """One listener's rows, oldest first, cut where nothing happened for longer than SESSION_GAP."""
    sessions: list[list[FeedbackRow]] = []
    for row in rows:
        if sessions and row.started_at - sessions[-1][-1].occurred_at <= SESSION_GAP:
            sessions[-1].append(row)
        else:
            sessions.append([row])
    return sessions


def sessions(listener: Listener, moment: datetime | None = None) -> list[list[FeedbackRow]]:
    """The listener's sessions from the rows received until the moment, oldest first."""
    return split_into_sessions(rows_of(listener.pk, moment))
