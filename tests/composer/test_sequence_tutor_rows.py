"""The rows of the published table, by melodies whose answers are known."""

from fractions import Fraction

import numpy as np

from bench.sequence_tutor_rows import HOLD, OFF, TONIC, is_excess, judge, raster
from music.notes import Melody, Note


def test_a_melody_is_rastered_to_the_papers_tokens() -> None:
    notes = (Note(60, Fraction(1)), Note(62, Fraction(1, 2)), Note(None, Fraction(1, 2)))
    melody = Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")

    tokens = raster(melody, steps=8)

    assert tokens is not None
    assert tokens.tolist() == [TONIC, HOLD, HOLD, HOLD, 16, HOLD, OFF, HOLD]


def test_triplets_are_off_the_grid() -> None:
    assert raster(Melody(notes=(Note(60, Fraction(1, 3)),) * 24, metre=(4, 4), tonic=0, mode="major")) is None


def test_excess_is_counted_until_another_pitch() -> None:
    assert not is_excess([14] * 4, 14)
    assert is_excess([14] * 5, 14)
    assert not is_excess([14, HOLD] * 6, 14)
    assert is_excess([14, HOLD] * 7, 14)
    assert not is_excess([14, *[HOLD] * 4], HOLD)
    assert is_excess([14, *[HOLD] * 5], HOLD)
    assert is_excess([14, OFF, OFF], OFF)


def test_a_good_melody_keeps_all_rules() -> None:
    cell = [14, 16, 18, 19, 21, 19, 18, 16]
    tokens = np.array([*cell[:8], *cell[:8], 14, 13, 16, 19, 21, 23, 21, 19, 18, 16, 14, 16, 18, 19, 18, 14])

    judged = judge(tokens)

    assert judged.a1
    assert judged.a2
    assert judged.a3
    assert judged.repeated_motif >= 1


def test_each_fault_is_told() -> None:
    doubled = judge(np.array([14, 21, 28, *[26] * 1, *[14, 16] * 14]))
    out_of_key = judge(np.array([15, *[14, 16] * 15, 14]))

    assert doubled.doubled == 1
    assert out_of_key.out_of_key == 1
    assert not out_of_key.starts_on_tonic
