"""Takes in a history that was kept elsewhere. Before: history_lines.py reads a line. After: feedback.py stores it once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Lower

from accounts.models import Listener
from recsys.feedback import LONGEST_PLAY_SECONDS, MOST_ROWS_A_CALL, NewFeedback, Refusal, record
from recsys.history_lines import BrokenLine, Line, NamedTrack, read_line
from recsys.models import Track

MOST_LINES = 50_000
"""Of one file; a longer history comes in several."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OLDEST_HISTORY = timedelta(days=50 * 365)


class TooManyLines(ValueError):  # noqa: N818 – named for what it is
    """A file longer than MOST_LINES; nothing of it was stored."""


@dataclass(frozen=True, kw_only=True)
class LineOutcome:
    """What became of one line."""

    row: int
    """From 1, as editors count; empty lines count."""
    status: str
    """As `recsys.feedback.Outcome`: `stored`, `duplicate`, `refused` or `private`."""
    refusal: Refusal | None = None


def take_in(listener: Listener, content: bytes) -> list[LineOutcome]:
    """Stores every line that names a track of this installation. A refused line stops no other; a second time adds nothing."""
    texts = content.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    lines = [(row, text) for row, text in enumerate(texts, start=1) if text.strip()]
    if len(lines) > MOST_LINES:
        raise TooManyLines(f"a file may have at most {MOST_LINES:,} lines and this one has {len(lines):,}: send it in parts")
    parts = (lines[first : first + MOST_ROWS_A_CALL] for first in range(0, len(lines), MOST_ROWS_A_CALL))
    return [outcome for part in parts for outcome in _take_in_some(listener, part)]


def _take_in_some(listener: Listener, lines: Sequence[tuple[int, bytes]]) -> list[LineOutcome]:
    refusals: dict[int, Refusal] = {}
    read: dict[int, Line] = {}
    for row, text in lines:
        try:
            read[row] = read_line(text)
        except BrokenLine as broken:
            refusals[row] = broken.refusal
    found = Tracks.for_names(listener, [line.track for line in read.values()])
    rows: dict[int, NewFeedback] = {}
    for row, line in read.items():
        track = found.find(line.track)
        if isinstance(track, Refusal):
            refusals[row] = track
        else:
            rows[row] = _feedback(line, track)
    stored = dict(zip(rows, record(listener, list(rows.values()), oldest=OLDEST_HISTORY), strict=True))
    return [
        LineOutcome(row=row, status="refused", refusal=refusals[row])
        if row in refusals
        else LineOutcome(row=row, status=stored[row].status, refusal=stored[row].refusal)
        for row, _ in lines
    ]


def _feedback(line: Line, track: Track) -> NewFeedback:
    """The signal, about this installation's track. A listen that doesn't say how much was heard stands for the whole track."""
    value = line.value
    if line.started_at is not None:
        value = min(track.duration_seconds if value is None else value, LONGEST_PLAY_SECONDS)
        occurred_at = line.started_at + timedelta(seconds=max(value, 0.0))
    else:
        assert line.occurred_at is not None
        occurred_at = line.occurred_at
    return NewFeedback(
        client_id=line.client_id,
        track_id=track.pk,
        kind=line.kind,
        occurred_at=occurred_at,
        value=value,
        track_position_seconds=line.track_position_seconds,
    )


class Tracks:
    """The tracks that some names may mean, read by one query."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.by_hash: dict[str, list[Track]] = defaultdict(list)
        self.by_source: dict[tuple[str, str], list[Track]] = defaultdict(list)
        self.by_title: dict[str, list[Track]] = defaultdict(list)
        for track in tracks:
            self.by_hash[track.content_hash].append(track)
            self.by_source[track.collection, track.source].append(track)
            self.by_title[track.title.lower()].append(track)

    @classmethod
    def for_names(cls, listener: Listener, names: Sequence[NamedTrack]) -> Tracks:
        """Those that the listener may hear."""
        titles, hashes = {name.title.lower() for name in names}, {name.content_hash for name in names} - {""}
        sources = {name.source for name in names} - {""}
        tracks = Track.objects.visible_to(listener).annotate(lower_title=Lower("title"))
        wanted = Q(lower_title__in=titles) | Q(content_hash__in=hashes) | Q(source__in=sources)
        return cls(tracks.filter(wanted).defer("features", "score").order_by("id"))

    def find(self, name: NamedTrack) -> Track | Refusal:
        """The same notes; else the same place in the same collection; else the title, if it names one track only."""
        same = self.by_hash.get(name.content_hash) or (name.source and self.by_source.get((name.collection, name.source)))
        if same:
            return same[0]
        called = self.by_title.get(name.title.lower(), [])
        # A tune without an artist is anybody's; one with an artist is that artist's only.
        fitting = [track for track in called if not track.artist or not name.artist or _is_same(track.artist, name.artist)]
        fitting = _narrow(fitting, [track for track in fitting if name.artist and _is_same(track.artist, name.artist)])
        fitting = _narrow(fitting, [track for track in fitting if track.collection == name.collection])
        if len(fitting) == 1:
            return fitting[0]
        by = f" by “{name.artist}”" if name.artist else ""
        if not fitting:
            return Refusal(field=name.field, message=f"there is no track “{name.title}”{by} here")
        return Refusal(field=name.field, message=f"{len(fitting)} tracks here are called “{name.title}”: it must name one")


def _narrow(tracks: list[Track], better: list[Track]) -> list[Track]:
    return better or tracks


def _is_same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
