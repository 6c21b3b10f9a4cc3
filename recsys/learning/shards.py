"""The log of closed days as immutable files. Before: feedback, recommendations. After: log.py reads them, not the database.

One file per day (UTC, by reception), table and share of the listeners: JSON lines under gzip, written by COPY."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from accounts.models import Listener
from dqn.checkpoint import write_whole

logger = logging.getLogger(__name__)

FOLDER = "replay_shards"
SHARES = 8
"""Listeners by their number: erasing one rewrites an eighth of their days."""
LEFTOVER_SECONDS = 3600.0
"""A file beside its place that is older was left by a killed writer."""
COMPRESSION = 1


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is copied of one table."""

    name: str
    moment: str
    """The column by which rows belong to a day."""
    columns: tuple[str, ...]
    state: str
    """SQL over the rows of a shard: differs as soon as a row came, went, or lost what it referred to."""
    where: str = "TRUE"


FEEDBACK = Table(
    name="feedback",
    moment="received_at",
    columns=(
        *("listener_id", "id", "track_id", "kind", "value", "track_position_seconds"),
        *("occurred_at", "received_at", "recommendation_id", "position"),
    ),
    state="concat_ws(' ', count(*), sum(id), count(recommendation_id), sum(recommendation_id))",
)
SLATES = Table(
    name="recommendation",
    moment="created_at",
    columns=(
        *("listener_id", "id", "created_at", "(dials->>'diversity')::float8 AS diversity", "candidates", "tracks"),
        *("probabilities", "epsilon", "policy_version_id"),
    ),
    state="concat_ws(' ', count(*), sum(id))",
    where="""NOT dials @> '{"is_private_session": true}'""",
)


class BrokenShard(ValueError):  # noqa: N818 – names what it is
    """The file is not what was written."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows of one table, day and share of the listeners, as they stand in the database now."""

    table: Table
    day: date
    share: int
    state: str
    first_id: int
    last_id: int

    @property
    def stem(self) -> str:
        """The beginning of the file's name; the rest is the hash of its content."""
        state = hashlib.sha256(self.state.encode()).hexdigest()[:12]
        return f"{self.table.name}-{self.share}.{state}."

    def file(self) -> Path | None:
        """Where it lies; None where it has to be written."""
        return next(iter(sorted(day_folder(self.day).glob(f"{self.stem}*.jsonl.gz"))), None)

    def write(self) -> Path:
        """Copies it out of the database."""
        content = _copied(self)
        file = day_folder(self.day) / f"{self.stem}{hashlib.sha256(content).hexdigest()[:16]}.jsonl.gz"
        write_whole(file, content)
        return file

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its rows in the order of listener and time; a damaged file is written anew."""
        try:
            packed = _packed(self.file() or self.write())
        except (BrokenShard, OSError) as error:
            logger.warning("a replay shard is written anew: %s", error)
            for file in day_folder(self.day).glob(f"{self.stem}*"):
                file.unlink(missing_ok=True)
            packed = _packed(self.write())
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as lines:
            for line in lines:
                yield json.loads(line)


def closed_days(as_of: datetime) -> datetime:
    """Midnight (UTC) before the moment: what was received earlier lies in shards, the rest is read from the database."""
    return datetime.combine(as_of.astimezone(UTC).date(), clock(), tzinfo=UTC)


def bring_up_to_date(as_of: datetime) -> dict[str, list[Shard]]:
    """The shards of all closed days by table, oldest first. Writes those that are missing, removes those that are outdated.

    A row that was received later belongs to a later day: a new day touches no old file. Only what was erased does.
    """
    end = closed_days(as_of)
    found = {table.name: _listed(table, end) for table in (FEEDBACK, SLATES)}
    kept = {shard.file() or shard.write() for shards in found.values() for shard in shards}
    _remove_others(kept, end.date())
    return found


def forget(listener: Listener) -> None:
    """Removes every shard that holds rows of a listener who is being erased; the next training writes them without."""
    for table in (FEEDBACK, SLATES):
        days_of = f"SELECT DISTINCT ({table.moment} AT TIME ZONE 'UTC')::date FROM recsys_{table.name} WHERE listener_id = %s"  # noqa: S608 – constants
        with connection.cursor() as cursor:
            cursor.execute(days_of, [listener.pk])
            days = [day for (day,) in cursor.fetchall()]
        for day in days:
            for file in day_folder(day).glob(f"{table.name}-{listener.pk % SHARES}.*"):
                file.unlink(missing_ok=True)


def folder() -> Path:
    """Of this installation's kind of listeners: real and simulated ones never meet."""
    kind = "simulated" if settings.ENCORE_SIMULATED else "people"
    return Path(settings.ENCORE_VAR) / FOLDER / kind


def day_folder(day: date) -> Path:
    """Where the shards of a day lie."""
    return folder() / day.isoformat()


_OF_OUR_LISTENERS = "listener_id IN (SELECT id FROM accounts_listener WHERE is_simulated = %s)"


def _listed(table: Table, end: datetime) -> list[Shard]:
    """What the database holds, by aggregates alone: no row leaves it."""
    sql = f"""
        SELECT ({table.moment} AT TIME ZONE 'UTC')::date AS day, listener_id %% {SHARES} AS share,
               {table.state}, min(id), max(id)
        FROM recsys_{table.name} WHERE {table.moment} < %s AND {table.where} AND {_OF_OUR_LISTENERS}
        GROUP BY day, share ORDER BY day, share"""  # noqa: S608 – constants
    with connection.cursor() as cursor:
        cursor.execute(sql, [end, settings.ENCORE_SIMULATED])
        return [
            Shard(table=table, day=day, share=share, state=state, first_id=first_id, last_id=last_id)
            for day, share, state, first_id, last_id in cursor.fetchall()
        ]


def _copied(shard: Shard) -> bytes:
    """JSON lines, packed. Numbers and times of PostgreSQL's JSON are exact, nothing in these columns needs COPY's escapes.

    Packed as they come: a day may hold a whole history that was brought in, a tenth as large when packed."""
    table, begin = shard.table, datetime.combine(shard.day, clock(), tzinfo=UTC)
    sql = f"""
        COPY (SELECT row_to_json(each) FROM (
            SELECT {", ".join(table.columns)} FROM recsys_{table.name}
            WHERE id BETWEEN %s AND %s AND {table.moment} >= %s AND {table.moment} < %s
              AND listener_id %% {SHARES} = %s AND {table.where} AND {_OF_OUR_LISTENERS}
            ORDER BY listener_id, {table.moment}, id) AS each) TO STDOUT"""  # noqa: S608 – constants
    day = [begin, begin + timedelta(days=1)]
    arguments = [shard.first_id, shard.last_id, *day, shard.share, settings.ENCORE_SIMULATED]
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=COMPRESSION, mtime=0) as lines,
        connection.cursor() as cursor,
        cursor.copy(sql, arguments) as copy,
    ):
        for line in copy:
            lines.write(line)
    return packed.getvalue()


def _packed(file: Path) -> bytes:
    packed = file.read_bytes()
    if file.name.split(".")[-3] != hashlib.sha256(packed).hexdigest()[:16]:
        raise BrokenShard(f"{file} is damaged")
    return packed


def _remove_others(kept: set[Path], end: date) -> None:
    """What the database no longer says: days of erased listeners, and what a killed writer left."""
    for file in folder().glob("*/*"):
        if file.name.startswith("."):
            if time.time() - file.stat().st_mtime > LEFTOVER_SECONDS:
                file.unlink(missing_ok=True)
        elif file not in kept and file.parent.name < end.isoformat():
            file.unlink(missing_ok=True)
