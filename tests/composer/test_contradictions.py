"""Wishes that contradict each other are refused by field and bound; what some piece can do is not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.accompaniment.half_bars import beat_quarters
from composer.contradictions import check_graded, reach
from composer.judging import graded
from composer.learning.policy import load_policy
from composer.models import Commission
from composer.steering import GRADED, ImpossibleSteering, Steering
from music.features import features
from music.notes import MODES, Melody, Note
from tests.composer.conftest import CHECKPOINT

RUN = [[74 + step, "1/8"] for step in (0, 2, 0, 2, 4, 2, 0, 2)] * 4
"""A bar of 32nds in steps."""
HELD = [[62, 4]]
PUSHED = [[62, "1/2"], [64, 1], [62, "1/2"]]
LEAPING = [[62, 1], [81, 1], [62, 1], [81, 1]]
EIGHTHS = [[64, "1/2"], [62, "1/2"]] * 4
SILENCE = [[None, 4]]
LOW, HIGH = [[62, 4]], [[81, 4]]
CONTRADICTIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"bars": 6, "primer": HELD * 5, "density": 1}, "density", "0.09 … 0.64"),
    ({"bars": 4, "locked_bars": {"1": RUN, "2": RUN, "4": RUN}, "density": 0.2}, "density", "1.00 … 1.00"),
    ({"bars": 4, "primer": RUN * 3, "leaps": 0.9}, "leaps", "0.00 … 0.72"),
    ({"bars": 8, "primer": LEAPING * 7 + [[62, 3]], "leaps": 0.0}, "leaps", "1.00 … 1.00"),
    (
        {"bars": 4, "primer": PUSHED * 5 + [[62, 5]], "syncopation": 0.0},
        "syncopation",
        "0.83 … 1.00",
    ),
    ({"bars": 2, "primer": RUN, "syncopation": 1.0}, "syncopation", "0.00 … 0.34"),
    ({"bars": 2, "primer": [*RUN, [62, 3]], "brightness": 0.0}, "brightness", "0.54 … 0.73"),
    ({"metre": "1/4", "bars": 8, "syncopation": 0.5}, "syncopation", "one beat"),
    ({"bars": 2, "locked_bars": {"1": EIGHTHS}, "density": 0.0}, "density", "0.42 … 1.00"),
    ({"bars": 8, "locked_bars": {str(bar): SILENCE for bar in range(1, 8)}, "density": 1.0}, "density", "0.01 … 0.42"),
    ({"bars": 5, "locked_bars": {"1": LOW, "2": HIGH, "3": LOW, "4": HIGH}, "leaps": 0.0}, "leaps", "0.24 … 1.00"),
]


@pytest.mark.parametrize(("wish", "field", "bound"), CONTRADICTIONS)
def test_a_contradiction_is_refused_by_the_api(as_alice: APIClient, wish: dict[str, Any], field: str, bound: str) -> None:
    answer = as_alice.post("/api/v1/pieces/", {"steering": wish})

    assert answer.status_code == 400, answer.json()
    assert list(answer.json()["steering"]) == [field]
    assert bound in answer.json()["steering"][field][0]
    assert as_alice.post("/api/v1/pieces/", {"steering": wish | {field: None}}).status_code == 202


def test_a_contradiction_is_refused_by_the_page(client: Client, alice: Account) -> None:
    client.force_login(alice)
    form = {"style": "reel", "bars": "2", "primer": "d/4" * 32, "density": "1", "use_syncopation": "1", "syncopation": "1"}
    answer = client.post("/compose/", form)

    assert answer.status_code == 422
    assert "<b>Syncopation</b> must be 0.00 …" in answer.content.decode()
    assert Commission.objects.count() == 0


@pytest.mark.parametrize("wish", GRADED)
def test_an_accompaniment_takes_no_wish_for_its_melody(as_alice: APIClient, wish: str) -> None:
    melody = {"notes": [[67, 1], [69, 1], [71, 1], [67, 1]], "metre": "4/4"}
    answer = as_alice.post("/api/v1/pieces/", {"task": {"kind": "accompany", "melody": melody}, "steering": {wish: 0.5}})

    assert answer.status_code == 400
    assert "not heard in an accompaniment" in answer.json()["steering"][wish][0]


@pytest.mark.parametrize("metre", ["4/4", "3/4", "2/4", "6/8", "9/8", "3/8", "2/8", "16/16"])
@pytest.mark.parametrize("wish", GRADED)
def test_without_given_notes_everything_can_be_asked_of_one_bar(metre: str, wish: str) -> None:
    for value in (0.0, 1.0):
        check_graded(Steering.from_json({"metre": metre, "bars": 1, "lowest": 60, "highest": 69, wish: value}))


def test_what_a_piece_shows_is_never_called_impossible(trained_folder: Path) -> None:
    policy = load_policy("prior", trained_folder / CHECKPOINT)
    generator = np.random.default_rng(3)
    steerings = [_with_given_notes(generator) for _ in range(60)]

    for seed, steering in enumerate(steerings):
        melody = policy.compose(steering, None, seed=seed).melody
        shown = graded(features(melody), melody, steering)
        for wish, (least, most) in reach(steering).items():
            assert least - 1e-9 <= shown[wish] <= most + 1e-9, (wish, steering)


def test_whatever_is_accepted_can_be_reached() -> None:
    generator = np.random.default_rng(7)

    for steering in (_any_with_given_notes(generator) for _ in range(300)):
        pieces = [_filled(steering, fill) for fill in FILLS]
        shown = [graded(features(piece), piece, steering) for piece in pieces]
        for wish, (least, most) in reach(steering).items():
            found = [each[wish] for each in shown]
            assert least - 1e-9 <= min(found) <= least + NEARLY, (wish, least, found, steering.to_json())
            assert most - NEARLY <= max(found) <= most + 1e-9, (wish, most, found, steering.to_json())


NEARLY = 0.05
"""On the scale of a wish: an interval at a seam that these plain pieces don't find."""
Fill = Callable[[Steering, Fraction, Fraction, int | None, int | None], list[Note]]
"""Notes for an open stretch, from beginning to end, between two given pitches."""


