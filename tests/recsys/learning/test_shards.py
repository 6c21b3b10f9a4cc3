"""The log in files is the log in the database, bit for bit; what is written stays, until somebody is erased."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import Listener
from accounts.privacy import erase
from recsys.learning import shards
from recsys.learning.log import Log, ShardLog
from recsys.learning.offers import Offers
from recsys.learning.replay_dataset import ReplayDataset, build, build_replay_dataset
from recsys.models import Feedback, Recommendation, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, Context, play
from tests.recsys.learning.logged_world import live_under_popularity

TUESDAY_EVENING = MONDAY + timedelta(days=1, hours=10)


@pytest.fixture(autouse=True)
def world(tmp_path: Path, settings: Settings, checkerboard_tracks: list[Track]) -> None:
    """A log of slates from Monday morning to Tuesday, and a folder of its own."""
    settings.ENCORE_VAR = tmp_path
    live_under_popularity(listeners=12, visits=6)


def files() -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in shards.folder().rglob("*.gz")}


def assert_equal(one: ReplayDataset, other: ReplayDataset) -> None:
    assert one.fingerprint == other.fingerprint
    assert one.description == other.description
    assert one.decisions == other.decisions
    for mine, theirs, kind in ((one, other, ReplayDataset), (one.offers, other.offers, Offers)):
        for each in fields(kind):
            value, beside = getattr(mine, each.name), getattr(theirs, each.name)
            if isinstance(value, np.ndarray):
                assert value.dtype == beside.dtype
                assert np.array_equal(value, beside), each.name
    assert all(np.array_equal(one.states[name], other.states[name]) for name in one.states)


def test_the_dataset_from_shards_is_the_one_from_the_database(tmp_path: Path) -> None:
    as_of = TUESDAY_EVENING
    from_shards = build(SMALL, as_of=as_of, log=ShardLog(as_of))

    assert {file.parent.name for file in files()} == {"2026-03-02"}
    assert len(from_shards.decisions) > 0
    assert len(from_shards.offers) > 0
    assert_equal(from_shards, build(SMALL, as_of=as_of, log=Log(as_of)))


def test_a_run_reads_shards(tmp_path: Path) -> None:
    dataset = build_replay_dataset(Context(folder=tmp_path / "run"))

    assert {file.parent.name for file in files()} == {"2026-03-02", "2026-03-03"}
    assert_equal(dataset, build(SMALL, as_of=dataset.as_of))


def test_a_closed_day_is_read_without_its_rows_in_the_database() -> None:
    ShardLog(TUESDAY_EVENING)
    with CaptureQueriesContext(connection) as queries:
        log = ShardLog(TUESDAY_EVENING)
        rows, _ = log.feedback()

    asked = [query["sql"] for query in queries if "recsys_feedback" in query["sql"]]
    assert sum(map(len, rows.values())) == Feedback.objects.count()
    assert not any("COPY" in sql for sql in asked)
    assert len(asked) == 2  # what each closed day holds, and the rows of today


def test_a_new_day_touches_no_old_file() -> None:
    ShardLog(TUESDAY_EVENING)
    before = files()
    late = Feedback.objects.earliest("pk")
    # It happened on Monday and arrived on Wednesday.
    moved = play(late.listener, late.track, MONDAY + timedelta(hours=3), 2.0, received_at=MONDAY + timedelta(days=2))
    moved.save()
    as_of = MONDAY + timedelta(days=3)
    log = ShardLog(as_of)
    after = files()

    assert before.items() <= after.items()
    assert {file.parent.name for file in after} == {"2026-03-02", "2026-03-03", "2026-03-04"}
    assert_equal(build(SMALL, as_of=as_of, log=log), build(SMALL, as_of=as_of))


def test_erasing_a_listener_removes_their_rows_at_once_and_rewrites_only_their_share() -> None:
    ShardLog(TUESDAY_EVENING)
    before = files()
    gone = Listener.objects.earliest("pk")
    share = f"-{gone.pk % shards.SHARES}."

    erase(gone)
    left = files()
    assert {file for file in before if share in file.name} == before.keys() - left.keys() != set()

    log = ShardLog(TUESDAY_EVENING)
    assert left.items() <= files().items()
    assert gone.pk not in log.feedback()[0]
    assert_equal(build(SMALL, as_of=TUESDAY_EVENING, log=log), build(SMALL, as_of=TUESDAY_EVENING))


def test_rows_that_went_some_other_way_are_noticed() -> None:
    ShardLog(TUESDAY_EVENING)
    track = Feedback.objects.earliest("pk").track
    track.delete()
    assert_equal(build(SMALL, as_of=TUESDAY_EVENING, log=ShardLog(TUESDAY_EVENING)), build(SMALL, as_of=TUESDAY_EVENING))

    Recommendation.objects.earliest("pk").delete()
    assert_equal(build(SMALL, as_of=TUESDAY_EVENING, log=ShardLog(TUESDAY_EVENING)), build(SMALL, as_of=TUESDAY_EVENING))


@pytest.mark.parametrize("damage", [b"", b"not what was written"])
def test_a_damaged_shard_is_written_anew(damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    ShardLog(TUESDAY_EVENING)
    before = files()
    for file in before:
        file.write_bytes(damage)

    assert_equal(build(SMALL, as_of=TUESDAY_EVENING, log=ShardLog(TUESDAY_EVENING)), build(SMALL, as_of=TUESDAY_EVENING))
    assert files() == before
    assert "written anew" in caplog.text


def test_what_a_killed_writer_left_is_cleared_away() -> None:
    log = ShardLog(TUESDAY_EVENING)
    folder = shards.day_folder(date(2026, 3, 2))
    (old, young) = (folder / ".feedback-1.old.gz.tmp", folder / ".feedback-1.young.gz.tmp")
    for file in (old, young):
        file.write_bytes(b"half")
    long_ago = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    os.utime(old, (long_ago, long_ago))
    ShardLog(TUESDAY_EVENING)

    assert not old.exists()
    assert young.exists()
    assert log.feedback()[1].hexdigest() == Log(TUESDAY_EVENING).feedback()[1].hexdigest()


def test_a_run_of_an_earlier_moment_leaves_later_days_alone() -> None:
    ShardLog(MONDAY + timedelta(days=3))
    before = files()
    ShardLog(TUESDAY_EVENING)

    assert files() == before


def test_real_and_simulated_listeners_lie_apart(settings: Settings) -> None:
    ghost = Listener.objects.create(external_id="simulated-1-1", is_simulated=True)
    play(ghost, Track.objects.earliest("pk"), MONDAY, 3.0).save()
    people = ShardLog(TUESDAY_EVENING)
    settings.ENCORE_SIMULATED = True
    simulated = ShardLog(TUESDAY_EVENING)

    assert ghost.pk not in people.feedback()[0]
    assert list(simulated.feedback()[0]) == [ghost.pk]
    assert shards.folder().name == "simulated"


def test_a_day_on_which_a_whole_history_was_brought_in_is_never_unpacked_at_once() -> None:
    listener, rows = Listener.objects.earliest("pk"), 20_000
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO recsys_feedback (listener_id, client_id, track_id, kind, value, occurred_at, received_at)"
            " SELECT %s, gen_random_uuid(), %s, 'play', n, %s - n * interval '1 hour', %s FROM generate_series(1, %s) n",
            [listener.pk, Track.objects.earliest("pk").pk, MONDAY, MONDAY, rows],
        )
    tracemalloc.start()
    written = shards.bring_up_to_date(TUESDAY_EVENING)["feedback"]
    read = sum(1 for shard in written for _ in shard.rows())
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert read == Feedback.objects.filter(received_at__lt=shards.closed_days(TUESDAY_EVENING)).count() > rows
    assert most_bytes < sum(len(gzip.decompress(content)) for content in files().values()) / 2
