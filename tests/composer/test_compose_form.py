"""The compose form and the API have every attribute of a steering; notes are given in ABC, or kept from a piece."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.composing import compose_commission
from composer.given_notes import GivenNotes
from composer.melody_bars import notes_by_bar
from composer.models import Commission, Piece
from composer.serializers import SteeringSerializer
from composer.steering import Steering
from music.notes import Note, Score

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "tracks")]
COMPOSE = "/compose/"
QUARTERS = [[74, "1"], [78, "1"], [81, "2"]]
ASKED: dict[str, tuple[Any, dict[str, str]]] = {
    "style": ("jig", {"style": "jig", "metre": "4/4", "tempo": "200"}),
    "tonic": (7, {"tonic": "7"}),
    "mode": ("dorian", {"mode": "dorian"}),
    "chords": ("D A7 | G D", {"chords": "D A7 | G D"}),
    "metre": ([3, 4], {"metre": "3/4"}),
    "bars": (8, {"bars": "8"}),
    "tempo": (90.0, {"tempo": "90"}),
    "lowest": (55, {"lowest": "55"}),
    "highest": (79, {"highest": "79"}),
    "density": (0.25, {"density": "0.25", "use_density": "1"}),
    "leaps": (0.25, {"leaps": "0.25", "use_leaps": "1"}),
    "syncopation": (0.25, {"syncopation": "0.25", "use_syncopation": "1"}),
    "brightness": (0.25, {"brightness": "0.25", "use_brightness": "1"}),
    "closeness": (0.25, {"closeness": "0.25", "use_closeness": "1"}),
    "taste_strength": (0.5, {"taste_strength": "0.5"}),
    "primer": (QUARTERS, {"primer": "d2 f2 a4 |"}),
    "locked_bars": ({"5": QUARTERS}, {"locked_bars": "5: d2 f2 a4"}),
}
"""What is asked of each attribute, as the API and as the form say it. A new attribute fails here until it has both."""
NAMES = [field.name for field in dataclasses.fields(Steering)]


@pytest.fixture
def browser(client: Client, alice: Account) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def piece(as_alice: APIClient) -> Piece:
    """A piece of Alice's."""
    answer = as_alice.post("/api/v1/pieces/", {"steering": {"style": "reel", "bars": 4}, "seed": 1})
    compose_commission(answer.json()["id"])
    return Piece.objects.get()


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_is_a_control_of_the_form(browser: Client, name: str) -> None:
    page = browser.get(COMPOSE).content.decode()
    assert re.search(rf'<(select|input|textarea)[^>]* name="{name}"', page)

    value, sent = ASKED[name]
    answer = browser.post(COMPOSE, {"style": "reel"} | sent)

    assert answer.status_code == 302, answer.content.decode()
    assert Commission.objects.get().steering == Steering.from_json({"style": "reel"}).to_json() | {name: value}


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_is_a_described_field_of_the_api(as_alice: APIClient, name: str) -> None:
    assert SteeringSerializer().fields[name].help_text or name == "mode"

    answer = as_alice.post("/api/v1/pieces/", {"steering": {name: ASKED[name][0]}})

    assert answer.status_code == 202, answer.json()
    assert answer.json()["steering"][name] == ASKED[name][0]


def test_the_api_describes_no_attribute_that_is_none() -> None:
    assert list(SteeringSerializer().fields) == NAMES


def test_notes_are_read_in_the_key_and_metre_of_the_form(browser: Client) -> None:
    form = {
        "style": "jig",
        "tonic": "5",
        "metre": "6/8",
        "highest": "88",
        "primer": "b | z2 (3abc d'/ f3/2",
        "locked_bars": "4: z6\n3: b6",
    }
    answer = browser.post(COMPOSE, form)
    assert answer.status_code == 302, answer.context["error"]

    steering = Steering.from_json(Commission.objects.get().steering)
    third = Fraction(1, 3)
    assert steering.primer == (
        *(Note(82, Fraction(1, 2)), Note(None, Fraction(1)), Note(81, third), Note(82, third), Note(72, third)),
        *(Note(86, Fraction(1, 4)), Note(77, Fraction(3, 4))),
    )
    assert steering.locked_bars == ((3, (Note(82, Fraction(3)),)), (4, (Note(None, Fraction(3)),)))


