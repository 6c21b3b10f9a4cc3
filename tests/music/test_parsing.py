"""Files from the world: collections, chorales, and files that mean harm."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music import parsing
from music.midi import write_midi
from music.musicxml import MAX_UNPACKED_BYTES, write_musicxml
from music.parsing import UnreadableMusic, read_file, read_in_process
from tests.music.cast import CHORALE, JIG, score

TWO_TUNES = b"""X:7
T:The Grace Note
R:slip jig
M:9/8
L:1/8
K:Edor
E | {g}GAB EFE D2E | FEF =c2-c c3 | (3GAB |: G3 :|

X:8
T:Broken
M:4/4
L:1/8
K:G
A>B c2 |1 [GBd]4 :|2 z4 |]
"""


def corpus() -> Path:
    spec = find_spec("music21")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "corpus"


def test_a_collection_gives_each_tune_with_number_style_and_key() -> None:
    first, second = read_in_process(TWO_TUNES, ".abc")

    assert (first.number, first.score.title, first.style) == ("7", "The Grace Note", "slip jig")
    assert (first.score.melody.tonic, first.score.melody.mode, first.score.melody.metre) == (4, "dorian", (9, 8))
    assert second.number == "8"


def test_grace_notes_are_left_out_ties_are_joined_and_accidentals_last_for_their_bar() -> None:
    tied = read_in_process(b"X:1\nM:4/4\nL:1/4\nK:C\n^F F2 F- | F G3 |]", ".abc")[0].score.melody

    assert [(note.pitch, str(note.quarters)) for note in tied.notes] == [(66, "1"), (66, "2"), (66, "1"), (65, "1"), (67, "3")]


def test_a_broken_tune_stops_no_other() -> None:
    parsed = read_in_process(b"X:1\nT:No key\nabc\n\n" + TWO_TUNES, ".abc")

    assert [tune.number for tune in parsed] == ["7", "8"]


def test_a_chorale_has_its_four_voices_with_the_soprano_first() -> None:
    (parsed,) = read_in_process((corpus() / "bach" / "bwv1.6.mxl").read_bytes(), ".mxl", "bach/bwv1.6.mxl")

    assert parsed.style == "chorale"
    assert parsed.score.voices[0].name == "Soprano"
    assert {voice.name for voice in parsed.score.voices} >= {"Soprano", "Alto", "Tenor", "Bass"}


def test_a_child_reads_the_same() -> None:
    content = write_midi(score(JIG))

    assert read_file(content, ".mid") == read_in_process(content, ".mid")


@pytest.mark.parametrize(
    ("content", "suffix", "wrong"),
    [
        (b"", ".mid", "empty"),
        (b"x" * (parsing.MAX_BYTES + 1), ".mid", "at most 8 MiB"),
        (b"x", ".exe", "no known kind"),
        (b"RIFF", ".mid", "MThd"),
        (b"\0\1\2", ".abc", "zero bytes"),
        (b"hello", ".abc", "X:"),
        (b"X:1\nhello", ".abc", "K:"),
        (b"<html/>", ".musicxml", "no MusicXML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><score-partwise/>', ".musicxml", "entities"),
        (b"<score-partwise", ".musicxml", "can't be read"),
        (b"PK\3\4", ".mxl", "archive"),
    ],
)
def test_it_says_what_is_wrong(content: bytes, suffix: str, wrong: str) -> None:
    with pytest.raises(UnreadableMusic, match=wrong):
        read_in_process(content, suffix)


def packed(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return written.getvalue()


def test_an_archive_is_unpacked() -> None:
    (parsed,) = read_in_process(packed("score.musicxml", write_musicxml(CHORALE)), ".mxl")

    assert len(parsed.score.voices) == 4


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(UnreadableMusic, match="20 MiB"):
        read_in_process(packed("score.xml", b" " * (MAX_UNPACKED_BYTES + 1)), ".mxl")


def test_a_child_that_needs_too_much_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_SECONDS", 0.01)

    with pytest.raises(UnreadableMusic, match="seconds"):
        read_file(write_midi(CHORALE), ".mid")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_with_one_error(data: st.DataObject) -> None:
    suffix, content = data.draw(
        st.sampled_from([(".mid", write_midi(score(JIG))), (".abc", TWO_TUNES), (".musicxml", write_musicxml(score(JIG)))])
    )
    start = data.draw(st.integers(0, len(content) - 1))
    damage = data.draw(st.binary(max_size=6))
    try:
        parsed = read_in_process(content[:start] + damage + content[start + len(damage) :], suffix)
    except UnreadableMusic:
        return
    assert all(tune.score.melody.notes for tune in parsed)


def test_signs_over_notes_and_words_between_them_lose_no_note() -> None:
    signed = read_in_process(b'X:1\nM:4/4\nL:1/4\nK:C\nHc .d "Am"e !trill!~f | Tc2 vd2 |]', ".abc")[0].score.melody

    assert [note.pitch for note in signed.notes] == [72, 74, 76, 77, 72, 74]


def test_fields_among_the_notes_count_from_where_they_stand() -> None:
    tune = b"X:1\nM:4/4\nL:1/4\nK:C\nV:1\nV:2\n[V:1] C D E F | [L:1/8] GABc [K:G]f2 f2 |]\n[V:2] C,4 | G,4 |] % [K:D]\n"
    upper, lower = read_in_process(tune, ".abc")[0].score.voices

    assert [(note.pitch, str(note.quarters)) for note in upper.melody.notes[4:]] == [
        *((pitch, "1/2") for pitch in (67, 69, 71, 72)),
        *((78, "1"), (78, "1")),
    ]
    assert [note.pitch for note in lower.melody.notes] == [48, 55]


@pytest.mark.parametrize("letter", "mrsu")
def test_remarks_and_signs_below_the_notes_are_no_notes(letter: str) -> None:
    tune = f"X:1\nM:4/4\nL:1/4\n{letter}: bag\nK:C\nCDEF|\n{letter}: cab\nGABc|]\n"

    assert len(read_in_process(tune.encode(), ".abc")[0].score.melody.notes) == 8


def test_an_overlay_is_a_voice_of_its_own_which_rests_where_there_is_none() -> None:
    tune = b"X:1\nM:4/4\nL:1/4\nK:C\nG | C D E F | C D E F & E,2 G,2 | c4 & E4 & C4 |]\n"
    voice, overlay, other = read_in_process(tune, ".abc")[0].score.voices

    assert [note.pitch for note in voice.melody.notes] == [67, 60, 62, 64, 65, 60, 62, 64, 65, 72]
    assert (int(voice.melody.pickup), voice.melody.odd_bars, overlay.name) == (1, (), "overlay from bar 2")
    assert [(note.pitch, int(note.quarters)) for note in overlay.melody.notes] == [(None, 5), (52, 2), (55, 2), (64, 4)]
    assert [(note.pitch, int(note.quarters)) for note in other.melody.notes] == [(None, 9), (60, 4)]


@pytest.mark.parametrize("bars", [b"(& CDEF | GABc & C4 | E4 &) |]", b"CDEF | && C4 |]", b"CDEF & C8 | GABc & C4 |]"])
def test_an_overlay_whose_place_is_not_its_bar_is_refused(bars: bytes) -> None:
    with pytest.raises(UnreadableMusic, match="overlay"):
        read_in_process(b"X:1\nM:4/4\nL:1/4\nK:C\n" + bars, ".abc")
