"""The compose page that begins with words, lyrics or a picture: read, shown with reasons, changed, composed."""

from __future__ import annotations

import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import Account
from composer.composing import compose_commission
from composer.models import Commission
from composer.recipes import perform
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "tracks")]
READ = "/compose/prompt/"


@pytest.fixture
def browser(client: Client, alice: Account) -> Client:
    client.force_login(alice)
    return client


def chosen(page: str, select: str) -> str:
    """The value that a select of the page shows."""
    inside = page.split(f'<select id="{select}"')[1].split("</select>")[0]
    found = re.search(r'<option(?: value="([^"]*)")?[^>]* selected[^>]*>([^<]*)<', inside)
    assert found is not None
    return found[1] or found[2]


def written(page: str, name: str) -> str:
    """The value that an input of the page shows."""
    found = re.search(rf'<input[^>]* id="{name}"[^>]* value="([^"]*)"', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("kind", "field"), [("text", 'name="text"'), ("lyrics", 'name="lyrics"'), ("image", 'type="file"')])
def test_each_beginning_has_its_field(browser: Client, kind: str, field: str) -> None:
    page = browser.get("/compose/", {"by": kind}).content.decode()

    assert field in page
    assert f'name="kind" value="{kind}"' in page


def test_words_fill_in_the_form_and_each_value_says_where_it_came_from(browser: Client) -> None:
    page = browser.post(READ, {"kind": "text", "text": "a lively jig in G for my zither, 8 bars"}).content.decode()

    assert (chosen(page, "style"), chosen(page, "tonic"), written(page, "bars"), written(page, "metre")) == (
        "jig",
        "7",
        "8",
        "6/8",
    )
    assert '<p class="because">“in G”</p>' in page
    assert '<span class="tag">zither</span>' in page
    assert 'name="prompt_text" value="a lively jig in G for my zither, 8 bars"' in page
    assert not Commission.objects.exists()


def test_lyrics_go_with_the_form_into_the_piece_and_its_page(browser: Client) -> None:
    words = "Row, row, row your boat\ngently down the stream"
    form = {"style": "reel", "bars": "8", "lowest": "57", "highest": "76", "seed": "3"}
    read = browser.post(READ, {"kind": "lyrics", "lyrics": words.replace("\n", "\r\n")})
    assert read.context["prompt"].text == words

    sent = browser.post("/compose/", form | {"prompt_kind": "lyrics", "prompt_text": words})
    made = Commission.objects.get()
    compose_commission(made.pk)
    made.refresh_from_db()

    assert sent.status_code == 302
    assert (made.steering["lowest"], made.prompt["text"]) == (57, words)
    assert made.piece is not None
    assert made.piece.track.score["voices"][0]["lyrics"]
    assert "Row, row, row your boat" in browser.get(f"/tracks/{made.piece.track_id}/").content.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("床前明月光，疑是地上霜。", "From syllable to syllable the tones ask the melody to go up or down 2 times"),
        ("Row, row, row your boat\ngently down the stream", "stressed syllables begin a bar or half of one"),
        ("Row, row, row your boat\n" * 14, "syllables) found a note for each syllable"),
    ],
    ids=["tones", "stress", "too many"],
)
def test_the_piece_says_how_its_melody_goes_with_the_words_and_is_written_again_to_the_note(
    browser: Client, words: str, said: str
) -> None:
    form = {"style": "reel", "bars": "4", "seed": "3", "prompt_kind": "lyrics", "prompt_text": words}
    browser.post("/compose/", form)
    made = Commission.objects.get()
    compose_commission(made.pk)
    made.refresh_from_db()
    assert made.piece is not None

    again, figures = perform(made.piece.recipe, made.piece.policy_version)

    assert again.to_json() == made.piece.track.score
    assert figures == made.piece.recipe["figures"]
    assert said in browser.get(f"/tracks/{made.piece.track_id}/").content.decode()


def test_others_do_not_see_the_words_of_a_shared_piece(browser: Client, bob: Account) -> None:
    browser.post("/compose/", {"style": "reel", "bars": "4", "prompt_kind": "text", "prompt_text": "for my secret love"})
    made = Commission.objects.get()
    compose_commission(made.pk)
    made.refresh_from_db()
    assert made.piece is not None
    Track.objects.filter(pk=made.piece.track_id).update(is_shared=True)
    assert "secret love" in browser.get(f"/tracks/{made.piece.track_id}/").content.decode()

    browser.force_login(bob)

    assert "secret love" not in browser.get(f"/tracks/{made.piece.track_id}/").content.decode()


def test_a_picture_fills_in_the_form(browser: Client) -> None:
    content = io.BytesIO()
    Image.new("RGB", (30, 90), (10, 10, 80)).save(content, "PNG")

    page = browser.post(READ, {"kind": "image", "image": SimpleUploadedFile("a.png", content.getvalue())}).content.decode()

    assert written(page, "bars") == "8"
    assert "30 × 90 pixels (tall)" in page


def test_a_page_shows_what_it_was_sent_and_no_markup_of_it(browser: Client) -> None:
    page = browser.post(READ, {"kind": "text", "text": '<script>alert("x")</script> slow'}).content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kind": "text", "text": ""}, "it is empty"),
        ({"kind": "text", "text": "x" * 10_240}, "it has 10240"),
        ({"kind": "text", "text": "slow and fast"}, "contradict each other"),
        ({"kind": "text", "text": "400 bars"}, "1 … 64"),
        ({"kind": "lyrics", "lyrics": "!!!"}, "syllables that can be counted"),
        ({"kind": "image"}, "it is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_and_stays_in_its_field(browser: Client, form: dict[str, str], words: str) -> None:
    answer = browser.post(READ, form)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert form.get(form["kind"], "") in answer.content.decode()


def test_a_file_that_is_no_picture_is_refused(browser: Client) -> None:
    answer = browser.post(READ, {"kind": "image", "image": SimpleUploadedFile("a.png", b"hello")})

    assert answer.status_code == 422
    assert "it is no picture" in answer.content.decode()


def test_a_refused_wish_keeps_the_words_it_was_read_from(browser: Client) -> None:
    form = {"style": "reel", "lowest": "60", "highest": "62", "prompt_kind": "text", "prompt_text": "a tiny range"}

    answer = browser.post("/compose/", form)

    assert answer.status_code == 422
    assert "Highest note" in answer.content.decode()
    assert 'name="prompt_text" value="a tiny range"' in answer.content.decode()


@pytest.mark.parametrize("prompt", [{"prompt_kind": "smell", "prompt_text": "x"}, {"prompt_kind": "text", "prompt_text": ""}])
def test_a_forged_prompt_is_refused(browser: Client, prompt: dict[str, str]) -> None:
    assert browser.post("/compose/", {"style": "reel"} | prompt).status_code == 422


def test_a_beginning_that_does_not_exist_is_not_found_and_reading_needs_a_form(browser: Client) -> None:
    assert browser.get("/compose/", {"by": "smell"}).status_code == 404
    assert browser.get(READ).headers["Location"] == "/compose/"
    assert browser.post(READ, {"kind": "smell"}).headers["Location"] == "/compose/"


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    assert "/accounts/login/" in client.post(READ, {"kind": "text", "text": "slow"}).headers["Location"]