def test_bars_of_a_piece_stay_in_its_variation_and_come_back_in_the_next_form(browser: Client, piece: Piece) -> None:
    page = browser.get(COMPOSE, {"from": piece.track_id}).content.decode()
    assert page.count('name="keep"') == 4

    form = {"style": "reel", "bars": "4", "parent": str(piece.track_id), "keep": ["1", "3"], "primer": "", "locked_bars": ""}
    browser.post(COMPOSE, form)
    made = Commission.objects.get(parent=piece)
    compose_commission(made.pk)

    made.refresh_from_db()
    assert made.piece is not None
    own, new = (notes_by_bar(Score.from_json(one.track.score).melody) for one in (piece, made.piece))
    assert (new[0], new[2]) == (own[0], own[2])
    assert new != own
    page = browser.get(COMPOSE, {"from": made.piece.track_id}).content.decode()
    assert re.findall(r'name="keep" value="(\d)" checked', page) == ["1", "3"]


def test_given_notes_stand_in_the_form_of_a_variation(browser: Client) -> None:
    sent = {"style": "reel", "bars": "4", "primer": "d2 (3fga ^A,3 z", "locked_bars": "3: =c2 f2 a4"}
    answer = browser.post(COMPOSE, sent)
    assert answer.status_code == 302, answer.context["error"]
    first = Commission.objects.get()
    compose_commission(first.pk)
    first.refresh_from_db()
    assert first.piece is not None

    given = browser.get(COMPOSE, {"from": first.piece.track_id}).context["given"]
    sent = {"style": "reel", "bars": "4", "parent": str(first.piece.track_id), "primer": given.primer, "keep": given.kept}
    answer = browser.post(COMPOSE, sent)
    assert answer.status_code == 302, answer.context["error"]

    assert given.kept == ("3",)
    second = Commission.objects.exclude(pk=first.pk).get()
    assert (second.steering["primer"], second.steering["locked_bars"]) == (
        first.steering["primer"],
        first.steering["locked_bars"],
    )


def test_lengths_that_no_notation_has_leave_their_field_empty() -> None:
    wish = {"metre": [4, 4], "tonic": 2, "mode": "major", "primer": [[62, "1/997"], [64, "1/2"]]}

    assert GivenNotes.of_wish(wish).primer == ""


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        ({"primer": "hello"}, "Beginning", "it has &#x27;h&#x27;"),
        ({"primer": "|: d8 :|"}, "Beginning", "it has &#x27;:&#x27;"),
        ({"primer": "| |"}, "Beginning", "can&#x27;t be read"),
        ({"primer": "d" * 16_001}, "Beginning", "at most 16000 characters"),
        ({"primer": "d,,,,"}, "Beginning", "the range is A3 (57) … C6 (84)"),
        ({"primer": "d8 d8", "bars": "2"}, "Beginning", "shorter"),
        ({"locked_bars": "d8"}, "Bars that stay", "a number and a colon"),
        ({"locked_bars": "0: d8"}, "Bars that stay", "bar 0"),
        ({"locked_bars": "2: d8\n2: f8"}, "Bars that stay", "given twice"),
        ({"locked_bars": "2: d4"}, "Bars that stay", "it must be 4"),
        ({"locked_bars": "2:"}, "Bars that stay", "bar 2 can&#x27;t be read"),
        ({"locked_bars": "1: d8", "primer": "f4"}, "Bars that stay", "within the primer"),
        ({"keep": "1"}, "Bars that stay", "no &#x27;1&#x27;"),
    ],
)
def test_notes_that_cannot_be_are_refused_and_stay_in_their_field(
    browser: Client, form: dict[str, str], field: str, words: str
) -> None:
    answer = browser.post(COMPOSE, {"style": "reel", "bars": "4"} | form)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert f"<b>{field}</b>" in page
    assert words in page
    assert form.get("primer", "") in page
    assert Commission.objects.count() == 0


def test_a_bar_is_kept_or_written_not_both(browser: Client, piece: Piece) -> None:
    form = {"style": "reel", "bars": "4", "parent": str(piece.track_id), "keep": "2", "locked_bars": "2: d8"}
    answer = browser.post(COMPOSE, form)

    assert answer.status_code == 422
    assert "bar 2 is both kept and written anew" in answer.content.decode()
