"""What is written is read back the same: by our own readers, and by parsers that know nothing of our writers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings

from music.abc import write_abc
from music.midi import write_midi
from music.musicxml import write_musicxml
from music.notes import Melody, Score
from music.parsing import read_in_process
from tests.music.cast import CHORALE, JIG, TRIPLETS, score
from tests.music.strategies import misprinted_melodies, scores

WRITERS: dict[str, Callable[[Score], bytes]] = {
    ".mid": write_midi,
    ".musicxml": write_musicxml,
    ".abc": lambda written: write_abc(written).encode(),
}


def read_back(written: Score, suffix: str) -> Score:
    return read_in_process(WRITERS[suffix](written), suffix)[0].score


@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=40)
@given(written=scores())
def test_a_melody_survives_the_file(suffix: str, written: Score) -> None:
    assert read_back(written, suffix).melody == written.melody


@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=40)
@given(written=misprinted_melodies())
def test_bars_of_other_lengths_survive_the_file(suffix: str, written: Melody) -> None:
    assert read_back(score(written), suffix).melody == written


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("written", [score(JIG), score(TRIPLETS), CHORALE], ids=["jig", "triplets", "chorale"])
def test_pickups_triplets_and_four_voices_survive_the_file(suffix: str, written: Score) -> None:
    back = read_back(written, suffix)

    assert [voice.melody for voice in back.voices] == [voice.melody for voice in written.voices]


@given(written=scores())
def test_titles_survive_musicxml(written: Score) -> None:
    assert read_back(written, ".musicxml").title == written.title


Sounding = list[tuple[Fraction, Fraction, int]]
"""Onset and length in quarter notes, MIDI pitch, of the notes of one voice."""


def sounding(melody: Melody) -> Sounding:
    """What sounds."""
    return [(start, note.quarters, note.pitch) for start, note in melody.onsets() if note.pitch is not None]


def heard_by_music21(text: str, format_name: str) -> list[Sounding]:
    """Each voice. Ties are joined here: music21's own way loses some between tuplets."""
    from music21 import converter

    stream: Any = converter.parseData(text, format=format_name)
    voices = []
    for part in stream.parts:
        found: Sounding = []
        for note in part.flatten().notes:
            start, length = (Fraction(value).limit_denominator(960) for value in (note.offset, note.quarterLength))
            if note.tie is not None and note.tie.type != "start":
                begun, so_far, pitch = found.pop()
                assert (begun + so_far, pitch) == (start, note.pitch.midi)
                start, length = begun, so_far + length
            found.append((start, length, note.pitch.midi))
        voices.append(found)
    return voices


@settings(max_examples=15)
@given(written=scores())
def test_music21_hears_the_same_in_musicxml(written: Score) -> None:
    assert heard_by_music21(write_musicxml(written).decode(), "musicxml") == [sounding(written.melody)]


@settings(max_examples=15)
@given(written=scores())
def test_music21_hears_the_same_in_abc(written: Score) -> None:
    # music21 reads `loc` as C major; other readers of ABC know it.
    assume(written.melody.mode != "locrian")
    assert heard_by_music21(write_abc(written), "abc") == [sounding(written.melody)]


@settings(max_examples=40)
@given(written=scores())
def test_symusic_hears_the_same_in_midi(written: Score) -> None:
    import symusic

    heard: Any = symusic.Score.from_midi(write_midi(written))
    ticks = heard.ticks_per_quarter
    notes = sorted((Fraction(n.time, ticks), Fraction(n.duration, ticks), n.pitch) for n in heard.tracks[0].notes)

    assert notes == sounding(written.melody)
    assert heard.tracks[0].program == 40
    assert heard.time_signatures[-1].numerator == written.melody.metre[0]


def test_the_same_score_gives_the_same_bytes() -> None:
    assert all(writer(CHORALE) == writer(CHORALE) for writer in WRITERS.values())
