"""Wishes that contradict each other are refused by field and bound; what some piece can do is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.contradictions import check_graded, reach
from composer.judging import graded
from composer.learning.policy import load_policy
from composer.models import Commission
from composer.steering import GRADED, Steering
from music.features import features
from tests.composer.conftest import CHECKPOINT

RUN = [[74 + step, "1/8"] for step in (0, 2, 0, 2, 4, 2, 0, 2)] * 4
"""A bar of 32nds in steps."""
HELD = [[62, 4]]
PUSHED = [[62, "1/2"], [64, 1], [62, "1/2"]]
LEAPING = [[62, 1], [81, 1], [62, 1], [81, 1]]
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
    ({"bars": 2, "primer": RUN, "syncopation": 1.0}, "syncopation", "0.00 … 0.54"),
    ({"bars": 2, "primer": [*RUN, [62, 3]], "brightness": 0.0}, "brightness", "0.54 … 0.73"),
    ({"metre": "1/4", "bars": 8, "syncopation": 0.5}, "syncopation", "one beat"),
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


def _with_given_notes(generator: np.random.Generator) -> Steering:
    """Some bars of D major, half of them locked to random notes, sometimes with a primer in the first bar."""
    bars, unit = int(generator.integers(2, 6)), generator.choice(["1/2", "1/4", "1"])
    count = {"1/2": 8, "1/4": 16, "1": 4}[str(unit)]
    scale = [62, 64, 66, 67, 69, 71, 73, 74, 76, 78, None]

    def bar() -> list[list[Any]]:
        return [[scale[number], str(unit)] for number in generator.integers(len(scale), size=count)]

    locked = {str(number): bar() for number in range(2, bars + 1) if number < bars and generator.random() < 0.6}
    return Steering.from_json({"bars": bars, "primer": bar()[: int(generator.integers(count))], "locked_bars": locked})
