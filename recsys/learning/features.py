"""What the recommender sees: a listener's last rows, clock and declared styles. Before: the log. After: policy, replay dataset.

Letters: N states, L rows of a state, S signals of a row, C numbers of the clock, T tracks, D features φ."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Count, Max, Q
from numpy.typing import NDArray

from accounts.models import Listener
from recsys.feedback import FeedbackRow
from recsys.learning.windows import KIND_INDEX, WINDOW, RowColumns, encode_windows, in_open_session
from recsys.models import Feedback, Track
from recsys.preferences import preferences_as_of
from recsys.rewards import RewardWeights

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class ListenerState:
    """What is known about a listener at one moment; rows are oldest first."""

    listener_id: int
    moment: datetime
    rows: tuple[FeedbackRow, ...]
    hour: float
    weekday: float
    """0 = Monday, with the hour as a fraction, in the listener's time zone."""
    styles: tuple[str, ...] = ()
    """Declared tastes as of the moment."""
    earlier: tuple[FeedbackRow, ...] = ()
    """Rows before `rows`, of which the state would be made had some of those never been; only reasons look at them."""
    is_counted: bool = True
    """Whether the rows are among everybody's: not those of people between simulated listeners, nor those of a rehearsal."""

    @cached_property
    def columns(self) -> RowColumns:
        """`rows` as arrays: made once, however often the state is encoded."""
        return RowColumns.of(self.rows[-WINDOW:])

    @cached_property
    def session_position(self) -> int:
        """Tracks played in the session that is still open (within the remembered rows)."""
        began_NL, occurred_NL = self.columns.began_R[None, :-1], self.columns.occurred_R[None, :-1]
        is_play_NL = self.columns.kind_R[None, :-1] == KIND_INDEX["play"]
        moment_N = np.array([self.moment.timestamp()])
        inside_NL = in_open_session(began_NL, occurred_NL, np.ones_like(is_play_NL), moment_N)
        return int((inside_NL & is_play_NL).sum())


