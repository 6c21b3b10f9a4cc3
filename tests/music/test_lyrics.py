"""Words under the notes leave in every form that can hold them, and change no note."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from music.abc import write_abc
from music.midi import write_midi
from music.musicxml import write_musicxml
from music.notation import svg
from music.notes import Melody, Note, Score, Voice
from music.parsing import read_in_process
from tests.music.strategies import melodies

TUNE = Melody(
    notes=(
        *(Note(pitch, Fraction(1)) for pitch in (62, 64, 66)),
        Note(None, Fraction(1)),
        # Tied over the bar line.
        Note(69, Fraction(3)),
        Note(71, Fraction(3)),
        Note(69, Fraction(2)),
    ),
    metre=(4, 4),
    tonic=2,
    mode="major",
)
SONG = Score(title="Song", voices=(Voice(name="Melody", melody=TUNE, lyrics=("O", "won-", "der-", "ful", "", "d'été_%!")),))
SILENT = Score(title="Song", voices=(replace(SONG.voices[0], lyrics=()),))


def test_words_survive_the_database_and_scores_without_them_keep_their_form() -> None:
    assert Score.from_json(SONG.to_json()) == SONG
    assert "lyrics" not in SILENT.to_json()["voices"][0]


def test_music21_reads_each_syllable_under_its_note() -> None:
    from music21 import converter

    stream: Any = converter.parseData(write_musicxml(SONG).decode(), format="musicxml")
    sung = [(note.pitch.midi, note.lyrics[0].syllabic, note.lyrics[0].text) for note in stream.flatten().notes if note.lyrics]

    assert sung == [
        (62, "single", "O"),
        (64, "begin", "won"),
        (66, "middle", "der"),
        (69, "end", "ful"),
        (69, "single", "d'été_%!"),
    ]


def test_abc_has_one_sign_for_each_printed_note() -> None:
    assert "w: O won-der-ful__ d'été!\n" in write_abc(SONG)
    assert "w: * * * * * * *\n" in write_abc(Score(title="", voices=(replace(SONG.voices[0], lyrics=("",)),)))
    assert "w:" not in write_abc(SILENT)


def test_verovio_engraves_the_words() -> None:
    picture, _ = svg(SONG)

    assert [word for word in ("O", "won", "der", "ful") if f">{word}<" not in picture] == []


def test_sound_does_not_change() -> None:
    assert write_midi(SONG) == write_midi(SILENT)


@settings(max_examples=40)
@given(melody=melodies(), words=st.lists(st.sampled_from(["", "la", "won-", "明", "-", "a|b*~_\\%", "<&>"]), max_size=12))
def test_no_words_spoil_the_notes(melody: Melody, words: list[str]) -> None:
    song = Score(title="", voices=(Voice(name="", melody=melody, lyrics=tuple(words)),))

    assert read_in_process(write_abc(song).encode(), ".abc")[0].score.melody == melody
    assert read_in_process(write_musicxml(song), ".musicxml")[0].score.melody == melody
