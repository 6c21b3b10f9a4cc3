"""Words under notes: each syllable has a note of its own, in order, and no note changes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.prompting.lyrics import verse_of
from composer.prompting.underlay import underlay
from music.notes import Melody, Note

TWINKLE = "Twinkle, twinkle, little star,\nHow I wonder what you are!"


def melody(*lengths: str, rests: tuple[int, ...] = ()) -> Melody:
    notes = tuple(Note(None if place in rests else 62, Fraction(length)) for place, length in enumerate(lengths))
    return Melody(notes=notes, metre=(4, 4), tonic=2, mode="major")


def test_as_many_notes_as_syllables_get_one_each() -> None:
    tune = melody(*"1111112" * 2)

    words = underlay(verse_of(TWINKLE), tune)

    assert words.lyrics[:7] == ("Twin-", "kle,", "twin-", "kle,", "lit-", "tle", "star,")
    assert (words.lines, words.of_lines) == (2, 2)


def test_notes_left_over_hold_and_stress_falls_on_beats() -> None:
    tune = melody(*["1/2"] * 32)

    words = underlay(verse_of(TWINKLE), tune)

    starts = [
        start
        for (start, _), word in zip(tune.onsets(), words.lyrics, strict=True)
        if word in ("Twin-", "twin-", "lit-", "won-")
    ]
    assert len(starts) == 4
    assert all(start % 1 == 0 for start in starts)
    assert words.lyrics.count("") == 18


def test_whole_lines_are_left_out_where_notes_are_too_few() -> None:
    words = underlay(verse_of(TWINKLE), melody(*"11111111"))

    assert (words.lines, words.of_lines) == (1, 2)
    assert "How" not in words.lyrics


def test_stress_on_strong_beats_is_counted() -> None:
    words = underlay(verse_of("Twinkle, twinkle"), melody("1", "1", "1", "1"))

    assert (words.stressed, words.stressed_on_strong) == (2, 2)
    assert words.figures()["stressed_on_strong_beats"] == 2
    assert "tone_steps" not in words.figures()


@pytest.mark.parametrize(("metre", "strong"), [((3, 4), 1), ((6, 8), 2)])
def test_a_bar_has_a_strong_half_where_there_is_a_beat(metre: tuple[int, int], strong: int) -> None:
    words = underlay(verse_of("star twinkle"), replace(melody("3/2", "3/2", "3"), metre=metre))

    assert (words.stressed, words.stressed_on_strong) == (2, strong)


def test_an_upbeat_stands_before_its_bar() -> None:
    song = "The river runs beneath the hill\nand carries all the summer rain"
    words = underlay(verse_of(song), replace(melody(*["1/2"] * 48), metre=(3, 4)))

    begins = {words.lyrics[note].rstrip("-"): note % 6 for note in words.notes}
    assert words.stressed == 8
    # The first line has none before it: a piece begins on the first beat.
    assert words.stressed_on_strong >= 7
    assert begins["hill"] == begins["car"] == begins["rain"] == 0
    assert begins["and"] >= 3, "in the bar of the line before"


def test_rests_carry_no_syllable_and_too_few_notes_no_words() -> None:
    assert len(underlay(verse_of("la la"), melody("1", "1", "1", rests=(1,))).lyrics) == 2
    assert underlay(verse_of(TWINKLE), melody("4")).lyrics == ("",)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["star light", "wonderful night", "床前明月光", "o"]), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(["1/2", "1", "3/2", "1/3"]), st.booleans()), min_size=1, max_size=60),
)
def test_syllables_keep_their_order(lines: list[str], shape: list[tuple[str, bool]]) -> None:
    tune = melody(*(length for length, _ in shape), rests=tuple(place for place, (_, rests) in enumerate(shape) if rests))
    text = "\n".join(lines)

    words = underlay(verse_of(text), tune)

    said = [syllable.text + "-" * syllable.goes_on for line in verse_of(text).lines[: words.lines] for syllable in line]
    assert [word for word in words.lyrics if word] == said
    assert len(words.lyrics) == sum(not rests for _, rests in shape)
