"""φ says what a musician would say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given

from music.features import NAMES, features
from music.notes import Melody
from tests.music.cast import JIG, SCALE, melody
from tests.music.strategies import melodies


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


def test_only_rests_give_numbers_too() -> None:
    assert np.isfinite(features(melody("r:4"))).all()


def test_measuring_loads_no_slow_library() -> None:
    code = "import sys, music.features, music.parsing; print({'music21', 'verovio', 'symusic'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
