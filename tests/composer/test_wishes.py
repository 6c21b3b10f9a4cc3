"""What trainings ask for: as many bars as a piece like the tune can have within an episode."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from composer.learning.configuration import ComposerConfiguration
from composer.learning.replay_dataset import Tune
from composer.learning.wishes import ASKED_SHARE, NOTES_OF_AN_EPISODE, Wishes, short_plan
from music.notes import Melody, Note


def tune(notes_per_bar: int) -> Tune:
    """Eight bars of 4/4 in equal notes."""
    notes = tuple(Note(60 + number % 5, Fraction(4, notes_per_bar)) for number in range(8 * notes_per_bar))
    return Tune(melody=Melody(notes=notes, metre=(4, 4), tonic=0, mode="major"), style="song", group=str(notes_per_bar))


@pytest.mark.parametrize(("notes_per_bar", "asked"), [(4, {4, 8, 16}), (8, {4, 8}), (16, {4})])
def test_long_pieces_are_asked_for_where_few_notes_make_a_bar(notes_per_bar: int, asked: set[int]) -> None:
    wishes = Wishes(("song",), [tune(notes_per_bar)], ComposerConfiguration())

    plans, _ = wishes.draw(60, False, np.random.default_rng(0))

    assert {plan.steering.bars for plan in plans} == asked
    assert max(asked) * notes_per_bar <= NOTES_OF_AN_EPISODE


def test_phrases_are_the_benchmarks_task_or_two_bars_as_listeners_ask() -> None:
    slow = tune(4)
    waltz = replace(slow, melody=replace(slow.melody, metre=(3, 4), mode="minor"), style="waltz")
    wishes = Wishes(("song", "waltz"), [slow, waltz], ComposerConfiguration())

    plans, tastes = wishes.draw(200, True, np.random.default_rng(0))

    of_table = [plan for plan in plans if plan == short_plan(plan.steering.style)]
    asked = [plan for plan in plans if plan not in of_table]
    assert tastes == [None] * 200
    assert {plan.steering.style for plan in of_table} == {plan.steering.style for plan in asked} == {"song", "waltz"}
    assert all(plan.steering.bars == 2 for plan in plans)
    assert not any(plan.is_on_sixteenths or plan.opening for plan in asked)
    assert {plan.steering.metre for plan in asked} == {(4, 4), (3, 4)}
    assert {plan.steering.mode for plan in asked} == {"major", "minor"}
    assert len({plan.steering.tonic for plan in asked}) == 12
    assert len(asked) / len(plans) == pytest.approx(ASKED_SHARE, abs=0.1)
