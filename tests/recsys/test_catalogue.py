"""Importing: titles, styles, tempos; progress, duplicates, going on after a stop; one's own files."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from music.midi import write_midi
from music.notes import Score, Voice
from recsys import catalogue, corpus, tunes
from recsys.models import CatalogueImport, Track
from tests.conftest import small_melody


class Here:
    """Runs what a pool would run, in this process: the tests need no second one."""

    def submit(self, reader: catalogue.Reader, batch: list[corpus.Tune]) -> Future[list[tunes.Read]]:
        done: Future[list[tunes.Read]] = Future()
        done.set_result(reader(batch))
        return done


def tunes_named(collection: str, count: int) -> list[corpus.Tune]:
    return corpus.spread(list(corpus.tunes_of(corpus.BY_NAME[collection])), count)


@pytest.mark.parametrize(
    ("written", "title", "style"),
    [
        ("Abitha Muggins' Favorite -- Reel", "Abitha Muggins' Favorite", "Reel"),
        ("BAG OF MEAL, THE", "The Bag Of Meal", ""),
        ("The Ranting Highlandman.", "The Ranting Highlandman", ""),
        ("the Gentle Maiden", "The Gentle Maiden", ""),
        ("Espen - Zweiglein", "Espen - Zweiglein", ""),
        ("", "Untitled", ""),
    ],
)
def test_titles_are_written_for_people(written: str, title: str, style: str) -> None:
    assert tunes.clean_title(written) == (title, style)


@pytest.mark.parametrize(
    ("collection", "file_name", "rhythm", "title", "metre", "style"),
    [
        ("oneills1850", "0001-0050:1", "Slip jig", "A tune", (9, 8), "slip jig"),
        ("ryansMammoth", "ArbanaReel:1", "", "Arbana", (2, 4), "reel"),
        ("ryansMammoth", "X:1", "", "Miller's Hornpipe", (2, 4), "hornpipe"),
        ("oneills1850", "0001-0050:2", "", "Young Catherine", (6, 8), "jig"),
        ("oneills1850", "0001-0050:3", "", "The Little Black Rose", (3, 4), "air"),
        ("essenFolksong", "han1:7", "Xiaodiao", "Siji", (2, 4), "chinese folk"),
        ("essenFolksong", "erk10:7", "Liebes - Lied", "Reel nicht", (2, 4), "german folk"),
        ("bach", "bwv253:1", "", "Ach bleib bei uns", (4, 4), "chorale"),
        ("mine", "morning.mid:1", "", "Morning waltz", (3, 4), "waltz"),
    ],
)
def test_styles_come_from_the_rhythm_then_the_title_then_the_file_then_the_metre(
    collection: str, file_name: str, rhythm: str, title: str, metre: tuple[int, int], style: str
) -> None:
    assert tunes.track_style(collection, file_name, rhythm, title, metre) == style


def test_a_reel_is_as_fast_in_two_four_as_in_four_four_and_faster_than_an_air() -> None:
    assert tunes.natural_tempo("reel", (4, 4), 2.0) == 2 * tunes.natural_tempo("reel", (2, 4), 4.0)
    assert tunes.natural_tempo("air", (4, 4), 2.0) < tunes.natural_tempo("reel", (4, 4), 2.0)
    assert tunes.natural_tempo("jig", (6, 8), 2.0) == pytest.approx(168.0)


@pytest.mark.parametrize(
    ("text", "tempo"), [("1/2=112", 224.0), ("3/8=120", 180.0), ("96", 96.0), ("fast", None), ("1/4=999", None)]
)
def test_a_written_tempo_counts_in_quarters(text: str, tempo: float | None) -> None:
    assert tunes.tempo_written(text) == tempo


def test_a_file_is_split_at_its_numbers_and_a_number_used_twice_gets_a_letter() -> None:
    text = "% a book\nX:1\nT:One\nK:C\nCDE|\n\nX:01\nT:Two\nK:C\nEDC|\n"

    assert [(number, tune[:4]) for number, tune in corpus.split_abc(text)] == [("1", "X:1\n"), ("1-2", "X:01")]


def test_sources_are_unique_and_every_collection_is_there() -> None:
    sources = [tune.source for collection in corpus.COLLECTIONS for tune in corpus.tunes_of(collection)]

    assert len(sources) == len(set(sources)) > 13_000


def test_the_first_tunes_are_a_mixture() -> None:
    listed = {collection.name: tunes_named(collection.name, 200) for collection in corpus.COLLECTIONS}

    chosen = corpus.mixture(listed, 60)

    assert len(chosen) == 60
    assert {tune.collection for tune in chosen[:12]} == set(corpus.BY_NAME)


@pytest.mark.django_db
def test_an_import_adds_tracks_with_licence_and_source_and_drops_duplicates() -> None:
    listed = tunes_named("ryansMammoth", 6)
    record = CatalogueImport.objects.create(collection="ryansMammoth", total=12)

    catalogue._import(record, listed + listed, Here(), tunes.read_tunes)  # type: ignore[arg-type]

    assert (record.done, record.added, record.duplicates, record.failures) == (12, 6, 6, [])
    assert record.finished_at is not None
    track = Track.objects.order_by("id")[0]
    assert track.source.startswith("ryansMammoth/")
    assert track.licence
    assert track.features


@pytest.mark.django_db
def test_tunes_get_their_ids_in_the_order_of_the_list_whoever_reads_faster() -> None:
    listed = tunes_named("oneills1850", 2 * catalogue.TUNES_A_BATCH)
    second_is_read = threading.Event()

    def read(batch: list[corpus.Tune]) -> list[tunes.Read]:
        if batch[0] is listed[0]:
            assert second_is_read.wait(60)
        else:
            second_is_read.set()
        return tunes.read_tunes(batch)

    record = CatalogueImport.objects.create(collection="oneills1850", total=len(listed))
    with ThreadPoolExecutor(2) as pool:
        catalogue._import(record, listed, pool, read)  # type: ignore[arg-type]

    stored = list(Track.objects.order_by("id").values_list("source", flat=True))
    assert stored == [tune.source for tune in listed if tune.source in stored]
    assert len(stored) == record.added


@pytest.mark.django_db
def test_a_stopped_import_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tunes_named("airdsAirs", 40)
    monkeypatch.setattr(corpus, "tunes_of", lambda collection: iter(listed))
    record = CatalogueImport.objects.create(collection="airdsAirs", total=40)
    catalogue._store(record, tunes.read_tunes(listed[:10]), files_done=10)

    missing = catalogue._missing(record, listed)

    assert [tune.source for tune in missing] == [tune.source for tune in listed[10:]]
    assert record.done == 10


@pytest.mark.django_db
def test_a_tune_that_cannot_be_read_is_listed_with_its_error() -> None:
    bad = corpus.Tune(collection="mine", source="mine/bad:1", suffix=".abc", content=b"X:1\nK:C\n\0", licence="")
    record = CatalogueImport.objects.create(collection="mine", total=1)

    catalogue._import(record, [bad], Here(), tunes.read_tunes)  # type: ignore[arg-type]

    assert record.failures[0]["file"] == "mine/bad:1"
    assert record.failures[0]["error"]


@pytest.mark.django_db
def test_the_rest_is_imported_in_processes_and_a_finished_collection_costs_nothing(settings: Settings) -> None:
    settings.ENCORE_COLLECTIONS = ["miscFolk"]

    (record,) = catalogue.import_collections(limit=24)
    assert record.done == 24
    assert record.finished_at is None
    assert catalogue.progress().is_running

    CatalogueImport.objects.update(finished_at="2026-11-23T00:00:00Z")
    before = Track.objects.count()
    catalogue.import_collections()
    assert Track.objects.count() == before > 0


@pytest.mark.django_db
def test_the_first_tunes_go_into_an_empty_catalogue_only(tracks: list[Track]) -> None:
    assert catalogue.import_first(5) is None


def test_the_licence_is_said_unless_every_chosen_collection_is_free(settings: Settings) -> None:
    settings.ENCORE_COLLECTIONS = []
    assert "non-commercial" in catalogue.licence_notice()

    settings.ENCORE_COLLECTIONS = ["bach", "oneills1850"]
    assert catalogue.licence_notice() == ""


def test_an_unknown_collection_is_named() -> None:
    with pytest.raises(ValueError, match="no collection 'polkas'"):
        corpus.chosen(["polkas"])


@pytest.mark.django_db
def test_a_folder_is_imported_file_by_file_and_one_bad_file_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score = Score(title="Morning reel", voices=(Voice(name="melody", melody=small_melody(3)),))
    (tmp_path / "a.mid").write_bytes(write_midi(score))
    (tmp_path / "b.mid").write_bytes(b"this is no music")
    (tmp_path / "notes.txt").write_text("not looked at")

    call_command("import_catalogue", folder=tmp_path, name="mine", licence="my own")
    call_command("import_catalogue", folder=tmp_path, name="mine", licence="my own")

    track = Track.objects.get()
    assert (track.title, track.collection, track.licence) == ("Morning reel", "mine", "my own")
    output = capsys.readouterr()
    assert "b.mid" in output.err
    assert "2 of 2 read, 1 added, 0 duplicates, 1 not readable" in output.out


@pytest.mark.django_db
def test_the_command_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("import_catalogue", limit=0)
    with pytest.raises(CommandError, match="is not a folder"):
        call_command("import_catalogue", folder=tmp_path / "gone")
    with pytest.raises(CommandError, match="name of a starter collection"):
        call_command("import_catalogue", folder=tmp_path, name="bach")
    with pytest.raises(CommandError, match="exclude each other"):
        call_command("import_catalogue", folder=tmp_path, collection=["bach"])
