"""Tokens give every melody back exactly."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer import tokens
from music.notes import MODES, Melody, Note, Score
from recsys import corpus
from recsys.tunes import read_tune

notes = st.builds(
    Note,
    st.none() | st.integers(0, 127),
    st.sampled_from(tokens.DURATIONS) | st.fractions(Fraction(1, 96), 40, max_denominator=96),
)
odd_bars = st.tuples(st.integers(0, 30), st.fractions(Fraction(1, 4), 9, max_denominator=16))
melodies = st.builds(
    Melody,
    notes=st.lists(notes, max_size=40).map(tuple),
    metre=st.sampled_from([(2, 4), (3, 4), (4, 4), (5, 8), (6, 8), (9, 8), (12, 16), (3, 2)]),
    tonic=st.integers(0, 11),
    mode=st.sampled_from(MODES),
    pickup=st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1, 3), Fraction(5, 4)]),
    tempo=st.floats(30, 300),
    odd_bars=st.lists(st.tuples(st.integers(0, 30), st.fractions(Fraction(1, 4), 9, max_denominator=16)), max_size=3).map(
        tuple
    ),
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(melodies)
def test_every_melody_comes_back_exactly(melody: Melody) -> None:
    assert tokens.decode(tokens.encode(melody), tokens.heading_of(melody)) == melody


@pytest.mark.slow
@pytest.mark.parametrize("collection", corpus.COLLECTIONS, ids=lambda collection: collection.name)
def test_every_tune_of_the_starter_catalogue_comes_back_exactly(collection: corpus.Collection) -> None:
    """A hundred seconds of one core in all, two fifths of them for the Essen collection."""
    for tune in corpus.tunes_of(collection):
        read = read_tune(tune)
        assert read.fields is not None, read
        for voice in Score.from_json(read.fields["score"]).voices:
            melody = voice.melody
            assert tokens.decode(tokens.encode(melody), tokens.heading_of(melody)) == melody, read.source


def test_a_transposed_melody_has_the_same_tokens() -> None:
    melody = Melody(
        notes=(Note(60, Fraction(1)), Note(None, Fraction(1, 3)), Note(67, Fraction(7, 9))), metre=(4, 4), tonic=0, mode="major"
    )

    assert tokens.encode(melody.transposed(5)) == tokens.encode(melody)


def test_a_common_note_is_two_tokens_and_a_rare_length_is_written_out() -> None:
    melody = Melody(notes=(Note(62, Fraction(1, 2)), Note(62, Fraction(21, 5))), metre=(4, 4), tonic=2, mode="major")

    names = [tokens.NAMES[token] for token in tokens.encode(melody)]

    assert names == ["pitch 60", "lasts 1/2", "pitch 60", "lasts otherwise:", "2", "1", "/", "5", "end of length"]


@pytest.mark.parametrize(
    "broken",
    [
        [tokens.ESCAPE],
        [tokens.REST],
        [tokens.REST, tokens.REST],
        [tokens.REST, tokens.ESCAPE, tokens.ESCAPE + 1],
        [tokens.REST, tokens.ESCAPE, tokens.ESCAPE + 1, tokens.ESCAPE + 11, tokens.ESCAPE + 2, tokens.ESCAPE + 12],
        [999],
    ],
)
def test_it_refuses_tokens_that_are_no_melody(broken: list[int]) -> None:
    with pytest.raises(ValueError):
        tokens.decode(broken, tokens.Heading(metre=(4, 4), tonic=0, mode="major"))
