"""A piece costs the more, the oftener it was written lately."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from composer.learning.novelty import Novelty
from music.notes import Melody, Note


def piece(pitch: int) -> Melody:
    return Melody(notes=(Note(pitch, Fraction(4)),), metre=(4, 4), tonic=0, mode="major")


def test_the_first_time_is_free_and_each_further_time_costs_more() -> None:
    novelty = Novelty(2.0)

    assert [novelty.cost(piece(60)) for _ in range(3)] == pytest.approx([0.0, 2 * math.log(2), 2 * math.log(3)])
    assert novelty.cost(piece(62)) == 0.0


def test_what_was_written_long_ago_is_forgotten() -> None:
    novelty = Novelty(1.0, remembered_pieces=2)
    for pitch in (60, 62, 64):
        novelty.cost(piece(pitch))

    assert novelty.cost(piece(60)) == 0.0
