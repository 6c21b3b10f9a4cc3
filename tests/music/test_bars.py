"""Notes are cut at bar lines into symbols that exist."""

from fractions import Fraction

import pytest
from hypothesis import given

from music.bars import bars, odd_bars
from music.notes import Melody
from tests.music.cast import JIG, TRIPLETS, melody
from tests.music.strategies import melodies, misprinted_melodies


@given(melodies())
def test_every_bar_but_the_first_and_last_is_full_and_nothing_is_lost(tune: Melody) -> None:
    printed = bars(tune)

    assert sum((symbol.quarters for bar in printed for symbol in bar), Fraction(0)) == tune.quarters
    assert all(sum(symbol.quarters for symbol in bar) == tune.bar_quarters for bar in printed[1:-1])
    assert all(symbol.plain.numerator == 1 or symbol.plain.denominator == 1 for bar in printed for symbol in bar)


@given(misprinted_melodies())
def test_each_bar_is_as_long_as_it_is_printed(tune: Melody) -> None:
    printed = bars(tune)[1 if tune.pickup else 0 :]
    odd = dict(tune.odd_bars)

    assert [sum(symbol.quarters for symbol in bar) for bar in printed[:-1]] == [
        odd.get(number, tune.bar_quarters) for number in range(len(printed) - 1)
    ]
    assert len(list(tune.bar_starts())) == len(printed)
    assert all(tune.place_in_bar(start) == 0 for start in tune.bar_starts())
    assert Melody.from_json(tune.to_json()) == tune


@pytest.mark.parametrize(
    ("printed", "odd"),
    [
        ("4 4 4 4", {}),
        ("4 7/2 1/2 4 4", {}),
        ("4 4 4 7/2", {}),
        ("4 9/2 4 4", {1: "9/2"}),
        ("4 7/2 4 4", {1: "7/2"}),
        ("4 7/2 7/2 1/2 4", {1: "7/2"}),
        ("4 12 4", {}),
        ("4 13 4", {3: "5"}),
        ("4 4 5", {2: "5"}),
    ],
)
def test_repeat_signs_inside_bars_and_missing_lines_make_no_odd_bar(printed: str, odd: dict[int, str]) -> None:
    lengths = [Fraction(length) for length in printed.split()]

    assert dict(odd_bars(lengths, Fraction(4))) == {number: Fraction(length) for number, length in odd.items()}


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
