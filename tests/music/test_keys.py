"""Signatures, spelling and the estimate of a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from music import keys
from music.notes import MODES
from tests.music.cast import SCALE, melody


@pytest.mark.parametrize(
    ("tonic", "mode", "sharps"),
    [
        (0, "major", 0),
        (2, "major", 2),
        (5, "major", -1),
        (9, "minor", 0),
        (4, "dorian", 2),
        (9, "mixolydian", 2),
        (11, "minor", 2),
    ],
)
def test_a_signature_has_the_sharps_musicians_know(tonic: int, mode: str, sharps: int) -> None:
    assert keys.fifths(tonic, mode) == sharps
    assert keys.tonic_of_signature(sharps, mode) == tonic


@given(st.integers(0, 11), st.integers(0, 11), st.sampled_from(MODES))
def test_a_spelled_pitch_sounds_as_itself(pitch_class: int, tonic: int, mode: str) -> None:
    letter, alteration = keys.spell(pitch_class, keys.fifths(tonic, mode))

    assert (keys.pitch_class_of(letter) + alteration) % 12 == pitch_class
    assert abs(alteration) <= 2


def test_the_leading_note_of_a_minor_is_g_sharp() -> None:
    assert keys.spell(8, keys.fifths(9, "minor")) == ("G", 1)


def test_a_scale_is_in_its_key() -> None:
    assert keys.estimate_key(SCALE.notes) == (0, "major")


@pytest.mark.parametrize("mode", ["major", "minor", "dorian", "mixolydian"])
def test_a_bare_key_leaves_the_mode_to_the_notes(mode: str) -> None:
    steps = keys.SCALE_STEPS[mode]
    tune = melody(" ".join(f"{67 + step}:1" for step in (0, steps[2], steps[4], *steps, 12, steps[4], steps[2], 0)))

    assert keys.estimate_key(tune.notes, declared_tonic=7, signature_fifths=keys.fifths(7, "major")) == (7, mode)


def test_silence_has_the_declared_tonic() -> None:
    assert keys.estimate_key(melody("r:4").notes, declared_tonic=5) == (5, "major")


@pytest.mark.parametrize(("pitch", "words"), [(60, "C4 (60)"), (48, "C3 (48)"), (70, "B♭4 (70)"), (0, "C-1 (0)")])
def test_a_pitch_is_named_beside_its_number(pitch: int, words: str) -> None:
    assert keys.name_pitch(pitch) == words
