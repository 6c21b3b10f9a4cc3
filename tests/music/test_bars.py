"""Notes are cut at bar lines into symbols that exist."""

from fractions import Fraction

from hypothesis import given

from music.bars import bars
from music.notes import Melody
from tests.music.cast import JIG, TRIPLETS, melody
from tests.music.strategies import melodies


@given(melodies())
def test_every_bar_but_the_first_and_last_is_full_and_nothing_is_lost(tune: Melody) -> None:
    printed = bars(tune)

    assert sum((symbol.quarters for bar in printed for symbol in bar), Fraction(0)) == tune.quarters
    assert all(sum(symbol.quarters for symbol in bar) == tune.bar_quarters for bar in printed[1:-1])
    assert all(symbol.plain.numerator == 1 or symbol.plain.denominator == 1 for bar in printed for symbol in bar)


def test_the_pickup_is_a_bar_of_its_own() -> None:
    assert [len(bar) for bar in bars(JIG)] == [1, 6, 4, 1]


def test_a_note_over_the_bar_line_is_tied() -> None:
    first, second = bars(melody("60:3 62:2"))

    assert (first[-1].is_tied_on, second[0].is_tied_back) == (True, True)


def test_a_triplet_is_bracketed_as_three_in_the_time_of_two() -> None:
    first = bars(TRIPLETS)[0]

    assert [(symbol.actual, symbol.normal) for symbol in first[:3]] == [(3, 2)] * 3
    assert (first[0].begins_tuplet, first[2].ends_tuplet, first[3].actual) == (3, True, 1)


def test_five_quarters_are_two_tied_symbols() -> None:
    (bar,) = bars(melody("60:5", metre=(5, 4)))

    assert [(symbol.plain, symbol.dots) for symbol in bar] == [(Fraction(4), 0), (Fraction(1), 0)]
