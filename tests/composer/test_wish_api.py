"""POST /api/v1/wishes/: words, lyrics or a picture become a steering; nothing is kept, and refusals name the field."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from composer.models import Commission

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tracks")]
WISHES = "/api/v1/wishes/"


def test_words_become_a_steering_that_says_where_each_value_came_from(as_alice: APIClient) -> None:
    answer = as_alice.post(WISHES, {"text": "a slow waltz in D minor with 24 bars"})

    assert answer.status_code == 200, answer.json()
    steering = answer.json()["steering"]
    assert (steering["tonic"], steering["mode"], steering["metre"], steering["bars"]) == (2, "minor", [3, 4], 24)
    assert {"tonic", "mode", "metre", "bars"} <= set(answer.json()["because"])
    assert answer.json()["prompt"]["text"] == "a slow waltz in D minor with 24 bars"
    assert not Commission.objects.exists()


def test_lyrics_are_kept_as_the_prompt(as_alice: APIClient) -> None:
    answer = as_alice.post(WISHES, {"lyrics": "The moon is up\nThe stars are few"}).json()

    assert answer["prompt"] == {"kind": "lyrics", "text": "The moon is up\nThe stars are few"}
    assert 1 <= answer["steering"]["bars"] <= 64


def test_a_picture_becomes_a_steering(as_alice: APIClient) -> None:
    content = io.BytesIO()
    Image.new("RGB", (30, 90), (10, 10, 80)).save(content, "PNG")
    picture = SimpleUploadedFile("a.png", content.getvalue(), "image/png")

    answer = as_alice.post(WISHES, {"image": picture}, format="multipart")

    assert answer.status_code == 200, answer.json()
    assert answer.json()["steering"]["bars"] == 8


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "text"),
        ({"text": "a waltz", "lyrics": "la la"}, "text"),
        ({"text": ""}, "text"),
        ({"text": "x" * 10_000}, "text"),
        ({"lyrics": " "}, "lyrics"),
        ({"image": "no file"}, "image"),
    ],
)
def test_what_is_no_prompt_is_refused_with_its_field(as_alice: APIClient, sent: dict[str, Any], field: str) -> None:
    answer = as_alice.post(WISHES, sent)

    assert answer.status_code == 400
    assert field in answer.json()
