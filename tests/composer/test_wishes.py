"""What trainings ask for: as many bars as a piece like the tune can have within an episode."""

from __future__ import annotations

import numpy as np
import pytest

from composer.learning.configuration import ComposerConfiguration
from composer.learning.replay_dataset import Tune
from composer.learning.wishes import NOTES_OF_AN_EPISODE, Wishes
from music.notes import Melody, Note


def tune(notes_per_bar: int) -> Tune:
    """Eight bars of 4/4 in equal notes."""
    from fractions import Fraction

    notes = tuple(Note(60 + number % 5, Fraction(4, notes_per_bar)) for number in range(8 * notes_per_bar))
    return Tune(melody=Melody(notes=notes, metre=(4, 4), tonic=0, mode="major"), style="song", group=str(notes_per_bar))


@pytest.mark.parametrize(("notes_per_bar", "asked"), [(4, {4, 8, 16}), (8, {4, 8}), (16, {4})])
def test_long_pieces_are_asked_for_where_few_notes_make_a_bar(notes_per_bar: int, asked: set[int]) -> None:
    wishes = Wishes(("song",), [tune(notes_per_bar)], ComposerConfiguration())

    plans, _ = wishes.draw(60, False, np.random.default_rng(0))

    assert {plan.steering.bars for plan in plans} == asked
    assert max(asked) * notes_per_bar <= NOTES_OF_AN_EPISODE
