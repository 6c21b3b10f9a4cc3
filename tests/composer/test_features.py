"""What was played ½, 1, 2, 4 and 8 bars ago is among the inputs, and the prior's next note depends on it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from composer.learning.features import (
    LOOKBACK_HALF_BARS,
    NONE_DURATION,
    NONE_PITCH,
    SOURCE_DURATION,
    SOURCE_PITCH,
    observe_melodies,
)
from composer.learning.network import Prior
from composer.tokens import duration_number, pitch_token
from music.notes import Melody, Note

LOOKBACKS = range(len(LOOKBACK_HALF_BARS))
NOTES_AGO = (4, 8, 16, 32, 64)
"""½, 1, 2, 4 and 8 bars of eighths in 4/4."""


def inputs(melody: Melody) -> NDArray[np.int16]:
    """The inputs before each note, NF."""
    index_NF: NDArray[np.int16] = observe_melodies([melody], [0])["index"][0]
    return index_NF


def eighths(pitches: list[int]) -> Melody:
    notes = tuple(Note(pitch, Fraction(1, 2)) for pitch in pitches)
    return Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")


@given(
    notes=st.lists(
        st.tuples(st.none() | st.integers(55, 80), st.sampled_from(["1/2", "1", "3/2", "1/4", "1/3", "2"])),
        min_size=2,
        max_size=60,
    ),
    metre=st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 4), (5, 8)]),
    pickup=st.sampled_from(["0", "1/2", "1"]),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_each_source_is_the_note_so_long_ago(notes: list[tuple[int | None, str]], metre: tuple[int, int], pickup: str) -> None:
    line = tuple(Note(pitch, Fraction(length)) for pitch, length in notes)
    melody = Melody(notes=line, metre=metre, tonic=2, mode="major", pickup=Fraction(pickup))
    index_NF, onsets = inputs(melody), list(melody.onsets())

    for row, (now, _) in enumerate(onsets):
        for source, half_bars in zip(LOOKBACKS, LOOKBACK_HALF_BARS.tolist(), strict=True):
            ago = now - melody.bar_quarters * half_bars / 2
            sounding = [(start, note) for start, note in onsets if start <= ago]
            found = index_NF[row, SOURCE_PITCH][source], index_NF[row, SOURCE_DURATION][source]
            if not sounding:
                assert found == (NONE_PITCH, NONE_DURATION)
                continue
            start, note = sounding[-1]
            length = duration_number(note.quarters) if start == ago else NONE_DURATION
            assert found == (pitch_token(note.pitch, 2), length)


@pytest.mark.parametrize("lookback", LOOKBACKS)
def test_the_prior_reads_the_note_so_long_ago(lookback: int) -> None:
    generator = np.random.default_rng(lookback)
    pitches = generator.integers(60, 72, size=65).tolist()
    there = 64 - NOTES_AGO[lookback]
    changed = [*pitches[:there], pitches[there] + 12, *pitches[there + 1 :]]
    before_F, after_F = (inputs(eighths(line))[64] for line in (pitches, changed))

    differing = np.flatnonzero(before_F[SOURCE_PITCH] != after_F[SOURCE_PITCH]).tolist()
    assert [source for source in differing if source in LOOKBACKS] == [lookback]
    assert (before_F[SOURCE_DURATION] == after_F[SOURCE_DURATION]).all()

    # Only this input is changed, and no melody goes before: what differs is not the recurrent layer's memory.
    alone_F = before_F.copy()
    alone_F[SOURCE_PITCH][lookback] = after_F[SOURCE_PITCH][lookback]
    torch.manual_seed(lookback)
    prior = Prior(inputs=16, hidden=16, body=16).eval()
    with torch.no_grad():
        views = [prior.look(torch.from_numpy(index_F)[None, None]) for index_F in (before_F, alone_F)]
        pitch_logits = [prior.pitch_logits(view)[0, 0] for view in views]
        duration_logits = [prior.duration_logits(view, torch.tensor([[3]]))[0, 0] for view in views]

    assert (pitch_logits[0] - pitch_logits[1]).abs().max() > 1e-4
    assert (duration_logits[0] - duration_logits[1]).abs().max() > 1e-4


def test_a_note_longer_ago_than_eight_bars_is_read_only_through_what_came_after() -> None:
    pitches = np.random.default_rng(9).integers(60, 72, size=90).tolist()
    first, other = eighths(pitches), eighths([pitches[0] + 12, *pitches[1:]])

    assert (inputs(first)[70:] == inputs(other)[70:]).all()
