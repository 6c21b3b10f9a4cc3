"""Measures of quality against figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from composer.copies import CatalogueIndex
from composer.excerpts import ends_on_tonic, excerpt_of
from composer.measures import (
    FORM,
    MEASURES,
    degree_profile,
    distinct_share,
    duration_profile,
    ending_again,
    form_of,
    groove_consistency,
    interval_profile,
    measure,
    opening_again,
    pitch_class_entropy,
    scale_consistency,
)
from music.notes import Melody, Note
from tests.conftest import small_melody


def melody(pitches: Sequence[int | None], length: Fraction | str = "1", **more: object) -> Melody:
    notes = tuple(Note(pitch, Fraction(length)) for pitch in pitches)
    return Melody(**{"notes": notes, "metre": (4, 4), "tonic": 0, "mode": "major"} | more)  # type: ignore[arg-type]


def test_entropy_is_that_of_the_pitch_classes() -> None:
    assert pitch_class_entropy(melody([60, 72, 48])) == 0.0
    assert pitch_class_entropy(melody([60, 62, 64, 65])) == pytest.approx(2.0)
    assert pitch_class_entropy(melody([60, 72, 60, 67])) == pytest.approx(0.75 * np.log2(4 / 3) + 0.25 * 2)
    assert pitch_class_entropy(melody(list(range(60, 72)))) == pytest.approx(np.log2(12))


def test_scale_consistency_looks_for_the_scale_that_holds_most() -> None:
    assert scale_consistency(melody([61, 63, 65, 66, 68, 70, 72])) == 1.0  # D flat major, whatever the key says
    assert scale_consistency(melody(list(range(60, 72)))) == pytest.approx(7 / 12)


def test_groove_consistency_counts_differing_onsets_of_neighbouring_bars() -> None:
    same = melody([60, 62, 64, 65] * 3)
    # The second bar's last quarter is two eighths: one onset of sixteen differs, in one of the two pairs of bars.
    split = melody([60, 62, 64, 65] * 2)
    split = replace(split, notes=(*split.notes[:7], Note(65, Fraction(1, 2)), Note(67, Fraction(1, 2)), *same.notes[:4]))

    assert groove_consistency(same) == 1.0
    assert groove_consistency(split) == pytest.approx(1 - 1 / 16)
    assert groove_consistency(melody([60, 62])) == 1.0


def test_a_pickup_is_no_bar() -> None:
    with_pickup = melody([67, 60, 62, 64, 65, 60, 62, 64, 65], pickup=Fraction(1))

    assert groove_consistency(with_pickup) == 1.0


def test_groove_consistency_follows_the_printed_bar_lines() -> None:
    bar = [60, 62, 64, 65]
    odd = replace(melody([*bar, 67, 65, 62, *bar]), odd_bars=((1, Fraction(3)),))

    # The bar of three has no fourth onset: one of sixteen places differs, twice.
    assert groove_consistency(odd) == pytest.approx(1 - 2 / 32)


def test_profiles_count_what_they_say() -> None:
    tune = melody([60, 64, 62, None, 90], tonic=2)

    intervals = interval_profile(tune)
    assert [intervals[12 + step] for step in (4, -2, 12)] == [1, 1, 1]
    assert intervals.sum() == 3
    mixed = replace(
        tune, notes=(Note(60, Fraction(1, 2)), Note(62, Fraction(3, 2)), Note(64, Fraction(5, 7)), Note(None, Fraction(1)))
    )
    durations = duration_profile(mixed)
    assert [durations[place] for place in (2, 6, -1)] == [1, 1, 1]
    assert durations.sum() == 3
    degrees = degree_profile(melody([62, 62, 64, 69], tonic=2))
    assert [degrees[place] for place in (0, 2, 7)] == [0.5, 0.25, 0.25]


def test_every_measure_is_a_number_for_the_shortest_melody() -> None:
    found = measure(melody([60, 67]))

    assert set(found) == set(MEASURES)
    assert np.isfinite(list(found.values())).all()


def test_form_tells_where_bars_come_again() -> None:
    a, b, c, d, e = ([60, 62], [64, 65], [67, 65], [64, 62], [72, 71])
    tune = melody([*a, *b, *c, *d, *a, *b, *c, *a, *e, *b, *e, *d, *e, *b, *c, *a], "2")
    half = melody([*a, *b, *c, *d, *a, *e, *c, *a], "2")

    assert (opening_again(tune), ending_again(tune)) == (1.0, 1.0)
    assert (opening_again(half), form_of([half])) == (0.5, {"opening_comes_again_after_four_bars": 0.5})


def test_form_is_told_of_the_melodies_that_are_long_enough() -> None:
    short, same, other = melody([60, 62] * 4, "2"), melody([60, 62] * 5, "2"), melody([*[60, 62] * 4, 64, 65], "2")

    assert np.isnan([each.of(short) for each in FORM.values()]).all()
    assert form_of([short]) == form_of([]) == {}
    assert form_of([short, same, other]) == {"opening_comes_again_after_four_bars": 0.5}


def test_novelty_tells_a_copy_in_any_key_from_a_new_melody() -> None:
    known, new = small_melody(3), melody([60, 61] * 20, "1/2")
    index = CatalogueIndex.of([known])

    assert index.shared_share(known.transposed(2)) == 1.0
    assert index.shared_share(new) == 0.0
    assert distinct_share([known, known.transposed(5), new]) == pytest.approx(2 / 3)


def test_an_excerpt_is_cut_at_the_bar_lines_without_the_pickup() -> None:
    tune = melody([67, *[60, 62, 64, 65] * 4], pickup=Fraction(1))

    cut = excerpt_of(tune, 2)

    assert cut is not None
    assert [note.pitch for note in cut.notes] == [60, 62, 64, 65] * 2
    assert (cut.pickup, cut.bars) == (Fraction(0), 2)
    assert not ends_on_tonic(cut)
    assert ends_on_tonic(melody([67, 72]))
    assert excerpt_of(tune, 5) is None  # shorter than that
    assert excerpt_of(melody([60] * 3 + [62] + [64] * 3), 1) is None  # hardly any notes
    assert excerpt_of(melody([60, 62, 64, 65] * 2, "3/2"), 2) is None  # a note sounds across the cut
    assert excerpt_of(replace(tune, odd_bars=((1, Fraction(3)),)), 2) is None
