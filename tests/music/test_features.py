"""φ says what a musician would say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from music.counted import beat_quarters
from music.features import NAMES, features
from music.notes import Melody
from tests.music.cast import JIG, SCALE, melody
from tests.music.strategies import melodies, misprinted_melodies


def value(tune: Melody, name: str) -> float:
    return float(features(tune)[NAMES.index(name)])


def test_names_are_unique_and_one_per_value() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(features(SCALE))


@given(melodies())
def test_values_are_finite_and_roughly_zero_to_one(tune: Melody) -> None:
    values = features(tune)

    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1.5


@given(melodies())
def test_transposing_changes_only_the_mean_pitch(tune: Melody) -> None:
    difference = np.abs(features(tune) - features(tune.transposed(3)))
    difference[NAMES.index("mean_pitch_midi_36_to_96")] = 0

    assert difference.max() < 1e-12


def test_a_scale_is_all_steps() -> None:
    assert value(SCALE, "share_of_steps") == 1.0
    assert value(SCALE, "share_of_leaps") == 0.0
    assert value(SCALE, "range_over_36_semitones") == 12 / 36


def test_a_jig_is_compound_with_a_pickup() -> None:
    assert value(JIG, "is_compound_metre") == 1.0
    assert value(JIG, "has_pickup") == 1.0


def test_a_repeated_bar_counts_and_a_changed_ending_counts_apart() -> None:
    question = "60:1 62:1 64:1 65:1"
    tune = melody(f"{question} {question} 60:1 62:1 67:1 60:1")

    assert value(tune, "share_of_repeated_bars") == 0.5
    assert value(tune, "share_of_bars_repeated_with_changed_ending") == 0.5


def test_a_note_over_the_beat_is_syncopated() -> None:
    assert value(melody("60:1/2 62:1 64:1 65:1 67:1/2"), "share_of_syncopated_notes") == 3 / 5


def test_dots_triplets_and_rests_are_counted() -> None:
    tune = melody("60:3/2 62:1/2 64:1/3 65:1/3 67:1/3 r:1 69:2/3 71:1/3 72:3/4 r:1/4")

    assert value(tune, "share_of_dotted_notes") == 2 / 8
    assert value(tune, "share_of_triplet_notes") == 5 / 8
    assert value(tune, "rest_time_share") == pytest.approx(1.25 / 6)


@given(st.one_of(melodies(), misprinted_melodies()))
def test_rhythm_is_what_fractions_say(tune: Melody) -> None:
    beat = beat_quarters(tune.metre)
    notes = [(tune.place_in_bar(start) % beat, note.quarters) for start, note in tune.onsets() if note.pitch is not None]
    resting = sum(note.quarters for note in tune.notes if note.pitch is None)
    shares = {
        "share_of_off_beat_notes": np.mean([place != 0 for place, _ in notes]),
        "share_of_syncopated_notes": np.mean([place != 0 and place + length > beat for place, length in notes]),
        "share_of_dotted_notes": np.mean([length.numerator % 3 == 0 for _, length in notes]),
        "share_of_triplet_notes": np.mean([length.denominator % 3 == 0 for _, length in notes]),
        "rest_time_share": float(resting / tune.quarters),
    }

    assert {name: value(tune, name) for name in shares} == pytest.approx(shares, abs=1e-12)


def test_behind_a_bar_of_another_length_bars_come_again() -> None:
    question = "60:1 62:1 64:1 65:1"
    tune = replace(melody(f"{question} 67:1 65:1 62:1 {question}"), odd_bars=((1, Fraction(3)),))

    assert value(tune, "share_of_repeated_bars") == 1 / 2
    assert value(replace(tune, odd_bars=()), "share_of_repeated_bars") == 0.0
    assert value(tune, "length_in_64_bars") == 3 / 64


def test_behind_a_bar_of_another_length_the_beat_goes_on() -> None:
    tune = replace(melody("60:1 62:1 64:1 65:1/2 67:1 69:1 71:1 72:1"), odd_bars=((0, Fraction(7, 2)),))

    assert value(tune, "share_of_off_beat_notes") == 0.0
    assert value(replace(tune, odd_bars=()), "share_of_syncopated_notes") == 1 / 2


def test_only_rests_give_numbers_too() -> None:
    assert np.isfinite(features(melody("r:4"))).all()


def test_measuring_loads_no_slow_library() -> None:
    code = "import sys, music.features, music.parsing; print({'music21', 'verovio', 'symusic'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
