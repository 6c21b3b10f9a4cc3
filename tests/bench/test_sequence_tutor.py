"""What the Sequence Tutor's benchmark scored can be read by others, and by itself."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.melody_files import line_of, melody_of, read_melodies
from bench.sequence_tutor import main
from bench.sequence_tutor_rows import HIGHEST_TOKEN, HOLD, OFF, STEPS, TONIC, melody_of_tokens, raster, round_off
from music.notes import Melody, Note


@given(st.lists(st.integers(0, HIGHEST_TOKEN), min_size=STEPS, max_size=STEPS).filter(lambda tokens: tokens[0] != HOLD))
@settings(derandomize=True, deadline=None)
def test_tokens_survive_as_a_melody_and_its_line(tokens: list[int]) -> None:
    melody = melody_of_tokens(np.array(tokens))
    again = melody_of(json.loads(json.dumps(line_of(melody, id="a", collection="b"))))

    assert again == melody
    assert melody.quarters == 8
    found = raster(again)
    assert found is not None
    assert found.tolist() == tokens
    rounded, beside = round_off(again)
    assert (rounded.tolist(), beside) == (tokens, 0)


def test_notes_beside_the_grid_are_moved_to_it_and_counted() -> None:
    lengths = ("1/3", "1/3", "1/3", "1/8", "1/8", "1/4", "1/2")
    notes = (*(Note(60 + step, Fraction(length)) for step, length in enumerate(lengths)), Note(None, Fraction(6)))

    tokens, beside = round_off(Melody(notes=notes, metre=(4, 4), tonic=0, mode="major"))

    # The second 32nd falls on the sixteenth of the first.
    assert tokens.tolist() == [TONIC, TONIC + 1, HOLD, TONIC + 2, TONIC + 3, TONIC + 5, TONIC + 6, HOLD, OFF, *[HOLD] * 23]
    assert beside == 5


@pytest.mark.parametrize("name", ["melodies.jsonl", "melodies.jsonl.gz"])
def test_the_melodies_it_wrote_are_in_the_form_it_reads(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert main(["--quick", "--seeds", "2", "--split", str(tmp_path / "none"), "--melodies-out", str(path)]) == 0

    content = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    lines = [json.loads(line) for line in content.splitlines()]
    melodies = read_melodies(path)

    assert len(melodies) == len(lines) == 500
    assert {(line["model"], line["seed"]) for line in lines} == {("random walk", 0), ("random walk", 1)}
    assert len({line["id"] for line in lines}) == 500
    for line, (melody, _, collection) in zip(lines, melodies, strict=True):
        tokens = raster(melody)
        assert tokens is not None
        assert (tokens.tolist(), collection) == (line["tokens"], "random walk")