def _filled(steering: Steering, fill: Fill) -> Melody:
    """A piece with its given notes; the stretches between them are filled so."""
    given: dict[Fraction, Note] = {}
    bars = [(Fraction(0), steering.primer or ())]
    bars += [((bar - 1) * steering.bar_quarters, notes) for bar, notes in steering.locked_bars]
    for start, notes in bars:
        for note in notes:
            given[start] = note
            start += note.quarters
    line: list[Note] = []
    now = Fraction(0)
    for start in [*sorted(given), steering.quarters]:
        if start > now:
            before = next((each.pitch for each in reversed(line) if each.pitch is not None), None)
            after = next((each.pitch for at, each in sorted(given.items()) if at >= start and each.pitch is not None), None)
            line += fill(steering, now, start, before, after)
        if start in given:
            line.append(given[start])
            now = start + given[start].quarters
    assert sum(note.quarters for note in line) == steering.quarters
    return Melody(notes=tuple(line), metre=steering.metre, tonic=steering.tonic, mode=steering.mode)


def _in_key(steering: Steering) -> list[int]:
    return [pitch for pitch in range(steering.lowest, steering.highest + 1) if pitch % 12 in steering.scale]


def _ending(steering: Steering, notes: list[Note], end: Fraction, near: int | None) -> list[Note]:
    """The same, on the tonic where the piece ends: on the nearest one."""
    if end < steering.quarters or not notes:
        return notes
    tonics = [pitch for pitch in _in_key(steering) if pitch % 12 == steering.tonic]
    target = notes[-1].pitch if near is None else near
    assert target is not None
    return [*notes[:-1], Note(min(tonics, key=lambda pitch: abs(pitch - target)), notes[-1].quarters)]


def _rests(steering: Steering, start: Fraction, end: Fraction, before: int | None, after: int | None) -> list[Note]:
    """Silence, and a last note where the piece needs one."""
    if end < steering.quarters or (before is not None and before % 12 == steering.tonic):
        return [Note(None, end - start)]
    last = min(end - start, Fraction(1, 8))
    rest = [Note(None, end - start - last)] if end - start > last else []
    return [*rest, *_ending(steering, [Note(before or steering.lowest, last)], end, before)]


def _32nds(start: Fraction, end: Fraction) -> list[Fraction]:
    return [Fraction(1, 8)] * int((end - start) * 8)


def _repeated(which: Callable[[list[int]], int]) -> Fill:
    """32nds of the lowest or highest note of the key."""

    def fill(steering: Steering, start: Fraction, end: Fraction, before: int | None, after: int | None) -> list[Note]:
        pitch = which(_in_key(steering))
        return _ending(steering, [Note(pitch, quarters) for quarters in _32nds(start, end)], end, pitch)

    return fill


def _walking(steering: Steering, start: Fraction, end: Fraction, before: int | None, after: int | None) -> list[Note]:
    """32nds in steps towards the next given note, or the tonic."""
    scale = _in_key(steering)
    tonics = [pitch for pitch in scale if pitch % 12 == steering.tonic]
    now = before if before is not None else after if after is not None else tonics[0]
    target = after if after is not None else min(tonics, key=lambda pitch: abs(pitch - now))
    notes = []
    for quarters in _32nds(start, end):
        near = [pitch for pitch in scale if abs(pitch - now) <= 4]
        now = min(near, key=lambda pitch: abs(pitch - target))
        notes.append(Note(now, quarters))
    return _ending(steering, notes, end, now)


