"""Which way the tones of Mandarin ask a melody to go, on words whose tones are known."""

from __future__ import annotations

from fractions import Fraction

import pytest

from composer.prompting.lyrics import verse_of
from composer.prompting.syllables import syllables_of
from composer.prompting.tones import Followed, directions, followed
from composer.prompting.underlay import underlay
from music.notes import Melody, Note


def melody(*pitches: int) -> Melody:
    return Melody(notes=tuple(Note(pitch, Fraction(1)) for pitch in pitches), metre=(4, 4), tonic=0, mode="major")


@pytest.mark.parametrize(
    ("words", "ways"),
    [
        ("天马天马", [0, -1, 1, -1]),
        ("天国天地", [0, -1, 1, -1]),
        ("国马地", [0, -1, 1]),
        ("天天国地", [0, 0, -1, 0]),
        ("天的马", [0, 0, 0]),
        ("star light", [0, 0]),
        ("", []),
    ],
    ids=["high and low", "high and middle", "middle and low", "alike", "neutral", "English", "nothing"],
)
def test_the_voice_goes_to_the_register_of_the_next_tone(words: str, ways: list[int]) -> None:
    assert directions(syllables_of(words)[0]) == ways


def test_tones_are_those_that_are_spoken() -> None:
    assert [syllable.tone for syllable in syllables_of("你好 不是")[0]] == [2, 3, 2, 4]


def test_steps_with_and_against_the_tones_are_counted_and_level_ones_are_neither() -> None:
    assert followed([0, -1, 1, -1, 1], [5, -7, 0, 7, 2]) == Followed(4, 2, 1)


def test_a_melody_that_goes_with_the_tones_takes_the_words_better_than_its_inversion() -> None:
    with_tones, inverted = (underlay(verse_of("天马天马"), tune) for tune in (melody(67, 60, 67, 60), melody(60, 67, 60, 67)))

    assert with_tones.fit > inverted.fit
    assert (with_tones.tones, inverted.tones) == (Followed(3, 3, 0), Followed(3, 0, 3))


def test_a_syllable_moves_to_the_note_that_goes_with_its_tone() -> None:
    falling, rising = (underlay(verse_of("天马"), melody(*pitches)) for pitches in ((67, 67, 60), (60, 60, 67)))

    assert falling.lyrics == ("天", "", "马")
    assert rising.lyrics == ("天", "马", "")


def test_a_rising_tone_is_held_over_notes_that_rise() -> None:
    words = underlay(verse_of("回去"), melody(60, 64, 64, 60))

    assert words.lyrics == ("回", "", "去", "")
    assert words.glides == Followed(2, 2, 0)


def test_figures_tell_what_is_set_and_left_out() -> None:
    words = underlay(verse_of("天马天马\n国地国地"), melody(67, 60, 60, 67, 60))

    assert words.figures() == {
        "lines": 1,
        "of_lines": 2,
        "syllables": 4,
        "of_syllables": 8,
        "tone_steps": 3,
        "tone_steps_followed": words.tones.followed,
        "tone_steps_opposed": words.tones.opposed,
    }


def test_a_melody_with_room_for_all_words_takes_them_better_than_one_without() -> None:
    verse = verse_of("天马天马\n国地国地")

    assert underlay(verse, melody(*[60, 67] * 4)).fit > underlay(verse, melody(67, 60, 67, 60)).fit
