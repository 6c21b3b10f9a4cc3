"""Files in which a melody is one voice of several, stands among chords, or has no metre: nothing is dropped or guessed."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import music21
import pretty_midi
import pytest

from composer.sources import source_of_abc, source_of_file
from composer.steering import ImpossibleSteering
from music.notes import Note

M21: Any = music21
"""Without types of its own."""
Events = Sequence[tuple[float, float, int]]
"""Start, end, MIDI pitch; in seconds, which are two quarter notes."""
TUNE = [(index / 2, (index + 1) / 2, pitch) for index, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]
CHORD = [(0.0, 2.0, 48), (0.0, 2.0, 52), (2.0, 4.0, 43)]


def midi(*tracks: tuple[str, Events], metres: Sequence[tuple[int, int, float]] = ((4, 4, 0.0),)) -> bytes:
    written = pretty_midi.PrettyMIDI(initial_tempo=120)
    written.time_signature_changes = [pretty_midi.TimeSignature(*metre) for metre in metres]
    for name, events in tracks:
        instrument = pretty_midi.Instrument(program=0, name=name)
        instrument.notes = [pretty_midi.Note(80, pitch, start, end) for start, end, pitch in events]
        written.instruments.append(instrument)
    file = io.BytesIO()
    written.write(file)
    return file.getvalue()


def without_metre() -> bytes:
    """A MIDI file of quarter notes and nothing else, as sequencers may write it."""
    notes = b"".join(bytes([0, 0x90, pitch, 80, 0x83, 0x60, 0x80, pitch, 0]) for pitch in (60, 62, 64, 65, 67, 69))
    track = notes + b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def xml(measure: Any, metre: str | None = "4/4", more: Sequence[Any] = ()) -> bytes:
    part = M21.stream.Part()
    if metre:
        measure.insert(0, M21.meter.TimeSignature(metre))
    part.append([measure, *more])
    written: bytes = M21.musicxml.m21ToXml.GeneralObjectExporter(part).parse()
    return written if metre else written.replace(written[written.find(b"<time>") : written.find(b"</time>") + 7], b"")


def two_voices() -> Any:
    measure = M21.stream.Measure(number=1)
    for pitch in ("C5", "C4"):
        voice = M21.stream.Voice()
        voice.append([M21.note.Note(pitch, quarterLength=1) for _ in range(4)])
        measure.insert(0, voice)
    return measure


def notes(*elements: Any) -> Any:
    measure = M21.stream.Measure(number=1)
    measure.append(list(elements))
    return measure


def quarters() -> list[Any]:
    return [M21.note.Note(pitch, quarterLength=1) for pitch in ("C4", "D4", "E4", "F4")]


SEVERAL_AT_ONCE = {
    "chords.mid": midi(("Piano", [*TUNE, *CHORD])),
    "held.mid": midi(("Piano", [*TUNE, (0.75, 2.0, 40)])),
    "chord.xml": xml(notes(*quarters()[:3], M21.chord.Chord(["C4", "E4"], quarterLength=1))),
    "voices.xml": xml(two_voices()),
    "chord.abc": b"X:1\nM:4/4\nK:C\nCDEF GAB[ce]|\n",
}


@pytest.mark.parametrize("name", SEVERAL_AT_ONCE)
def test_several_notes_at_once_are_refused_with_their_place(name: str) -> None:
    with pytest.raises(
        ImpossibleSteering, match=r"several notes at once, first .* quarter notes from its beginning"
    ) as refusal:
        source_of_file(SEVERAL_AT_ONCE[name], name)

    assert refusal.value.field == "file"


def test_of_several_tracks_one_is_chosen_by_its_number() -> None:
    file = midi(("Left hand", CHORD), ("Flute", TUNE))

    with pytest.raises(ImpossibleSteering, match=r"2 voices .* \(1 Left hand with chords, 2 Flute\)") as refusal:
        source_of_file(file, "tune.mid")
    assert refusal.value.field == "voice"
    assert [note.pitch for note in source_of_file(file, "tune.mid", 2).melody.notes] == [pitch for _, _, pitch in TUNE]
    with pytest.raises(ImpossibleSteering, match="several notes at once"):
        source_of_file(file, "tune.mid", 1)


def test_of_several_voices_in_abc_the_one_with_chords_is_refused() -> None:
    tune = "M:4/4\nK:C\nV:1\nCDEF GABc|\nV:2\n[C,E,]4 G,4|"

    assert len(source_of_abc(tune, 1).melody.notes) == 8
    with pytest.raises(ImpossibleSteering, match="several notes at once"):
        source_of_abc(tune, 2)


def test_an_overlay_in_abc_is_another_voice() -> None:
    tune = "M:4/4\nL:1/4\nK:C\nC D E F | G A B c & C2 E2 |]"

    with pytest.raises(ImpossibleSteering, match=r"2 voices .* \(1, 2 overlay from bar 2\)") as refusal:
        source_of_abc(tune)
    assert refusal.value.field == "voice"
    assert [note.pitch for note in source_of_abc(tune, 1).melody.notes] == [60, 62, 64, 65, 67, 69, 71, 72]


def test_a_line_played_legato_is_one_voice() -> None:
    legato = [(start, end + 0.05, pitch) for start, end, pitch in TUNE]

    assert len(source_of_file(midi(("Flute", legato)), "tune.mid").melody.notes) == len(TUNE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tune.mid", without_metre()),
        ("tune.xml", xml(notes(*quarters()), None)),
        ("tune.abc", b"X:1\nK:C\nCDEF|\n"),
        ("tune.abc", b"X:1\nM:none % as sung\nK:C\nCDEF|\n"),
    ],
)
def test_a_metre_is_never_guessed(name: str, content: bytes) -> None:
    with pytest.raises(ImpossibleSteering, match="names none: give the one") as refusal:
        source_of_file(content, name)

    assert refusal.value.field == "metre"
    assert source_of_file(content, name, metre="3/4").melody.metre == (3, 4)
    with pytest.raises(ImpossibleSteering, match="1 … 16"):
        source_of_file(content, name, metre="0/4")


def test_a_metre_given_up_on_the_way_is_told() -> None:
    with pytest.raises(ImpossibleSteering, match="goes from 3/4 to free in bar 2: give the one for all of it"):
        source_of_abc("M:3/4\nL:1/4\nK:C\nCDE|[M:free]FGAB c|")


def test_a_remark_about_a_metre_is_no_metre() -> None:
    assert source_of_abc("M:3/4\nN:M:6/8 in the old book\nL:1/4\nK:C\nCDE|FGA|").melody.metre == (3, 4)


def test_bar_lines_of_a_tune_without_metre_keep_its_pickup() -> None:
    melody = source_of_abc("L:1/4\nK:G\nD | G A B | d2 D | G3 |]", metre="3/4").melody

    assert (melody.pickup, melody.notes[0]) == (Fraction(1), Note(62, Fraction(1)))


def test_a_metre_beside_one_that_the_music_names_is_refused() -> None:
    with pytest.raises(ImpossibleSteering, match="names its own, 4/4"):
        source_of_file(midi(("Flute", TUNE)), "tune.mid", metre="3/4")


def in_three() -> Any:
    measure = M21.stream.Measure(number=2)
    measure.append([M21.meter.TimeSignature("3/4"), *quarters()[:3]])
    return measure


CHANGING = {
    "tune.mid": midi(("Flute", TUNE), metres=[(4, 4, 0), (3, 4, 2.0)]),
    "tune.xml": xml(notes(*quarters()), more=[in_three()]),
    "tune.abc": b"X:1\nM:C\nL:1/4\nK:C\nCDEF|[M:3/4]GAB|\nM:4/4 % again\ncBAG|]\n",
}


@pytest.mark.parametrize("name", CHANGING)
def test_a_change_of_metre_is_refused_with_its_bar_unless_one_is_given(name: str) -> None:
    with pytest.raises(ImpossibleSteering, match=r"goes from (4/4|C) to 3/4 in bar 2: give the one for all of it") as refusal:
        source_of_file(CHANGING[name], name)

    assert refusal.value.field == "metre"
    assert source_of_file(CHANGING[name], name, metre="3/4").melody.metre == (3, 4)


def test_in_a_given_metre_the_printed_bars_of_a_tune_that_changes_its_own_stay() -> None:
    melody = source_of_abc("M:3/4\nL:1/4\nK:C\nC D E | F G A | [M:4/4] G F E D | C4 |]", metre="4/4").melody

    assert melody.pickup == 0
    assert melody.odd_bars == ((0, Fraction(3)), (1, Fraction(3)))


def test_a_metre_that_is_named_again_is_no_change() -> None:
    again = midi(("Flute", TUNE), metres=[(4, 4, 0), (4, 4, 2.0), (3, 4, 4.0)])

    assert source_of_file(again, "tune.mid").melody.metre == (4, 4)
    assert source_of_abc("M:C\nL:1/4\nK:C\nCDEF|[M:4/4]GABc|[M:3/4]").melody.metre == (4, 4)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("tune.xml", xml(notes(*quarters()), "3/64"), "3/64"),
        ("tune.abc", b"X:1\nM:4/5\nL:1/4\nK:C\nCDEF|GABc|\n", "4/5"),
        ("tune.abc", b"X:1\nM:free % as sung\nL:1/4\nK:C\nCDEF|GABc|\n", "free"),
        ("tune.abc", b"X:1\nM:2/4 3/4\nL:1/4\nK:C\nCDEF|GABc|\n", "2/4 3/4"),
    ],
)
def test_a_metre_that_can_not_be_read_is_told(name: str, content: bytes, found: str) -> None:
    with pytest.raises(ImpossibleSteering, match=f"names '{found}', which is none that can be read") as refusal:
        source_of_file(content, name)

    assert refusal.value.field == "metre"
    assert source_of_file(content, name, metre="4/4").melody.metre == (4, 4)
