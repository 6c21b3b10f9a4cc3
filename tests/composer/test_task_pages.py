"""The page of tasks: reachable from a track, refuses with field and bound, becomes a commission."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Account
from composer.composing import compose_commission
from composer.constraints import RELAXED
from composer.melody_tasks import KINDS, OF_KIND
from composer.models import Commission, Piece
from composer.sliders import WORDS
from composer.templatetags.given_up import WORDS as WORDS_OF_RELAXED
from music.notes import Score
from recsys.models import Track

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("composer_version", "accompanist_version")]
TASK = "/compose/task/"
TUNE = "M:3/4\nL:1/4\nK:G\nG A B | d B G | A F D | G3 |]"


@pytest.fixture
def browser(client: Client, alice: Account) -> Client:
    client.force_login(alice)
    return client


@pytest.mark.parametrize("kind", KINDS)
def test_every_task_is_offered_on_the_track_page_and_has_its_form(browser: Client, track: Track, kind: str) -> None:
    address = f"{TASK}?task={kind}&track={track.pk}"

    assert address.replace("&", "&amp;") in browser.get(f"/tracks/{track.pk}/").content.decode()
    page = browser.get(address).content.decode()
    assert track.title in page
    assert f'name="kind" value="{kind}"' in page


def test_the_compose_page_leads_to_a_melody_of_ones_own(browser: Client) -> None:
    assert f"{TASK}?task=accompany" in browser.get("/compose/").content.decode()
    assert 'name="abc"' in browser.get(TASK).content.decode()


def test_a_sent_form_becomes_a_commission_and_its_piece_shows_the_chords(browser: Client, track: Track) -> None:
    form = {"kind": "accompany", "track": track.pk, "texture": "block", "motion": "0.5", "colour": "0.5", "seed": "4"}
    answer = browser.post(TASK, form)
    made = Commission.objects.get()
    compose_commission(made.pk)
    made.refresh_from_db()

    assert answer.headers["Location"] == f"/commissions/{made.pk}/"
    assert made.piece is not None
    page = browser.get(f"/tracks/{made.piece.track_id}/").content.decode()
    assert 'class="chart"' in page
    assert "One voice alone" in page


@pytest.mark.parametrize(("kind", "own"), [("continue", {"bars": "4"}), ("rewrite", {"first_bar": "2", "last_bar": "3"})])
def test_new_bars_can_be_asked_for_with_chords(browser: Client, track: Track, kind: str, own: dict[str, str]) -> None:
    form = {"kind": kind, "track": track.pk, **own}
    refused = browser.post(TASK, form | {"chords": "I IV nonsense"})

    assert refused.status_code == 422
    assert "nonsense is no chord" in refused.content.decode()
    assert 'value="I IV nonsense"' in refused.content.decode()

    browser.post(TASK, form | {"chords": "I V7"})
    made = Commission.objects.get()
    compose_commission(made.pk)

    piece = Piece.objects.get()
    assert made.steering["chords"] == piece.recipe["steering"]["chords"] == "I V7"
    assert 'value="I V7"' in browser.get(f"{TASK}?task={kind}&track={piece.track_id}").content.decode()
    assert 'name="chords"' not in browser.get(f"{TASK}?task=vary&track={piece.track_id}").content.decode()


def test_what_was_given_up_stands_on_the_page_of_the_piece(browser: Client, track: Track) -> None:
    assert set(WORDS_OF_RELAXED) == set(RELAXED)
    browser.post(TASK, {"kind": "vary", "track": track.pk, "closeness": "1"})
    compose_commission(Commission.objects.get().pk)
    piece = Piece.objects.get()
    pages = []
    for relaxed in ({"repetition": 2, "anchors": 0, "grid": 0}, ["half bar 3 is open to every chord"], {}):
        piece.recipe = piece.recipe | {"figures": {"relaxed": relaxed} if relaxed else {}}
        piece.save()
        pages.append(browser.get(f"/tracks/{piece.track_id}/").content.decode())

    assert "how often one note may come in a row, or a copy of what stood before (2 ×)" in pages[0]
    assert "a strong note of the melody" not in pages[0]
    assert "half bar 3 is open to every chord" in pages[1]
    assert "Given up" not in pages[2]


def test_own_melodies_come_as_text_or_as_a_file(browser: Client) -> None:
    form = {"kind": "continue", "bars": "2"}
    by_text = browser.post(TASK, form | {"abc": TUNE})
    by_file = browser.post(TASK, form | {"file": SimpleUploadedFile("air.abc", f"X:1\n{TUNE}\n".encode())})

    assert (by_text.status_code, by_file.status_code) == (302, 302)
    assert {made.task["melody"]["metre"][0] for made in Commission.objects.all()} == {3}


WORDS_TO_SING = "Twinkle, twinkle, little star,\r\nHow I wonder what you are!"


def test_words_to_be_sung_stand_under_the_melody(browser: Client, track: Track) -> None:
    form = {"kind": "accompany", "track": track.pk, "texture": "block", "motion": "0.5", "colour": "0.5"}
    browser.post(TASK, form | {"lyrics": WORDS_TO_SING})
    compose_commission(Commission.objects.get().pk)
    piece = Piece.objects.get()
    refused = browser.post(TASK, form | {"track": piece.track_id, "lyrics": WORDS_TO_SING})

    assert [syllable for syllable in piece.track.score["voices"][0]["lyrics"] if syllable][-3:] == ["what", "you", "are!"]
    assert "Sung to these words" in browser.get(f"/tracks/{piece.track_id}/").content.decode()
    assert refused.status_code == 422
    assert "<b>Words</b> can&#x27;t be set under the notes" in refused.content.decode()
    assert "How I wonder what you are!</textarea>" in refused.content.decode()


def test_too_many_words_are_refused(browser: Client, track: Track) -> None:
    answer = browser.post(TASK, {"kind": "vary", "closeness": "0.5", "track": track.pk, "lyrics": "la " * 2000})

    assert answer.status_code == 422
    assert "a text of 1 … 4000 characters; it has 6000" in answer.content.decode()


def test_of_a_track_with_several_voices_one_is_chosen_by_number_and_name(browser: Client, track: Track) -> None:
    browser.post(TASK, {"kind": "accompany", "track": track.pk, "texture": "voices", "motion": "0.5", "colour": "0.5"})
    compose_commission(Commission.objects.get().pk)
    chorale = Piece.objects.get().track
    names = [voice["name"] for voice in chorale.score["voices"]]
    offered, alone = (browser.get(f"{TASK}?task=vary&track={one.pk}").content.decode() for one in (chorale, track))
    form = {"kind": "vary", "closeness": "1", "track": chorale.pk}
    made = [browser.post(TASK, form | more) for more in ({}, {"voice": "1"}, {"voice": "4"})]
    refused = browser.post(TASK, form | {"closeness": "2", "voice": "4"})

    assert len(names) == 4
    assert all(f'<option value="{number}">{number} {name}</option>' in offered for number, name in enumerate(names, 1))
    assert 'name="voice"' not in alone
    assert {answer.status_code for answer in made} == {302}
    tasks = [commission.task for commission in Commission.objects.order_by("created_at")[1:]]
    melodies = [Score.from_json(chorale.score).voices[number].melody.to_json() for number in (0, 0, 3)]
    assert [task["melody"]["notes"] for task in tasks] == [melody["notes"] for melody in melodies]
    assert '<option value="4" selected>' in refused.content.decode()
    assert "must be a whole number 1 … 4; it is 5" in browser.post(TASK, form | {"voice": "5"}).content.decode()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "accompany"])
def test_what_a_task_may_have_more_or_less_of_is_asked_by_sliders(browser: Client, track: Track, kind: str) -> None:
    page = browser.get(f"{TASK}?task={kind}&track={track.pk}").content.decode()
    wishes = {name: f"0.{number}" for number, name in enumerate(WORDS, start=4)}
    own = {"closeness": "0.5", "bars": "8", "first_bar": "2", "last_bar": "7", "style": "air", "blend": "0.5"}
    sent = {f"wish_{name}": value for name, value in wishes.items()} | {f"use_wish_{name}": "1" for name in wishes}
    answer = browser.post(TASK, {"kind": kind, "track": track.pk} | {name: own[name] for name in OF_KIND[kind]} | sent)

    assert all(f'type="range" id="wish_{name}"' in page for name in WORDS)
    assert answer.status_code == 302, answer.content.decode()
    made = Commission.objects.get()
    assert {name: made.steering[name] for name in WORDS} == {name: float(value) for name, value in wishes.items()}
    if kind == "vary":
        assert made.task["closeness"] == 0.5


def test_what_is_left_open_stays_open(browser: Client, track: Track) -> None:
    browser.post(TASK, {"kind": "vary", "closeness": "0.5", "track": track.pk, "wish_leaps": "0.9", "wish_taste_strength": "1"})

    steering = Commission.objects.get().steering
    assert {name: steering[name] for name in WORDS} == dict.fromkeys(WORDS) | {"taste_strength": 1.0}


def test_an_accompaniment_has_no_sliders_of_wishes_and_refuses_one(browser: Client, track: Track) -> None:
    page = browser.get(f"{TASK}?task=accompany&track={track.pk}").content.decode()
    form = {"kind": "accompany", "texture": "block", "motion": "0.5", "colour": "0.5", "track": track.pk}
    answer = browser.post(TASK, form | {"wish_leaps": "0.9", "use_wish_leaps": "1"})

    assert "wish_" not in page
    assert answer.status_code == 422
    assert "is not heard in an accompaniment" in answer.content.decode()


def test_a_refused_form_keeps_its_sliders_where_they_were(browser: Client, track: Track) -> None:
    form = {"kind": "vary", "closeness": "1", "track": track.pk, "wish_density": "0.25", "use_wish_density": "1"}
    answer = browser.post(TASK, form)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert "<b>Notes</b> is not heard with a closeness of 1" in page
    assert 'name="use_wish_density" value="1" checked' in page
    assert re.search(r'id="wish_density"[^>]*value="0.25"', page)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kind": "rewrite", "first_bar": "9", "last_bar": "9"}, "1 … 8"),
        ({"kind": "rewrite", "first_bar": "x", "last_bar": "9"}, "whole number"),
        ({"kind": "accompany", "texture": "waltz", "motion": "0.5", "colour": "0.5"}, "three beats"),
        ({"kind": "transfer", "style": "bebop", "blend": "1"}, "air, chorale"),
        ({"kind": "vary", "closeness": "nan"}, "0 … 1"),
        ({"kind": "sing"}, "continue, vary"),
        ({}, "continue, vary"),
    ],
)
def test_an_impossible_task_is_refused_with_what_is_allowed(
    browser: Client, track: Track, form: dict[str, str], words: str
) -> None:
    answer = browser.post(TASK, form | {"track": str(track.pk)})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Commission.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tune.txt", b"hello", ".mid"),
        ("tune.mid", b"hello", "MThd"),
        ("tune.abc", b"x" * (1024 * 1024 + 1), "at most 1"),
        ("tune.abc", b"X:1\nK:C\nCDEF|", "M:4/4"),
    ],
)
def test_a_file_that_is_no_melody_is_refused(browser: Client, name: str, content: bytes, words: str) -> None:
    answer = browser.post(TASK, {"kind": "continue", "bars": "2", "file": SimpleUploadedFile(name, content)})

    assert answer.status_code == 422
    assert words in answer.content.decode()


@pytest.mark.parametrize("query", ["task=sing", "track=0", "track=x", "track=99999999"])
def test_what_is_not_there_is_not_found(browser: Client, query: str) -> None:
    assert browser.get(f"{TASK}?{query}").status_code == 404


def test_a_private_track_is_not_shown_to_others(client: Client, bob: Account, alices_piece: Track) -> None:
    client.force_login(bob)

    assert client.get(f"{TASK}?task=vary&track={alices_piece.pk}").status_code == 404
    assert client.post(TASK, {"kind": "vary", "closeness": "0.5", "track": alices_piece.pk}).status_code == 404