@dataclass(frozen=True, kw_only=True)
class TrackTable:
    """Every track as arrays, in the order of its id."""

    ids_T: NDArray[np.int64]
    features_TD: NDArray[np.float32]
    """φ as stored; `Scaling` standardises it."""
    style_T: NDArray[np.int64]
    """Index into `styles`; the last index + 1 where the style is unknown to `styles`."""
    styles: tuple[str, ...]
    artist_T: NDArray[np.int64]
    """Equal numbers, equal artists; −1 where none is named."""
    duration_seconds_T: NDArray[np.float64]
    recommendable_T: NDArray[np.bool_]
    style_names: tuple[str, ...] = field(default=(), repr=False)
    """Style of each track as text."""

    def __len__(self) -> int:
        return len(self.ids_T)

    @cached_property
    def closed_rows(self) -> NDArray[np.int64]:
        """Rows of the tracks that may not be recommended."""
        return np.flatnonzero(~self.recommendable_T)

    def rows_of(self, track_ids: Iterable[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each track id, −1 where the table has no such track."""
        wanted = np.asarray(track_ids if isinstance(track_ids, np.ndarray) else list(track_ids), dtype=np.int64)
        if not len(self.ids_T):
            return np.full(wanted.shape, -1, dtype=np.int64)
        found = np.minimum(np.searchsorted(self.ids_T, wanted), len(self.ids_T) - 1)
        return np.where(self.ids_T[found] == wanted, found, -1)

    def indexed_by(self, styles: Sequence[str]) -> TrackTable:
        """The same tracks with the style numbers of a checkpoint; a style it does not know gets the number after its last."""
        if tuple(styles) == self.styles:
            return self
        number = {style: index for index, style in enumerate(styles)}
        style_T = np.array([number.get(name, len(styles)) for name in self.style_names], dtype=np.int64)
        return replace(self, styles=tuple(styles), style_T=style_T)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> TrackTable:
        """From (id, features, style, artist, duration_seconds, recommendable)."""
        listed = sorted(rows, key=lambda row: row[0])
        names = tuple(str(row[2]) for row in listed)
        styles = tuple(sorted(set(names)))
        number = {style: index for index, style in enumerate(styles)}
        artists = {artist: index for index, artist in enumerate(sorted({row[3] for row in listed} - {""}))}
        width = max((len(row[1]) for row in listed), default=0)
        features = np.zeros((len(listed), width), dtype=np.float32)
        for at, row in enumerate(listed):
            features[at, : len(row[1])] = row[1]
        return cls(
            ids_T=np.array([row[0] for row in listed], dtype=np.int64),
            features_TD=np.nan_to_num(features),
            style_T=np.array([number[name] for name in names], dtype=np.int64),
            styles=styles,
            artist_T=np.array([artists.get(row[3], -1) for row in listed], dtype=np.int64),
            duration_seconds_T=np.array([row[4] for row in listed], dtype=np.float64),
            recommendable_T=np.array([row[5] for row in listed], dtype=np.bool_),
            style_names=names,
        )

    @classmethod
    def load(cls) -> TrackTable:
        """From the database."""
        rows = Track.objects.values_list(
            "id", "features", "style", "artist", "duration_seconds", "owner_id", "is_shared", "is_approved"
        )
        return cls.from_rows(
            (row[0], row[1], row[2], row[3], row[4], row[5] is None or (row[6] and row[7])) for row in rows.iterator(2000)
        )


_kept: tuple[tuple[Any, ...], float, TrackTable] | None = None
_recount_every_seconds = 5.0
_held: ContextVar[TrackTable | None] = ContextVar("held track table", default=None)


@contextmanager
def one_track_table() -> Iterator[None]:
    """Inside, `track_table` stays what it is: all steps of a request see the same tracks, and the database is asked once."""
    token = _held.set(track_table())
    try:
        yield
    finally:
        _held.reset(token)


def track_table() -> TrackTable:
    """The process's table: read again when a track was added; deletions and approvals are looked for every few seconds."""
    global _kept
    held = _held.get()
    if held is not None:
        return held
    newest = Track.objects.aggregate(newest=Max("id"))["newest"]
    if _kept is not None and _kept[0][0] == newest and time.monotonic() - _kept[1] < _recount_every_seconds:
        return _kept[2]
    counts = Track.objects.aggregate(
        all=Count("id"), open=Count("id", filter=Q(owner__isnull=True) | Q(is_shared=True, is_approved=True))
    )
    signature = (newest, counts["all"], counts["open"])
    table = _kept[2] if _kept is not None and _kept[0] == signature else TrackTable.load()
    _kept = (signature, time.monotonic(), table)
    return table


def local_clock(moment: datetime, zone: zoneinfo.ZoneInfo) -> tuple[float, float]:
    """(hour 0 … 24, weekday 0 … 7) where the listener is."""
    local = moment.astimezone(zone)
    hour = local.hour + local.minute / 60.0
    return hour, local.weekday() + hour / 24.0


def build_state(listener: Listener, moment: datetime, *, styles: Sequence[str] | None = None) -> ListenerState:
    """The state as of a moment: only rows received until then. `styles` were declared by then, where they are at hand."""
    newest_first = Feedback.objects.filter(listener=listener, received_at__lte=moment).order_by("-received_at", "-id")
    fields = FeedbackRow.__slots__
    rows = [
        FeedbackRow(**dict(zip(fields, row, strict=True))) for row in reversed(newest_first.values_list(*fields)[: 2 * WINDOW])
    ]
    styles = preferences_as_of(listener, moment).styles if styles is None else styles
    state = state_of_rows(listener.pk, moment, rows, zone=listener.time_zone, styles=tuple(styles))
    return replace(state, is_counted=listener.is_simulated == settings.ENCORE_SIMULATED)


def state_of_rows(
    listener_id: int, moment: datetime, rows: Sequence[FeedbackRow], *, zone: zoneinfo.ZoneInfo, styles: tuple[str, ...] = ()
) -> ListenerState:
    """The state made of rows that are already at hand (oldest first)."""
    rows, earlier = tuple(rows[-WINDOW:]), tuple(rows[-2 * WINDOW : -WINDOW])
    hour, weekday = local_clock(moment, zone)
    return ListenerState(
        listener_id=listener_id, moment=moment, rows=rows, earlier=earlier, hour=hour, weekday=weekday, styles=styles
    )


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What a checkpoint keeps of the tracks it was trained on: mean and spread of φ, and its styles."""

    mean_D: NDArray[np.float32]
    spread_D: NDArray[np.float32]
    styles: tuple[str, ...]

    @classmethod
    def of(cls, table: TrackTable) -> Scaling:
        """The statistics of these tracks; a feature that never changes has spread 1."""
        spread = table.features_TD.std(axis=0)
        return cls(mean_D=table.features_TD.mean(axis=0), spread_D=np.where(spread > 1e-6, spread, 1.0), styles=table.styles)

    def content(self, table: TrackTable, rows_T: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """x_TX: φ in standard deviations within ±4, then the style as one of many (last: a style unknown at training).

        Of the whole table, or of some of its rows, where −1 stands for a track that is gone: an average one.
        """
        table = table.indexed_by(self.styles)
        rows_T = np.arange(len(table)) if rows_T is None else rows_T
        width = len(self.mean_D)
        features = np.broadcast_to(self.mean_D, (len(rows_T), width)).copy()
        shared = min(width, table.features_TD.shape[1])
        features[:, :shared] = table.features_TD[rows_T, :shared]
        scaled = np.clip((features - self.mean_D) / self.spread_D, -4.0, 4.0)
        scaled[rows_T < 0] = 0.0
        styles = np.eye(len(self.styles) + 1, dtype=np.float32)[np.where(rows_T < 0, len(self.styles), table.style_T[rows_T])]
        return np.concatenate([scaled, styles], axis=1).astype(np.float32)


def declared_shares(styles: Sequence[str], known: Sequence[str]) -> NDArray[np.float32]:
    """Equal shares of the declared styles over the known ones and a last place for unknown styles; zeros without any."""
    shares = np.zeros(len(known) + 1, dtype=np.float32)
    for style in styles:
        shares[known.index(style) if style in known else -1] += 1.0 / len(styles)
    return shares


def encode_state(state: ListenerState, table: TrackTable, weights: RewardWeights) -> Arrays:
    """One state as arrays: row_track_L (row of the table), row_open_L, row_signal_LS, clock_C, declared_S."""
    count = len(state.columns.kind_R) - 1
    at_NL = np.full((1, WINDOW), count)
    at_NL[0, WINDOW - count :] = np.arange(count)
    arrays = encode_rows(state, state.columns, table, at_NL, weights)
    return {name: array[0] for name, array in arrays.items()}


def encode_without(state: ListenerState, table: TrackTable, gone: Sequence[Collection[int]], weights: RewardWeights) -> Arrays:
    """As `encode_state`, with a leading dimension: the state as it were, had each of these sets of tracks left no row."""
    rows = (*state.earlier, *state.rows)
    return encode_rows(state, RowColumns.of(rows), table, places_without(rows, gone), weights)


def places_without(rows: Sequence[FeedbackRow], gone: Sequence[Collection[int]]) -> NDArray[np.int64]:
    """at_NL: of each state which of the rows it remembers, had each of these sets of tracks left none; `len(rows)`: no row."""
    kept = [[at for at, row in enumerate(rows) if row.track_id not in tracks][-WINDOW:] for tracks in gone]
    return np.array([[len(rows)] * (WINDOW - len(each)) + each for each in kept], dtype=np.int64).reshape(-1, WINDOW)


def encode_rows(
    state: ListenerState, columns: RowColumns, table: TrackTable, at_NL: NDArray[np.int64], weights: RewardWeights
) -> Arrays:
    """The state from these of the rows, once for each N listed choice; filled up with “no row” at their old end."""
    row_R = table.rows_of(columns.track_R)
    open_NL = (row_R >= 0)[at_NL]
    row_R = np.maximum(row_R, 0)
    duration_R = table.duration_seconds_T[row_R] if len(table) else np.ones(len(row_R))
    moment_N = np.full(len(at_NL), state.moment.timestamp())
    local_N2 = np.array([(state.hour, state.weekday)] * len(at_NL)).reshape(-1, 2)
    signals, clock = encode_windows(columns, columns.signals(duration_R, weights), at_NL, open_NL, moment_N, local_N2)
    return {
        "row_track_L": row_R[at_NL],
        "row_open_L": open_NL,
        "row_signal_LS": signals,
        "clock_C": clock,
        "declared_S": np.repeat(declared_shares(state.styles, table.styles)[None], len(at_NL), axis=0),
    }


def moment_of(seconds: float) -> datetime:
    """The moment of a Unix time."""
    return datetime.fromtimestamp(seconds, tz=UTC)
