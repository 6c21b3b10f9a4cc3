"""What the human bands measure, on melodies whose answers are known."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bench.sequence_tutor_bands import (
    FORM,
    MEASURES,
    groove_consistency,
    group_of_style,
    pitch_class_entropy,
    scale_consistency,
)
from bench.split_tunes import SplitTune
from music.notes import Melody, Note, Score, Voice


def melody(*bars: tuple[int, ...], metre: tuple[int, int] = (4, 4)) -> Melody:
    """Bars of notes of equal length."""
    notes = [Note(pitch, Fraction(4 * metre[0], metre[1]) / len(bar)) for bar in bars for pitch in bar]
    return Melody(notes=tuple(notes), metre=metre, tonic=0, mode="major")


def score(line: Melody) -> Score:
    return Score(title="", voices=(Voice(name="", program=0, melody=line),))


def test_four_pitch_classes_as_often_as_each_other_are_two_bits() -> None:
    assert pitch_class_entropy(melody((60, 62, 64, 65), (72, 74, 76, 77))) == pytest.approx(2.0)


def test_the_scale_that_holds_most_notes_counts_whatever_the_key_says() -> None:
    assert scale_consistency(melody((61, 63, 65, 66))) == 1.0
    assert scale_consistency(melody((60, 62, 64, 65), (67, 69, 71, 61))) == pytest.approx(7 / 8)


def test_groove_compares_the_onsets_of_neighbouring_bars() -> None:
    assert groove_consistency(melody((60, 62, 64, 65), (67, 65, 64, 62))) == 1.0
    assert groove_consistency(melody((60, 62, 64, 65), (60, 62, 64, 65, 60, 62, 64, 65))) == pytest.approx(1 - 4 / 16)


def test_repeated_bars_intervals_and_range_are_those_of_the_features() -> None:
    line = melody((60, 64, 67, 64), (60, 64, 67, 64), (60, 64, 65, 62))

    assert MEASURES["repeated_bars"](line) == pytest.approx(1 / 2)
    assert MEASURES["changed_endings"](line) == pytest.approx(1 / 2)
    assert MEASURES["range"](line) == 7.0
    assert MEASURES["mean_interval"](line) == pytest.approx((4 + 3 + 3 + 4 + 4 + 3 + 3 + 4 + 4 + 1 + 3) / 11)


def test_form_tells_where_bars_come_again() -> None:
    a, b, c, d, e = (60, 62), (64, 65), (67, 65), (64, 62), (72, 71)
    line = melody(a, b, c, d, a, b, c, a, e, b, e, d, e, b, c, a)

    assert FORM["opening_comes_again_after_four_bars"](line) == 1.0
    assert FORM["ending_comes_again_after_eight_bars"](line) == 1.0
    assert FORM["opening_comes_again_after_four_bars"](melody(a, b, c, d, a, e, c, a)) == 0.5


def test_a_piece_is_asked_for_beside_each_tune_of_the_style_that_is_long_enough() -> None:
    line = melody(*((60, 64, 67, 64, 62, 60),) * 8, metre=(6, 8))
    tunes = [
        SplitTune(source="a", style="jig", split="test", score=score(line)),
        SplitTune(source="b", style="jig", split="test", score=score(melody((60, 62, 64, 65)))),
        SplitTune(source="c", style="reel", split="test", score=score(line)),
    ]

    group = group_of_style("jig", tunes)

    assert group.tunes == [line]
    assert [(plan.steering.metre, plan.steering.bars, plan.steering.style) for plan in group.plans] == [((6, 8), 8, "jig")]