def _leaping(steering: Steering, start: Fraction, end: Fraction, before: int | None, after: int | None) -> list[Note]:
    """32nds of which each is far from the one before."""
    scale, notes = _in_key(steering), []
    lengths = _32nds(start, end)
    now = before
    for number, quarters in enumerate(lengths):
        is_last = number == len(lengths) - 1
        ends = is_last and end == steering.quarters
        choice = [pitch for pitch in scale if not ends or pitch % 12 == steering.tonic]
        beyond = after if is_last else None
        now = max(
            choice,
            key=lambda pitch: (
                sum(each is not None and abs(pitch - each) >= 5 for each in (now, beyond))
                + abs(pitch - (now if now is not None else pitch)) / 1000
            ),
        )
        notes.append(Note(now, quarters))
    return notes


def _pushed(steering: Steering, start: Fraction, end: Fraction, before: int | None, after: int | None) -> list[Note]:
    """A note across each beat inside the bars, and none on one."""
    beat, bar = beat_quarters(steering.metre), steering.bar_quarters
    across = [place for place in _multiples(beat, start, end) if place % bar]
    cuts = sorted({start, end, *(place - Fraction(1, 8) for place in across if place - Fraction(1, 8) > start)})
    cuts += [place + Fraction(1, 8) for place in across if place + beat not in across]
    cuts = sorted(set(cuts))
    pitch = _in_key(steering)[0]
    notes = [Note(pitch if any(a < place < b and a % beat for place in across) else None, b - a) for a, b in pairwise(cuts)]
    sounding = [number for number, note in enumerate(notes) if note.pitch is not None]
    if end == steering.quarters and sounding:
        tonic = next(each for each in _in_key(steering) if each % 12 == steering.tonic)
        notes[sounding[-1]] = Note(tonic, notes[sounding[-1]].quarters)
    return notes if sounding else _rests(steering, start, end, before, after)


def _multiples(beat: Fraction, start: Fraction, end: Fraction) -> list[Fraction]:
    """Beats inside a stretch."""
    return [number * beat for number in range(int(start / beat), int(end / beat) + 1) if start < number * beat < end]


FILLS: list[Fill] = [_rests, _repeated(min), _repeated(max), _walking, _leaping, _pushed]


def _any_with_given_notes(generator: np.random.Generator) -> Steering:
    """A steering in any metre, key and range, with rests and notes of 16ths to dotted quarters given in some of its bars."""
    while True:
        beats, unit = METRES[int(generator.integers(len(METRES)))]
        bar, bars = Fraction(4 * beats, unit), int(generator.integers(1, 7))
        lowest = int(generator.integers(40, 70))
        highest = lowest + int(generator.integers(14, 30))
        longest = [Fraction(text) for text in ("1/4", "1/2", "1", "3/2")]

        def notes(
            quarters: Fraction, lowest: int = lowest, highest: int = highest, longest: list[Fraction] = longest
        ) -> list[list[Any]]:
            found: list[list[Any]] = []
            while quarters:
                length = min(quarters, longest[int(generator.integers(len(longest)))])
                pitch = None if generator.random() < 0.2 else int(generator.integers(lowest, highest + 1))
                found.append([pitch, str(length)])
                quarters -= length
            return found

        primer = notes(Fraction(int(generator.integers(0, int(bar * 2) + 1)), 2))
        locked = {str(number): notes(bar) for number in range(3, bars + 1) if generator.random() < 0.4}
        fields = {"metre": [beats, unit], "bars": bars, "lowest": lowest, "highest": highest, "primer": primer}
        key = {"tonic": int(generator.integers(12)), "mode": MODES[int(generator.integers(len(MODES)))]}
        try:
            return Steering.from_json({**fields, **key, "locked_bars": locked})
        except ImpossibleSteering:
            continue


METRES = [(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (5, 8), (7, 8), (3, 8), (12, 8), (2, 2), (5, 4)]


def _with_given_notes(generator: np.random.Generator) -> Steering:
    """Some bars of D major, half of them locked to random notes, sometimes with a primer in the first bar."""
    bars, unit = int(generator.integers(2, 6)), generator.choice(["1/2", "1/4", "1"])
    count = {"1/2": 8, "1/4": 16, "1": 4}[str(unit)]
    scale = [62, 64, 66, 67, 69, 71, 73, 74, 76, 78, None]

    def bar() -> list[list[Any]]:
        return [[scale[number], str(unit)] for number in generator.integers(len(scale), size=count)]

    locked = {str(number): bar() for number in range(2, bars + 1) if number < bars and generator.random() < 0.6}
    return Steering.from_json({"bars": bars, "primer": bar()[: int(generator.integers(count))], "locked_bars": locked})
