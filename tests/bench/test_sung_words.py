"""Steps are counted by the tones of the words, also where these were set without them."""

from __future__ import annotations

from fractions import Fraction

from bench.sung_words import agreement, heard, toneless
from composer.prompting.lyrics import verse_of
from composer.prompting.tones import Followed
from composer.prompting.underlay import underlay
from music.notes import Melody, Note

FALLING = Melody(notes=tuple(Note(pitch, Fraction(1)) for pitch in (67, 60)), metre=(4, 4), tonic=0, mode="major")


def test_words_that_were_set_without_tones_are_counted_by_them() -> None:
    verse = verse_of("天马")
    blind = underlay(toneless(verse), FALLING)

    assert blind.tones == Followed(0, 0, 0)
    assert heard(verse, blind, FALLING).tones == Followed(1, 1, 0)


def test_level_steps_are_neither_agreement_nor_its_opposite() -> None:
    value, low, high = agreement([Followed(10, 3, 1)] * 5)

    assert (value, low, high) == (0.75, 0.75, 0.75)
