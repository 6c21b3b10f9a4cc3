"""Lyrics become bars, metre and notes for their syllables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.prompting.lyrics import read_lyrics, verse_of
from composer.prompting.syllables import split, syllables_of
from composer.steering import ImpossibleSteering, Steering

STYLES = ("reel", "song", "chinese folk")
TWINKLE = "Twinkle, twinkle, little star,\nHow I wonder what you are!"
LIMERICK = "There once was a man from Nantucket\nAnd kept all his cash in a bucket"
QUIET_NIGHT = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"


def sung(line: str) -> list[str]:
    return [syllable.text for syllable in syllables_of(line)[0]]


def test_english_is_cut_into_syllables_with_its_stress() -> None:
    found, strange = syllables_of("Amazing grace, how sweet the sound")

    assert [syllable.text for syllable in found] == ["A", "ma", "zing", "grace,", "how", "sweet", "the", "sound"]
    assert [syllable.is_stressed for syllable in found] == [False, True, False, True, True, True, False, True]
    assert [syllable.goes_on for syllable in found] == [True, True, False, False, False, False, False, False]
    assert strange == []


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("beautiful", "beau ti ful"),
        ("mother", "mo ther"),
        ("singing", "sing ing"),
        ("diamond", "dia mond"),
        ("through", "through"),
        ("poem", "po em"),
        ("Schneeglöckchen", "Schnee glöck chen"),
        ("дорога", "до ро га"),
        ("ふるいけ", "ふ る い け"),
        ("しゃしん", "しゃ し ん"),
        ("고향은", "고 향 은"),
        ("明月", "明 月"),
    ],
)
def test_words_of_many_scripts_are_cut(word: str, parts: str) -> None:
    assert sung(word) == parts.split()


def test_chinese_has_one_syllable_a_character_with_the_height_of_its_tone() -> None:
    found, _ = syllables_of("天地")

    assert [(syllable.text, syllable.height, syllable.goes_on) for syllable in found] == [
        ("天", 0.9, False),
        ("地", 0.55, False),
    ]


def test_an_iambic_song_gets_two_bars_of_common_time_a_line() -> None:
    reading = read_lyrics(TWINKLE, STYLES)

    steering = reading.steering
    assert (steering.style, steering.metre, steering.bars) == ("song", (4, 4), 4)
    assert (steering.lowest, steering.highest) == (57, 76)
    assert reading.because["bars"] == "2 lines of 2 bars"
    assert reading.because["density"] == "14 syllables in 2 lines"
    assert "every second syllable" in reading.because["metre"]


def test_a_limerick_gets_six_eight_and_its_upbeat_is_named_as_left_out() -> None:
    reading = read_lyrics(LIMERICK, STYLES)

    assert reading.steering.metre == (6, 8)
    assert reading.not_understood == ("the upbeat of the first line: a piece begins on the first beat",)


def test_a_chinese_poem_gets_its_lines_register_and_leaps_from_its_marks_and_tones() -> None:
    reading = read_lyrics(QUIET_NIGHT, STYLES)

    assert len(verse_of(QUIET_NIGHT).lines) == 4
    assert (reading.steering.style, reading.steering.bars) == ("chinese folk", 8)
    assert reading.because["brightness"].startswith("tones lie at")
    assert reading.because["leaps"].startswith("tones move by")


def test_notes_are_asked_for_by_the_syllables() -> None:
    few, many = read_lyrics("Row, row, row", STYLES), read_lyrics("Merrily merrily merrily merrily", STYLES)

    assert few.steering.density is not None
    assert many.steering.density is not None
    assert few.steering.density < many.steering.density


def test_only_moods_of_what_the_words_say_steer() -> None:
    sad = read_lyrics("I am so lonely and sad\nhigh on a hill, dancing fast", STYLES)

    assert sad.steering.mode == "minor"
    assert "lonely, sad" in sad.because["mode"]
    assert "tonic" not in sad.because


def test_what_has_no_syllables_that_can_be_counted_is_named() -> None:
    assert read_lyrics("99 red balloons, السلام", STYLES).not_understood == ("السلام", "99")


@pytest.mark.parametrize(
    ("lyrics", "bound"),
    [
        ("", "1 … 4000 characters"),
        ("la " * 4000, "it has 12000"),
        (3, "must be a text"),
        ("السلام عليكم", "syllables that can be counted"),
        ("… !!! 123", "syllables that can be counted"),
        ("la " * 41, "a line may have 40 syllables; line 1 has 41"),
        ("row row row your boat\n" * 33, "33 lines of 2 bars need 66"),
    ],
)
def test_lyrics_that_no_piece_can_carry_are_refused_with_the_bound(lyrics: Any, bound: str) -> None:
    with pytest.raises(ImpossibleSteering) as refusal:
        read_lyrics(lyrics, STYLES)

    assert refusal.value.field == "lyrics"
    assert bound in refusal.value.message


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_lyrics_give_a_steering_or_a_clear_refusal(lyrics: str) -> None:
    try:
        reading = read_lyrics(lyrics, STYLES)
    except ImpossibleSteering:
        return
    assert Steering.from_json(reading.steering.to_json()) == reading.steering
    assert set(reading.because) <= set(reading.steering.to_json())


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=30), st.integers(1, 8))
def test_a_word_cut_into_parts_loses_no_letter(word: str, count: int) -> None:
    parts = split(word, count)

    assert "".join(parts) == word
    assert len(parts) == min(count, len(word))
    assert all(parts)
