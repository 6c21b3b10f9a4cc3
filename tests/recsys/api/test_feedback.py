"""POST and GET /api/v1/feedback/."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Listener
from recsys.models import Feedback, Track
from tests.conftest import api_client

ADDRESS = "/api/v1/feedback/"


def row(track: Track, kind: str = "like", **fields: Any) -> dict[str, Any]:
    given = {"client_id": str(uuid.uuid4()), "track": track.pk, "kind": kind, "occurred_at": timezone.now().isoformat()}
    return given | fields


def send(client: APIClient, *rows: Any, **body: Any) -> list[dict[str, Any]]:
    response = client.post(ADDRESS, {"feedback": rows, **body}, format="json")
    assert response.status_code == 200, response.content
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def test_a_batch_is_stored_and_a_retry_is_harmless(as_alice: APIClient, tracks: list[Track]) -> None:
    rows = [row(tracks[0]), row(tracks[1], "play", value=12.5, track_position_seconds=12.5)]

    first, again = send(as_alice, *rows), send(as_alice, *rows)

    assert [result["status"] for result in first] == ["stored", "stored"]
    assert [result["status"] for result in again] == ["duplicate", "duplicate"]
    assert [result["client_id"] for result in first] == [each["client_id"] for each in rows]
    assert Feedback.objects.count() == 2


@pytest.mark.parametrize("client_id", [True, 0, 7, 2**64, 1.5, [], {}, None, "x" * 10_000])
def test_a_client_id_that_is_no_uuid_as_text_is_refused(as_alice: APIClient, track: Track, client_id: Any) -> None:
    results = send(as_alice, row(track, client_id=client_id), row(track, client_id=client_id))

    assert [(each["status"], each["error"]["field"]) for each in results] == [("refused", "client_id")] * 2
    assert not Feedback.objects.exists()


def test_a_refusal_names_what_a_word_may_be_and_does_not_repeat_what_it_was(as_alice: APIClient, track: Track) -> None:
    (result,) = send(as_alice, row(track, "x" * 10_000))

    assert result["error"] == {"field": "kind", "message": "It must be one of " + ", ".join(Feedback.Kind.values) + "."}


def test_a_time_without_its_zone_is_refused(as_alice: APIClient, track: Track) -> None:
    (result,) = send(as_alice, row(track, occurred_at=timezone.now().replace(tzinfo=None).isoformat()))

    assert result["error"] == {"field": "occurred_at", "message": "The time needs its zone, for example 2026-11-23T08:00:00Z."}


@pytest.mark.parametrize(("kind", "field"), [("rate", "value"), ("play", "value"), ("play", "track_position_seconds")])
def test_true_is_no_number(as_alice: APIClient, track: Track, kind: str, field: str) -> None:
    (result,) = send(as_alice, row(track, kind, **{"value": 1, field: True}))

    assert (result["status"], result["error"]["field"]) == ("refused", field)


def test_a_slate_and_its_feedback_belong_together(as_alice: APIClient, tracks: list[Track]) -> None:
    slate = as_alice.post("/api/v1/recommendations/", {"count": 3}).json()
    second = slate["tracks"][1]["track"]["id"]

    (result,) = send(as_alice, row(Track(pk=second), "play", value=3, recommendation=slate["id"], position=1))

    assert result["status"] == "stored"
    assert Feedback.objects.get().recommendation_id == slate["id"]


def test_an_operator_speaks_for_an_integrators_listener_who_is_made_on_first_use(as_olga: APIClient, track: Track) -> None:
    send(as_olga, row(track), listener="shop-17")
    send(as_olga, row(track, "ban"), listener="shop-17")

    listener = Listener.objects.get(external_id="shop-17")
    assert listener.feedback.count() == 2
    history = as_olga.get(ADDRESS, {"listener": "shop-17"}).json()["feedback"]
    assert [each["kind"] for each in history] == ["ban", "like"]


def test_history_is_newest_first_in_stable_pages(as_alice: APIClient, tracks: list[Track]) -> None:
    for track in tracks[:5]:
        send(as_alice, row(track))

    first = as_alice.get(ADDRESS, {"limit": 3}).json()
    send(as_alice, row(tracks[6]))
    second = as_alice.get(ADDRESS, {"limit": 3, "cursor": first["next_cursor"]}).json()

    seen = [each["title"] for each in first["feedback"] + second["feedback"]]
    assert seen == [track.title for track in reversed(tracks[:5])]
    assert second["next_cursor"] is None


def test_history_can_be_narrowed(as_alice: APIClient, tracks: list[Track]) -> None:
    send(as_alice, row(tracks[0]), row(tracks[0], "play", value=1), row(tracks[1], "play", value=1))

    assert len(as_alice.get(ADDRESS, {"kind": "play"}).json()["feedback"]) == 2
    assert len(as_alice.get(ADDRESS, {"track": tracks[0].pk}).json()["feedback"]) == 2


def test_history_is_ones_own(as_alice: APIClient, as_bob: APIClient, track: Track) -> None:
    send(as_alice, row(track))

    assert as_bob.get(ADDRESS).json()["feedback"] == []


def test_the_number_of_queries_does_not_grow(
    as_alice: APIClient, tracks: list[Track], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(7):
        send(as_alice, row(tracks[0]))
    with django_assert_max_num_queries(7):
        send(as_alice, *[row(track) for track in tracks])
    with django_assert_max_num_queries(2):
        as_alice.get(ADDRESS)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"client_id": "mine"}, "client_id"),
        ({"track": 0}, "track"),
        ({"track": 10**30}, "track"),
        ({"track": 999_999_999}, "track"),
        ({"kind": "clap"}, "kind"),
        ({"kind": "rate", "value": 6}, "value"),
        ({"kind": "play", "value": "long"}, "value"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
        ({"recommendation": 12345}, "recommendation"),
        ({"position": 2}, "position"),
    ],
)
def test_a_refused_row_names_its_field_and_stops_no_other(
    as_alice: APIClient, track: Track, fields: dict[str, Any], field: str
) -> None:
    refused, stored = send(as_alice, row(track) | fields, row(track))

    assert refused["status"] == "refused"
    assert refused["error"]["field"] == field
    assert refused["error"]["message"]
    assert stored["status"] == "stored"


def test_it_refuses_feedback_about_a_foreign_piece_as_if_it_did_not_exist(as_bob: APIClient, alices_piece: Track) -> None:
    (result,) = send(as_bob, row(alices_piece))

    assert result["error"] == {"field": "track", "message": f"there is no track {alices_piece.pk}"}


def test_it_refuses_a_batch_that_is_too_long(as_alice: APIClient, track: Track) -> None:
    response = as_alice.post(ADDRESS, {"feedback": [row(track)] * 1001}, format="json")

    assert response.status_code == 400
    assert "1000" in str(response.json()["feedback"])


@pytest.mark.parametrize("body", [{}, {"feedback": "like"}, {"feedback": [1]}, {"feedback": None}, [1]])
def test_it_refuses_a_body_of_another_shape(as_alice: APIClient, body: Any) -> None:
    assert as_alice.post(ADDRESS, body, format="json").status_code == 400


def test_it_refuses_to_speak_for_another_listener_without_the_role(as_alice: APIClient, track: Track) -> None:
    response = as_alice.post(ADDRESS, {"feedback": [row(track)], "listener": "shop-17"}, format="json")

    assert response.status_code == 403
    assert not Listener.objects.filter(external_id="shop-17").exists()
    assert as_alice.get(ADDRESS, {"listener": "shop-17"}).status_code == 403


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzEsMl0", "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgMV0"])
def test_it_refuses_a_broken_cursor(as_alice: APIClient, cursor: str) -> None:
    assert as_alice.get(ADDRESS, {"cursor": cursor}).status_code == 400


def test_it_refuses_strangers(track: Track) -> None:
    assert api_client().post(ADDRESS, {"feedback": []}, format="json").status_code == 401
