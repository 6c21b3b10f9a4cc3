"""GET /api/v1/tracks/ and /api/v1/tracks/{id}/."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from recsys.models import Track
from tests.conftest import MakeTracks, api_client, unsaved_track

LIST = "/api/v1/tracks/"


def titles(client: APIClient, **query: Any) -> list[str]:
    response = client.get(LIST, query)
    assert response.status_code == 200, response.content
    return [track["title"] for track in response.json()["tracks"]]


def test_it_lists_the_catalogue_by_title(as_alice: APIClient, tracks: list[Track]) -> None:
    found = titles(as_alice)

    assert found == sorted(track.title for track in tracks)


def test_a_track_tells_what_people_ask_of_it(as_alice: APIClient, track: Track) -> None:
    body = as_alice.get(f"{LIST}{track.pk}/").json()

    assert body["title"] == "Reel number 0"
    assert body["key"] == "D major"
    assert body["metre"] == "4/4"
    assert body["licence"] == "public domain"
    assert body["is_piece"] is False
    assert "score" not in body


def test_search_filters_and_sort_work_together(as_alice: APIClient, tracks: list[Track]) -> None:
    assert titles(as_alice, q="number 4") == ["Reel number 4"]
    assert set(titles(as_alice, style="jig")) == {"Jig number 1", "Jig number 5", "Jig number 9"}
    assert titles(as_alice, style="jig", metre="4/4") == []
    fastest = titles(as_alice, sort="fastest", style="reel")
    assert sorted(fastest) == ["Reel number 0", "Reel number 4", "Reel number 8"]
    assert fastest[0] == "Reel number 4"


def test_a_misspelt_title_is_found(as_alice: APIClient, tracks: list[Track]) -> None:
    unsaved_track(200, title="The Silver Spear").save()

    assert titles(as_alice, q="silvr spear") == ["The Silver Spear"]


def test_pages_neither_repeat_nor_hide_a_track_while_others_arrive(as_alice: APIClient, tracks: list[Track]) -> None:
    first = as_alice.get(LIST, {"limit": 5}).json()
    unsaved_track(100, title="Aaa arrives before the cursor").save()

    seen = [track["title"] for track in first["tracks"]]
    cursor = first["next_cursor"]
    while cursor:
        page = as_alice.get(LIST, {"limit": 5, "cursor": cursor}).json()
        seen += [track["title"] for track in page["tracks"]]
        cursor = page["next_cursor"]

    assert seen == sorted(track.title for track in tracks)


def test_the_number_of_queries_does_not_grow(
    as_alice: APIClient, make_tracks: MakeTracks, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_tracks(60)

    with django_assert_num_queries(2):
        as_alice.get(LIST, {"limit": 2})
    with django_assert_num_queries(2):
        as_alice.get(LIST, {"limit": 60})


def test_ones_own_pieces_are_listed_and_nobody_elses(as_alice: APIClient, as_bob: APIClient, alices_piece: Track) -> None:
    assert titles(as_alice, mine="true") == ["Alice's own"]
    assert titles(as_bob, q="own") == []


def test_a_shared_piece_is_there_for_everyone(as_bob: APIClient, alices_piece: Track) -> None:
    Track.objects.update(is_shared=True)

    assert as_bob.get(f"{LIST}{alices_piece.pk}/").json()["is_piece"] is True


def test_it_refuses_a_foreign_piece_as_if_it_did_not_exist(as_bob: APIClient, alices_piece: Track) -> None:
    assert as_bob.get(f"{LIST}{alices_piece.pk}/").status_code == 404


def test_it_refuses_strangers(track: Track) -> None:
    assert api_client().get(LIST).status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"sort": "loudest"}, "sort"),
        ({"cursor": "broken"}, "cursor"),
        ({"q": "x" * 101}, "q"),
        ({"q": "a\0b"}, "q"),
    ],
)
def test_it_refuses_what_it_does_not_understand(as_alice: APIClient, query: dict[str, Any], field: str) -> None:
    response = as_alice.get(LIST, query)

    assert response.status_code == 400
    assert list(response.json()) == [field]


@pytest.mark.parametrize("title", ["a\0b", "\ud800"])
def test_a_forged_cursor_is_refused(as_alice: APIClient, tracks: list[Track], title: str) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(["title", title, 1]).encode()).decode()

    assert as_alice.get(LIST, {"cursor": cursor}).status_code == 400


def test_a_cursor_of_another_sort_is_refused(as_alice: APIClient, tracks: list[Track]) -> None:
    cursor = as_alice.get(LIST, {"limit": 5}).json()["next_cursor"]

    assert as_alice.get(LIST, {"limit": 5, "sort": "newest", "cursor": cursor}).status_code == 400
