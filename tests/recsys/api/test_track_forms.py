"""GET /api/v1/tracks/{id}/{form}: sound, notation, files."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from recsys.exports import FORMATS, remove_old_exports
from recsys.models import Track
from tests.conftest import api_client


def address(track: Track, form: str) -> str:
    return f"/api/v1/tracks/{track.pk}/{form}"


def content(response: Any) -> bytes:
    streamed = getattr(response, "streaming_content", None)
    return b"".join(streamed) if streamed is not None else bytes(response.content)


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("audio.opus", b"OggS"),
        ("midi", b"MThd"),
        ("musicxml", b"<?xml"),
        ("abc", b"%abc"),
        ("score.svg", b"<"),
        ("score.json", b"["),
        ("piano-roll.json", b"{"),
    ],
)
def test_each_form_is_what_it_says(as_alice: APIClient, track: Track, form: str, beginning: bytes) -> None:
    response = as_alice.get(address(track, form))

    assert response.status_code == 200
    assert content(response).startswith(beginning)
    assert response["Content-Type"] == FORMATS[form].media_type


def test_notes_of_lengths_that_no_notation_has_can_be_heard_and_not_printed(as_alice: APIClient, track: Track) -> None:
    track.score["voices"][0]["melody"]["notes"][0][1] = "1/997"
    track.save()

    assert as_alice.get(address(track, "midi")).status_code == 200
    for form in ("abc", "musicxml", "score.svg", "score.json"):
        answer = as_alice.get(address(track, form))
        assert (answer.status_code, "can't be printed" in answer.json()["detail"]) == (422, True)


def test_the_sound_is_not_silent(as_alice: APIClient, track: Track) -> None:
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content(as_alice.get(address(track, "audio.mp3")))))

    assert len(samples) / rate == pytest.approx(track.duration_seconds, abs=4)
    assert 0.05 < np.abs(samples).max() <= 1.0


@pytest.mark.parametrize("accepted", ["audio/*", "image/svg+xml", "audio/webm,audio/ogg;q=0.9"])
def test_a_player_that_accepts_only_sound_gets_it(as_alice: APIClient, track: Track, accepted: str) -> None:
    assert as_alice.get(address(track, "midi"), headers={"Accept": accepted}).status_code == 200


def test_a_range_is_part_of_the_whole(as_alice: APIClient, track: Track) -> None:
    whole = content(as_alice.get(address(track, "midi")))

    part = as_alice.get(address(track, "midi"), headers={"Range": "bytes=10-29"})
    rest = as_alice.get(address(track, "midi"), headers={"Range": "bytes=30-"})
    last = as_alice.get(address(track, "midi"), headers={"Range": "bytes=-7"})

    assert [part.status_code, rest.status_code, last.status_code] == [206, 206, 206]
    assert part["Content-Range"] == f"bytes 10-29/{len(whole)}"
    assert content(part) == whole[10:30]
    assert content(rest) == whole[30:]
    assert content(last) == whole[-7:]


def test_a_range_outside_the_file_is_refused(as_alice: APIClient, track: Track) -> None:
    size = len(content(as_alice.get(address(track, "midi"))))

    response = as_alice.get(address(track, "midi"), headers={"Range": f"bytes={size}-"})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("header", ["bytes=-", "bytes=5-2", "apples=1-2", "bytes=0-1,5-6"])
def test_a_range_that_makes_no_sense_never_gives_part_of_the_file(as_alice: APIClient, track: Track, header: str) -> None:
    assert as_alice.get(address(track, "midi"), headers={"Range": header}).status_code in {200, 416}


def test_a_form_that_the_browser_has_is_not_sent_again(as_alice: APIClient, track: Track) -> None:
    etag = as_alice.get(address(track, "abc"))["ETag"]

    assert as_alice.get(address(track, "abc"), headers={"If-None-Match": etag}).status_code == 304
    assert as_alice.get(address(track, "abc"), headers={"If-None-Match": '"another"'}).status_code == 200


def test_a_range_of_another_version_gives_the_whole_file(as_alice: APIClient, track: Track) -> None:
    response = as_alice.get(address(track, "midi"), headers={"Range": "bytes=0-4", "If-Range": '"another"'})

    assert response.status_code == 200


def test_the_same_track_is_the_same_bytes(as_alice: APIClient, as_bob: APIClient, track: Track) -> None:
    first = content(as_alice.get(address(track, "audio.opus")))
    remove_old_exports(most_bytes=0)

    assert len(content(as_bob.get(address(track, "audio.opus")))) == len(first)


def test_files_beyond_the_limit_are_removed_the_oldest_first(as_alice: APIClient, track: Track) -> None:
    for form in ("midi", "abc"):
        as_alice.get(address(track, form))

    assert remove_old_exports(most_bytes=0) >= 2
    assert remove_old_exports(most_bytes=0) == 0


def test_it_refuses_a_foreign_piece_as_if_it_did_not_exist(as_alice: APIClient, as_bob: APIClient, alices_piece: Track) -> None:
    assert as_alice.get(address(alices_piece, "midi")).status_code == 200
    for form in (*FORMATS, "recipe.json"):
        assert as_bob.get(address(alices_piece, form)).status_code == 404


def test_it_refuses_a_form_that_does_not_exist(as_alice: APIClient, track: Track) -> None:
    response = as_alice.get(address(track, "vinyl"))

    assert response.status_code == 404
    assert "audio.opus" in response.json()["detail"]


def test_a_track_of_the_catalogue_has_no_recipe(as_alice: APIClient, track: Track) -> None:
    assert as_alice.get(address(track, "recipe.json")).status_code == 404


def test_it_refuses_strangers(track: Track) -> None:
    assert api_client().get(address(track, "midi")).status_code == 401
