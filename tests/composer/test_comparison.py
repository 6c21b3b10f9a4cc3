"""Pieces beside people's: bands, shares inside them, overlap."""

from __future__ import annotations

import numpy as np
import pytest

from composer.comparison import bands_of, compare, compare_styles, is_inside, overlapping_area, profile_overlap
from composer.measures import MEASURES, Measured
from tests.composer.test_measures import melody
from tests.conftest import small_melody


def test_overlap_is_one_for_the_same_and_zero_for_strangers() -> None:
    values = np.arange(100.0)

    assert overlapping_area(values, values) == pytest.approx(1.0)
    assert overlapping_area(values, values + 1000) == 0.0
    assert overlapping_area(np.array([3.0]), np.array([3.0])) == 1.0
    # Half of the one lies in the cells of the other, which are full: the area under the lower one is a half.
    assert overlapping_area(np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
    assert profile_overlap(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == pytest.approx(0.75)
    assert profile_overlap(np.zeros(2), np.ones(2)) == 0.0


def test_bands_are_percentiles_of_the_style_and_of_all_where_it_is_rare() -> None:
    values = np.concatenate([np.arange(101.0), [1000.0]])
    styles = ["reel"] * 101 + ["jig"]

    bands = bands_of(values, styles)

    assert bands["reel"] == (10.0, 90.0)
    assert "jig" not in bands
    inside = is_inside(np.array([10.0, 95.0, 95.0]), ["reel", "reel", "jig"], values, styles)
    assert bands[""][1] < 95.0
    assert inside.tolist() == [True, False, False]
    assert is_inside(values, styles, values, styles).mean() == pytest.approx(0.8, abs=0.02)


def test_people_compared_with_themselves_lie_in_their_bands() -> None:
    melodies = [small_melody(number) for number in range(60)]
    people = Measured.of(melodies, ["reel"] * 60)

    rows = {row.name: row for row in compare(people, people)}

    assert set(rows) == set(MEASURES)
    assert all(row.overlap == pytest.approx(1.0) for row in rows.values())
    assert all(row.inside >= 0.75 for row in rows.values())
    assert rows["range_semitones"].people[1] == np.median([np.ptp([note.pitch for note in each.notes]) for each in melodies])


def test_overlap_is_told_within_each_style() -> None:
    low, high, other = ([melody([pitch, pitch + 2] * 4) for _ in range(30)] for pitch in (60, 72, 84))
    high = [melody([60, 67] * 4) for _ in high]
    people = Measured.of([*low, *high], ["reel"] * 30 + ["jig"] * 30)
    swapped = Measured.of([*high[:10], *low[:30], *other[:5]], ["reel"] * 10 + ["jig"] * 30 + ["waltz"] * 5)

    rows = {row.style: row for row in compare_styles(swapped, people)}

    # Together both groups have the same intervals; a reel among them has none of people's reels.
    assert [(style, row.pieces) for style, row in rows.items()] == [("reel", 10), ("jig", 30), ("", 5)]
    assert rows["reel"].overlaps["mean_interval"] == rows["jig"].overlaps["intervals"] == 0.0
    assert rows[""].overlaps["intervals"] == pytest.approx(0.5)
    assert rows["reel"].overlaps["durations"] == rows["reel"].people_overlaps["intervals"] == pytest.approx(1.0)
    row = next(row for row in compare(swapped, people) if row.name == "mean_interval")
    assert row.overlap == pytest.approx(5 / 45 * rows[""].overlaps["mean_interval"])
    assert rows["reel"].inside < compare_styles(people, people)[0].inside == 1.0
