"""What counts as obeyed, on melodies that obey everything but one attribute; and how correlation is told."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bench.steering import EXACT, as_exported, correlation
from composer.steering import Steering
from music.notes import MODES, Melody, Note

HALVES = (Note(62, Fraction(2)), Note(62, Fraction(2)))
ASKED = Steering(
    style="reel", tonic=2, mode="major", metre=(4, 4), bars=2, tempo=120.0, lowest=57, highest=76, primer=HALVES[:1]
)
ASKED = replace(ASKED, locked_bars=((2, HALVES),))
OBEYED = Melody(notes=(*HALVES[:1], Note(66, Fraction(2)), *HALVES), metre=(4, 4), tonic=2, mode="major", tempo=120.0)


def with_note(place: int, note: Note) -> Melody:
    notes = list(OBEYED.notes)
    notes[place] = note
    return replace(OBEYED, notes=tuple(notes))


def broken(melody: Melody) -> set[str]:
    return {name for name, (is_asked, obeys) in EXACT.items() if is_asked(ASKED) and not obeys(melody, ASKED)}


@pytest.mark.parametrize(
    ("melody", "attributes"),
    [
        (OBEYED, set()),
        (replace(OBEYED, tonic=9), {"key"}),
        (replace(OBEYED, mode="minor"), {"mode"}),
        (with_note(1, Note(65, Fraction(2))), {"mode"}),
        (with_note(1, Note(78, Fraction(2))), {"range"}),
        (with_note(0, Note(64, Fraction(2))), {"primer"}),
        (with_note(2, Note(64, Fraction(2))), {"locks"}),
        (with_note(3, Note(64, Fraction(2))), {"locks"}),
        (replace(OBEYED, metre=(2, 2)), {"metre"}),
        (replace(OBEYED, tempo=121.0), {"tempo"}),
        (replace(OBEYED, notes=(*OBEYED.notes, *HALVES)), {"bars"}),
        (replace(OBEYED, notes=(HALVES[0], Note(66, Fraction(6)))), {"bars", "locks"}),
        (replace(OBEYED, odd_bars=((1, Fraction(6)),)), {"metre"}),
    ],
)
def test_an_attribute_is_obeyed_or_not(melody: Melody, attributes: set[str]) -> None:
    assert broken(melody) == attributes


def test_the_last_note_is_the_tonic_unless_it_was_given() -> None:
    _, ends_on_tonic = EXACT["key"]
    melody = with_note(3, Note(64, Fraction(2)))

    assert ends_on_tonic(melody, ASKED)
    assert not ends_on_tonic(melody, replace(ASKED, locked_bars=()))


def test_given_notes_may_lie_outside_the_mode() -> None:
    asked = replace(ASKED, primer=(Note(65, Fraction(2)),))

    assert EXACT["mode"][1](with_note(0, Note(65, Fraction(2))), asked)


def test_a_note_of_its_chord_begins_each_bar() -> None:
    is_asked, obeys = EXACT["chords"]
    asked = replace(ASKED, primer=None, locked_bars=(), chords="D G")
    bars = (Note(62, Fraction(4)), Note(67, Fraction(2)), Note(62, Fraction(2)))

    assert is_asked(asked)
    assert obeys(replace(OBEYED, notes=bars), asked)
    assert not obeys(replace(OBEYED, notes=(bars[0], Note(66, Fraction(2)), bars[2])), asked), "no note of G"
    assert not obeys(replace(OBEYED, notes=(bars[0], Note(None, Fraction(2)), Note(67, Fraction(2)))), asked), "too late"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", [0, 6, 11])
def test_a_piece_is_read_back_from_its_export(mode: str, tonic: int) -> None:
    fifths = tuple(Note(62 + step, Fraction(2, 5)) for step in range(5))
    melody = replace(OBEYED, notes=(*fifths, Note(None, Fraction(2)), *HALVES), mode=mode, tonic=tonic, tempo=37.0)

    assert as_exported(melody) == melody


def test_what_was_not_asked_counts_for_nothing() -> None:
    plain = replace(ASKED, primer=None, locked_bars=())

    assert [name for name, (is_asked, _) in EXACT.items() if not is_asked(plain)] == ["primer", "locks", "chords"]


def test_correlation_is_pearson_s_with_its_interval() -> None:
    asked = np.linspace(0, 1, 200)
    noisy = asked + np.random.default_rng(0).normal(scale=0.2, size=200)

    r, low, high = correlation(asked, noisy)

    assert correlation(asked, 2 * asked + 1) == pytest.approx((1.0, 1.0, 1.0))
    assert low < r < high
    assert r == pytest.approx(np.corrcoef(asked, noisy)[0, 1])
