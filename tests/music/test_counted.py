"""Whole numbers say what fractions say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from music.counted import Counted
from music.notes import Melody
from tests.music.cast import JIG, SCALE, melody
from tests.music.strategies import melodies, misprinted_melodies


@given(st.one_of(melodies(), misprinted_melodies()))
def test_every_note_stands_in_its_printed_bar(tune: Melody) -> None:
    counted, lines = Counted.of(tune), list(tune.bar_starts())
    places = [Fraction(place, counted.per_quarter) for place in counted.place_N.tolist()]

    assert len(counted.length_M) == len(lines)
    assert places == [tune.place_in_bar(start) for start, _ in tune.onsets()]
    assert counted.bar_N.tolist() == [sum(line <= start for line in lines) - 1 for start, _ in tune.onsets()]


def test_a_pickup_is_no_bar() -> None:
    counted = Counted.of(JIG)

    assert counted.bar_N.tolist()[:3] == [-1, 0, 0]
    assert counted.place_N.tolist()[:3] == [5, 0, 1]
    assert [len(bar) for bar in counted.bars()] == [6, 4, 1]


def test_odd_bars_keep_their_lengths() -> None:
    counted = Counted.of(replace(SCALE, odd_bars=((1, Fraction(3)), (9, Fraction(2)))))

    assert counted.length_M.tolist() == [4, 3, 4]
    assert [len(bar) for bar in counted.bars()] == [4, 3, 1]


def test_no_notes_have_no_bars() -> None:
    assert Counted.of(melody("")).bars() == []
