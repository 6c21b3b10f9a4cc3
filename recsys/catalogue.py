"""Fills the catalogue from the corpus or a folder. Before: corpus.py, tunes.py. After: everything that plays or learns."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from music.notes import Score
from recsys import corpus, tunes
from recsys.models import CatalogueImport, Track

logger = logging.getLogger(__name__)

FIRST_TUNES = "first tunes"
"""Name of the import that fills an empty installation's first pages."""
PROCESSES = 2
TUNES_A_BATCH = 12
LONGEST_STYLE = 40
MOST_FAILURES_LISTED = 1000
LOG_EVERY_TUNES = 500
FILE_SUFFIXES = frozenset({".abc", ".mid", ".midi", ".xml", ".musicxml", ".mxl"})

Reader = Callable[[list[corpus.Tune]], list[tunes.Read]]
ShouldStop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the catalogue is, over all its imports."""

    done: int
    total: int
    is_running: bool

    @property
    def share(self) -> float:
        """0 … 1."""
        return self.done / self.total if self.total else 0.0


def progress() -> Progress:
    """Over the collections; shown in the page while music arrives. One query."""
    rows = list(CatalogueImport.objects.exclude(collection=FIRST_TUNES).filter(collection__in=corpus.BY_NAME))
    return Progress(
        done=sum(row.done for row in rows),
        total=sum(row.total for row in rows),
        is_running=any(row.finished_at is None for row in rows),
    )


def chosen_collections(names: Sequence[str] = ()) -> tuple[corpus.Collection, ...]:
    """The named collections, else those of the setting ENCORE_COLLECTIONS, else all."""
    return corpus.chosen(list(names) or list(getattr(settings, "ENCORE_COLLECTIONS", ())))


def licence_notice(names: Sequence[str] = ()) -> str:
    """What an operator must know before the catalogue is used; empty where every chosen collection is free of it."""
    closed = [collection.title for collection in chosen_collections(names) if collection.is_non_commercial]
    if not closed:
        return ""
    return (
        f"Most starter tunes ({', '.join(closed)}) are for non-commercial distribution and use only. "
        f"Leave them out with ENCORE_COLLECTIONS={','.join(c.name for c in corpus.COLLECTIONS if not c.is_non_commercial)}; "
        "the licence stands on every track."
    )


def import_first(count: int = 300) -> CatalogueImport | None:
    """A varied beginning of all chosen collections, fast; None where the catalogue has music already."""
    if Track.objects.filter(owner__isnull=True).exists():
        return None
    by_collection = {collection.name: list(corpus.tunes_of(collection)) for collection in chosen_collections()}
    chosen = corpus.mixture(by_collection, count)
    record = CatalogueImport.objects.create(collection=FIRST_TUNES, total=len(chosen))
    with _pool(niceness=0) as pool:
        return _import(record, chosen, pool, tunes.read_tunes)


def import_collections(
    names: Sequence[str] = (), *, limit: int | None = None, should_stop: ShouldStop = lambda: False
) -> list[CatalogueImport]:
    """Everything that is not yet there. Stopped or killed, the next call goes on; a finished collection costs nothing."""
    plan = [(_open_record(collection.name), collection) for collection in chosen_collections(names)]
    for record, collection in plan:
        if record.total == 0 or record.finished_at is None:
            record.total = sum(1 for _ in corpus.tunes_of(collection))
            record.save(update_fields=["total"])
    unfinished = [(record, collection) for record, collection in plan if record.finished_at is None]
    remaining = limit
    if unfinished and (limit is None or limit > 0):
        with _pool(niceness=10) as pool:
            for record, collection in unfinished:
                missing = _missing(record, list(corpus.tunes_of(collection)))[:remaining]
                _import(record, missing, pool, tunes.read_tunes, should_stop)
                remaining = None if remaining is None else remaining - len(missing)
                if should_stop() or remaining == 0:
                    break
    return [record for record, _ in plan]


def import_folder(
    folder: Path, *, collection: str = "", licence: str = "", style: str = "", limit: int | None = None
) -> CatalogueImport:
    """One's own MIDI, ABC and MusicXML files, each read in a child process with limits; one bad file stops nothing.

    With a style all of them are of it: the next prior learns it like those of the starter collections."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    name = collection or folder.resolve().name
    if name in corpus.BY_NAME:
        raise ValueError(f"{name} is the name of a starter collection: give the folder another one with --name")
    if len(style) > LONGEST_STYLE:
        raise ValueError(f"style may have at most {LONGEST_STYLE} characters and has {len(style)}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FILE_SUFFIXES and path.is_file())[:limit]
    record = CatalogueImport.objects.create(collection=name[:300], total=len(paths))
    known = set(Track.objects.filter(collection=name[:60]).values_list("source", flat=True))
    for path in paths:
        found = tunes.read_file(path, folder=folder, collection=name, licence=licence, style=style.strip().lower())
        reads = [read for read in found if read.source not in known]
        _store(record, reads, files_done=1)
    return _finish(record)


def track_of(score: Score, **fields: Any) -> Track:
    """An unsaved track of these notes: what follows from the notes is measured, the rest (style, collection …) is given."""
    return Track(**({"title": score.title[:200] or "Untitled"} | tunes.measure(score) | fields))


def _open_record(name: str) -> CatalogueImport:
    record = CatalogueImport.objects.filter(collection=name).order_by("-id").first()
    return record or CatalogueImport.objects.create(collection=name)


def _missing(record: CatalogueImport, listed: list[corpus.Tune]) -> list[corpus.Tune]:
    """The tunes that have no track yet. Duplicates leave no trace but a number, so they are read again: there are few."""
    known = set(Track.objects.filter(collection=record.collection).values_list("source", flat=True))
    failed = {failure["file"] for failure in record.failures}
    missing = [tune for tune in listed if tune.source not in known and tune.source not in failed]
    record.done, record.added, record.duplicates = len(listed) - len(missing), len(known), 0
    record.save(update_fields=["done", "added", "duplicates"])
    return missing


def _import(
    record: CatalogueImport,
    listed: list[corpus.Tune],
    pool: ProcessPoolExecutor,
    reader: Reader,
    should_stop: ShouldStop = lambda: False,
) -> CatalogueImport:
    for reads in _read(listed, pool, reader, should_stop):
        before = record.done
        _store(record, reads, files_done=len(reads))
        if before // LOG_EVERY_TUNES != record.done // LOG_EVERY_TUNES:
            logger.info("catalogue: %s: %d of %d tunes", record.collection, record.done, record.total)
    return _finish(record) if record.done >= record.total else record


def _read(
    listed: list[corpus.Tune], pool: ProcessPoolExecutor, reader: Reader, should_stop: ShouldStop
) -> Iterator[list[tunes.Read]]:
    """Batches in their order: the same tunes get the same ids. Few are under way, so that a stop is quick and memory small."""
    batches = iter([listed[start : start + TUNES_A_BATCH] for start in range(0, len(listed), TUNES_A_BATCH)])
    under_way: deque[Future[list[tunes.Read]]] = deque()
    while not should_stop():
        for batch in batches:
            under_way.append(pool.submit(reader, batch))
            if len(under_way) >= 3 * PROCESSES:
                break
        if not under_way:
            return
        yield under_way.popleft().result()


def _store(record: CatalogueImport, reads: Sequence[tunes.Read], *, files_done: int) -> None:
    """One batch in one transaction: killed in between, the rows and the count still agree."""
    fresh: dict[str, dict[str, Any]] = {}
    failures = [{"file": read.source, "error": read.error} for read in reads if read.fields is None]
    for read in reads:
        if read.fields is not None:
            fresh.setdefault(read.fields["content_hash"], read.fields)
    with transaction.atomic():
        known = set(Track.objects.filter(owner__isnull=True, content_hash__in=fresh).values_list("content_hash", flat=True))
        new = [Track(**fields) for content_hash, fields in fresh.items() if content_hash not in known]
        # Another import may add the same tune between the two statements: the constraint settles it.
        Track.objects.bulk_create(new, ignore_conflicts=True, batch_size=200)
        record.done += files_done
        record.added += len(new)
        record.duplicates += len(reads) - len(failures) - len(new)
        record.failures = [*record.failures, *failures][:MOST_FAILURES_LISTED]
        record.save(update_fields=["done", "added", "duplicates", "failures"])


def _finish(record: CatalogueImport) -> CatalogueImport:
    record.finished_at = timezone.now()
    record.save(update_fields=["finished_at"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recsys_track")  # thousands of new rows: the planner must not think that the table is empty
    logger.info(
        "catalogue: %s is there: %d tracks added, %d duplicates left out, %d could not be read",
        record.collection,
        record.added,
        record.duplicates,
        len(record.failures),
    )
    return record


@contextmanager
def _pool(*, niceness: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, not forks: a fork of the web or of a worker would share its database connections."""
    pool = ProcessPoolExecutor(
        max_workers=PROCESSES,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=os.nice,
        initargs=(niceness,),
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
