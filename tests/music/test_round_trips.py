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
from music.notes import Melody, Note, Score
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


def sounding(notes: tuple[Note, ...]) -> list[tuple[Fraction, Fraction, int]]:
    """Start, length and pitch of what sounds."""
    found, start = [], Fraction(0)
    for note in notes:
        if note.pitch is not None:
            found.append((start, note.quarters, note.pitch))
        start += note.quarters
    return found


def heard_by_music21(stream: Any) -> list[tuple[Fraction, Fraction, int]]:
    notes = stream.parts[0].stripTies().flatten().notes
    return [
        (Fraction(n.offset).limit_denominator(960), Fraction(n.quarterLength).limit_denominator(960), n.pitch.midi)
        for n in notes
    ]


@settings(max_examples=15)
@given(written=scores())
def test_music21_hears_the_same_in_musicxml(written: Score) -> None:
    from music21 import converter

    heard = heard_by_music21(converter.parseData(write_musicxml(written).decode(), format="musicxml"))

    assert heard == sounding(written.melody.notes)


@settings(max_examples=15)
@given(written=scores())
def test_music21_hears_the_same_in_abc(written: Score) -> None:
    from music21 import converter

    # music21 reads `loc` as C major; other readers of ABC know it.
    assume(written.melody.mode != "locrian")
    heard = heard_by_music21(converter.parseData(write_abc(written), format="abc"))

    assert [pitch for _, _, pitch in heard] == [pitch for _, _, pitch in sounding(written.melody.notes)]
    assert sum(length for _, length, _ in heard) == sum(length for _, length, _ in sounding(written.melody.notes))


@settings(max_examples=40)
@given(written=scores())
def test_symusic_hears_the_same_in_midi(written: Score) -> None:
    import symusic

    heard: Any = symusic.Score.from_midi(write_midi(written))
    ticks = heard.ticks_per_quarter
    notes = sorted((Fraction(n.time, ticks), Fraction(n.duration, ticks), n.pitch) for n in heard.tracks[0].notes)

    assert notes == sounding(written.melody.notes)
    assert heard.tracks[0].program == 40
    assert heard.time_signatures[-1].numerator == written.melody.metre[0]


def test_the_same_score_gives_the_same_bytes() -> None:
    assert all(writer(CHORALE) == writer(CHORALE) for writer in WRITERS.values())
