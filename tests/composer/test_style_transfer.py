"""A melody in another style: strong notes stay, the fewer the further; the ends of the dial are exact."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest

from composer.constraints import MAXIMUM_SAME_PITCH
from composer.copies import LONGEST_SHARED_NOTES, CatalogueIndex, Originality
from composer.learning.features import in_ticks
from composer.melody_bars import between, evened, full_bars
from composer.melody_tasks import MelodyTask
from composer.performing import perform_task
from composer.recipes import policy_of
from composer.style_transfer import anchors_of, content
from music.keys import pitch_class_profile
from music.notes import Melody, Note, Score
from tests.conftest import small_melody
from training.models import PolicyVersion

pytestmark = pytest.mark.django_db
REEL = small_melody(3, "reel")


def told(version: PolicyVersion, melody: Melody = REEL, *, style: str = "jig", blend: float = 0.5, seed: int = 1) -> Score:
    task = MelodyTask(kind="transfer", melody=melody, source_style="reel", style=style, blend=blend)
    return perform_task(task, task.steering({}), None, policy_of(version), seed=seed)[0]


def onsets(melody: Melody) -> set[tuple[int, int | None]]:
    return {(in_ticks(start - melody.pickup), note.pitch) for start, note in melody.onsets()}


def test_no_blend_gives_the_melody_itself(composer_version: PolicyVersion) -> None:
    assert told(composer_version, blend=0.0).melody == REEL


@pytest.mark.parametrize("blend", [0.25, 0.5, 0.9])
def test_every_anchor_stands_in_the_new_melody(composer_version: PolicyVersion, blend: float) -> None:
    melody = told(composer_version, blend=blend).melody

    assert set(anchors_of(REEL, melody.metre, 1 - blend)) <= onsets(melody)


def test_an_anchor_that_no_note_can_reach_is_told(composer_version: PolicyVersion) -> None:
    # No note of the composer is as short as a twenty-fourth of a quarter note: the second one has no place.
    quick = (Note(60, Fraction(1, 24)), Note(64, Fraction(1, 24)), Note(62, Fraction(11, 12)))
    crowded = replace(REEL, notes=quick + REEL.notes[2:])
    task = MelodyTask(kind="transfer", melody=crowded, source_style="reel", style="reel", blend=0.05)

    _, figures = perform_task(task, task.steering({}), None, policy_of(composer_version), seed=1)

    assert figures["relaxed"]["anchors"] > 0


def test_what_a_strong_note_overrules_is_told(composer_version: PolicyVersion) -> None:
    # Four equal notes in a row are the most the composer writes, and none out of key; close to such a tune there are.
    drone = (Note(62, Fraction(2)), *[Note(66, Fraction(1, 4))] * 8, Note(68, Fraction(1, 2)))
    strange = replace(REEL, notes=(*drone, *REEL.notes[9:]))
    task = MelodyTask(kind="vary", melody=strange, source_style="reel", closeness=0.95)

    score, figures = perform_task(task, task.steering({}), None, policy_of(composer_version), seed=1)

    assert max(len(list(run)) for _, run in groupby(note.pitch for note in score.melody.notes)) > MAXIMUM_SAME_PITCH
    assert figures["relaxed"]["repetition"] > 0
    assert figures["relaxed"]["key"] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_closer_a_variation_the_more_of_the_melody_stays(composer_version: PolicyVersion, seed: int) -> None:
    shares = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
    kept = []
    for share in shares:
        task = MelodyTask(kind="vary", melody=REEL, source_style="reel", closeness=share)
        score, _ = perform_task(task, task.steering({}), None, policy_of(composer_version), seed=seed)
        assert set(anchors_of(REEL, REEL.metre, share)) <= onsets(score.melody)
        kept.append(len(onsets(REEL) & onsets(score.melody)))

    assert all(fewer < more for fewer, more in pairwise(kept))
    assert kept[-1] == len(REEL.notes)


def test_what_would_be_a_copy_gives_way_but_the_melody_itself_may_stay(composer_version: PolicyVersion) -> None:
    plain = policy_of(composer_version)
    task = MelodyTask(kind="vary", melody=REEL, source_style="reel", closeness=0.3)

    def vary(known: list[Melody]) -> tuple[Melody, dict[str, Any]]:
        careful = replace(plain, originality=Originality(catalogue=CatalogueIndex.of(known), limits={}))
        score, figures = perform_task(task, task.steering({}), None, careful, seed=1)
        return score.melody, figures

    free, figures = vary([])
    other, figures_of_other = vary([free])

    assert CatalogueIndex.of([free]).longest_shared(free) > LONGEST_SHARED_NOTES
    assert (figures["copies"], figures["longest_shared_run"]) == (0, 0)
    assert other != free
    assert figures_of_other["copies"] >= 1
    assert figures_of_other["longest_shared_run"] <= LONGEST_SHARED_NOTES
    assert vary([REEL])[0] == free


def test_more_blend_keeps_fewer_notes_and_never_others() -> None:
    kept = [set(anchors_of(REEL, REEL.metre, 1 - blend)) for blend in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]

    assert all(fewer < more for more, fewer in pairwise(kept))
    assert kept[-1] == set()


def test_what_stays_longest_are_the_first_notes_of_bars() -> None:
    bar = in_ticks(REEL.bar_quarters)

    assert {tick % bar for tick, _ in anchors_of(REEL, REEL.metre, 8 / 64)} == {0}


def test_beyond_half_the_style_brings_its_metre_and_keeps_the_bars(composer_version: PolicyVersion) -> None:
    near, far = told(composer_version, blend=0.5).melody, told(composer_version, blend=0.6).melody

    assert (near.metre, far.metre) == ((4, 4), (6, 8))
    assert near.bars == far.bars == REEL.bars
    assert (far.tonic, far.mode) == (REEL.tonic, REEL.mode)


def test_a_pickup_stays_with_its_metre(composer_version: PolicyVersion) -> None:
    notes = (Note(69, Fraction(1, 2)), *REEL.notes)
    melody = told(composer_version, replace(REEL, notes=notes, pickup=Fraction(1, 2))).melody

    assert (melody.pickup, melody.notes[0]) == (Fraction(1, 2), Note(69, Fraction(1, 2)))


def test_the_same_seed_tells_the_same_melody(composer_version: PolicyVersion) -> None:
    assert told(composer_version, seed=2) == told(composer_version, seed=2) != told(composer_version, seed=3)


def test_content_is_whole_for_the_same_notes_and_nothing_for_others() -> None:
    low, high = (replace(REEL, notes=tuple(Note(pitch, Fraction(1)) for _ in range(8))) for pitch in (60, 61))

    assert content(REEL, REEL) == pytest.approx(1.0)
    assert content(low, high) == 0.0


def test_content_counts_bars_as_printed() -> None:
    notes = tuple(Note(60 + place, Fraction(1)) for place in range(9))
    long_bar = replace(REEL, notes=notes, metre=(4, 4), pickup=Fraction(0), odd_bars=((1, Fraction(5)),))

    assert content(long_bar, long_bar) == pytest.approx(1.0)
    assert content(long_bar, evened(long_bar)) == pytest.approx(1.0)


def content_bar_by_bar(source: Melody, told: Melody) -> float:
    """The definition, read off slowly: each bar cut out of both melodies."""
    cosines = []
    for number in range(min(full_bars(source), full_bars(told))):
        bars = []
        for melody in (source, told):
            start = melody.pickup + number * melody.bar_quarters
            bars.append(pitch_class_profile(between(melody, start, start + melody.bar_quarters)))
        if bars[0].any() and bars[1].any():
            cosines.append(bars[0] @ bars[1] / np.sqrt((bars[0] @ bars[0]) * (bars[1] @ bars[1])))
    return float(np.mean(cosines)) if cosines else 0.0


def test_content_in_one_pass_is_what_bar_by_bar_gives() -> None:
    lengths = [Fraction(1, 2), Fraction(1, 3), Fraction(3, 4), Fraction(5, 7), Fraction(9, 2)]
    chance = np.random.default_rng(5)
    for metre, pickup in (((4, 4), Fraction(0)), ((6, 8), Fraction(1, 2)), ((5, 16), Fraction(1, 3))):
        one, two = (
            Melody(
                notes=tuple(
                    Note(
                        None if chance.random() < 0.1 else int(chance.integers(50, 80)), lengths[chance.integers(len(lengths))]
                    )
                    for _ in range(60)
                ),
                metre=metre,
                tonic=0,
                mode="major",
                pickup=pickup,
            )
            for _ in range(2)
        )

        assert content(one, two) == pytest.approx(content_bar_by_bar(one, two), rel=1e-12)
