"""The API's wishes: words, lyrics or a picture are read; what was read is kept with the piece and steers no note."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.privacy import write_export
from composer.composing import compose_commission
from composer.models import Commission, Piece
from music.abc import write_abc
from music.midi import write_midi
from music.notes import Score
from recsys.models import Track

pytestmark = pytest.mark.django_db
WISHES, PIECES = "/api/v1/wishes/", "/api/v1/pieces/"
SONG = "Twinkle, twinkle, little star,\nHow I wonder what you are!"


def picture(width: int = 40, height: int = 30) -> SimpleUploadedFile:
    content = io.BytesIO()
    Image.new("RGB", (width, height), (200, 60, 30)).save(content, "PNG")
    return SimpleUploadedFile("sunset.png", content.getvalue(), "image/png")


def composed(client: APIClient, wish: dict[str, Any]) -> Piece:
    answer = client.post(PIECES, wish)
    assert answer.status_code == 202, answer.json()
    compose_commission(answer.json()["id"])
    made = Commission.objects.get(pk=answer.json()["id"])
    assert made.piece is not None, made.error
    return made.piece


def test_words_become_a_steering_with_reasons(as_alice: APIClient, tracks: list[Track]) -> None:
    answer = as_alice.post(WISHES, {"text": "a lively jig in G for my zither, 8 bars"})

    assert answer.status_code == 200
    read = answer.json()
    assert {read["steering"][name] for name in ("style", "tonic", "bars")} == {"jig", 7, 8}
    assert read["because"]["tonic"] == "in G"
    assert read["not_understood"] == ["zither"]
    assert read["prompt"] == {"kind": "text", "text": "a lively jig in G for my zither, 8 bars"}


def test_lyrics_and_pictures_become_one_too(as_alice: APIClient, tracks: list[Track]) -> None:
    lyrics = as_alice.post(WISHES, {"lyrics": SONG}).json()
    seen = as_alice.post(WISHES, {"image": picture()}, format="multipart").json()

    assert lyrics["steering"]["bars"] == 4
    assert seen["because"]["bars"] == "40 × 30 pixels (about as wide as high)"
    assert seen["prompt"]["kind"] == "image"
    assert "brightness" in seen["prompt"]["text"]


def test_the_answer_can_be_sent_on_as_it_is(as_alice: APIClient, composer_version: object) -> None:
    read = as_alice.post(WISHES, {"lyrics": SONG}).json()

    piece = composed(as_alice, {"steering": read["steering"], "prompt": read["prompt"], "seed": 1})

    assert piece.recipe["prompt"] == {"kind": "lyrics", "text": SONG}
    assert piece.recipe["steering"] == read["steering"]


def test_the_words_steer_no_note(as_alice: APIClient, composer_version: object) -> None:
    steering = as_alice.post(WISHES, {"lyrics": SONG}).json()["steering"]
    wish = {"steering": steering, "seed": 7}
    prompts = [None, {"kind": "text", "text": "fast and high"}, {"kind": "lyrics", "text": SONG}]

    scores = [Score.from_json(composed(as_alice, wish | {"prompt": prompt}).track.score) for prompt in prompts]

    assert scores[0] == scores[1]
    assert scores[2].melody == scores[0].melody
    assert write_midi(scores[2]) == write_midi(scores[0])
    assert "w: Twin-" in write_abc(scores[2])


def test_lyrics_with_too_many_syllables_are_set_line_by_line_and_counted(as_alice: APIClient, composer_version: object) -> None:
    wish = {"steering": {"style": "reel", "bars": 1}, "seed": 1, "prompt": {"kind": "lyrics", "text": SONG + "\n" + SONG}}

    piece = composed(as_alice, wish)

    assert piece.recipe["figures"]["lyrics"]["of_lines"] == 4
    assert piece.recipe["figures"]["lyrics"]["lines"] < 4


def test_an_id_of_a_wish_with_other_words_is_a_conflict(as_alice: APIClient) -> None:
    wish = {"id": "7d9c0a52-2c3b-4b0a-9a64-3d2b6a4d6a10", "steering": {}, "seed": 1}
    as_alice.post(PIECES, wish | {"prompt": {"kind": "text", "text": "slow"}})

    assert as_alice.post(PIECES, wish | {"prompt": {"kind": "text", "text": "slow"}}).status_code == 202
    assert as_alice.post(PIECES, wish).status_code == 409


def test_the_words_are_in_the_export_of_their_listener(as_alice: APIClient, alice: Account, composer_version: object) -> None:
    composed(as_alice, {"steering": {"bars": 4}, "prompt": {"kind": "text", "text": "for my aunt"}, "seed": 1})

    kept = json.loads("".join(write_export(alice.listener)))

    assert kept["commissions"][0]["prompt"]["text"] == "for my aunt"
    assert kept["pieces"][0]["recipe"]["prompt"]["text"] == "for my aunt"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "text", "send one of text, lyrics, image; there are 0"),
        ({"text": "slow", "lyrics": "la"}, "text", "there are 2"),
        ({"text": ""}, "text", "blank"),
        ({"text": "\u0000 \u200b"}, "text", "Null characters"),
        ({"text": "\u200b"}, "text", "it is empty"),
        ({"text": "x" * 10_240}, "text", "2000"),
        ({"text": ["slow"]}, "text", "valid string"),
        ({"text": "slow and fast"}, "tempo", "contradict each other"),
        ({"text": "400 bars"}, "bars", "1 … 64"),
        ({"text": "from C4 to D4 with many leaps"}, "highest", "at least 5"),
        ({"lyrics": "…"}, "lyrics", "syllables that can be counted"),
        ({"lyrics": "x" * 10_240}, "lyrics", "4000"),
        ({"image": "sunset.png"}, "image", "file"),
    ],
)
def test_what_cannot_be_read_is_refused_with_field_and_bound(
    as_alice: APIClient, tracks: list[Track], body: dict[str, Any], field: str, words: str
) -> None:
    answer = as_alice.post(WISHES, body)

    assert answer.status_code == 400
    assert words in answer.json()[field][0]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"GIF89a" + b"\xff" * 50, "it is no picture"), (b"hello", "it is no picture"), (bytes(9_000_000), "8 MB")],
    ids=["broken", "text", "large"],
)
def test_what_is_no_picture_is_refused(as_alice: APIClient, content: bytes, words: str) -> None:
    answer = as_alice.post(WISHES, {"image": SimpleUploadedFile("a.png", content)}, format="multipart")

    assert answer.status_code in (400, 413)
    assert words in answer.content.decode()


@pytest.mark.parametrize(
    "prompt",
    [
        3,
        "slow",
        {"kind": "text"},
        {"kind": "smell", "text": "x"},
        {"kind": "text", "text": "x" * 2001},
        {"kind": "text", "text": 5},
    ],
)
def test_a_prompt_that_is_none_is_refused(as_alice: APIClient, prompt: Any) -> None:
    answer = as_alice.post(PIECES, {"steering": {}, "prompt": prompt})

    assert answer.status_code == 400
    assert list(answer.json()) == ["prompt"]


def test_strangers_are_refused() -> None:
    assert APIClient().post(WISHES, {"text": "slow"}).status_code in (401, 403)


def test_nothing_is_kept_before_a_piece_is_asked_for(as_alice: APIClient, client: Client, tracks: list[Track]) -> None:
    as_alice.post(WISHES, {"text": "a reel"})

    assert not Commission.objects.exists()
