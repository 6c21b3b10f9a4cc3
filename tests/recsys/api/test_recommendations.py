"""POST /api/v1/recommendations/, GET /api/v1/recommendations/{id}/ and GET /api/v1/recommendations/best/."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Listener
from recsys.models import Feedback, Recommendation, Track
from tests.conftest import MakeTracks, api_client

ADDRESS = "/api/v1/recommendations/"


def ask(client: APIClient, **wish: Any) -> dict[str, Any]:
    response = client.post(ADDRESS, wish, format="json")
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def recommended_ids(client: APIClient, count: int = 100) -> set[int]:
    return {pick["track"]["id"] for pick in ask(client, count=count)["tracks"]}


def test_it_answers_with_tracks_probabilities_and_reasons(as_alice: APIClient, tracks: list[Track]) -> None:
    body = ask(as_alice, count=4, surface="home")

    row = Recommendation.objects.get(pk=body["id"])
    assert [pick["position"] for pick in body["tracks"]] == [0, 1, 2, 3]
    assert [pick["track"]["id"] for pick in body["tracks"]] == row.tracks
    assert [pick["probability"] for pick in body["tracks"]] == row.probabilities
    assert all(pick["reasons"][0]["text"] for pick in body["tracks"])
    contributions = [[reason["contribution"] for reason in pick["reasons"]] for pick in body["tracks"]]
    assert [math.fsum(each) for each in contributions] == pytest.approx([pick["score"] for pick in body["tracks"]], abs=1e-12)
    assert body["policy_version"] == row.policy_version_id
    assert row.context["surface"] == "home"
    assert body["word"] == ""


def test_a_disliked_track_is_gone_from_the_next_recommendation(as_alice: APIClient, track: Track) -> None:
    row = {"client_id": str(uuid.uuid4()), "track": track.pk, "kind": "dislike", "occurred_at": timezone.now().isoformat()}
    as_alice.post("/api/v1/feedback/", {"feedback": [row]}, format="json")

    assert track.pk not in recommended_ids(as_alice)


def test_fewer_open_tracks_than_asked_are_a_shorter_slate(as_alice: APIClient, tracks: list[Track]) -> None:
    assert len(ask(as_alice, count=100)["tracks"]) == 12
    assert len(ask(as_alice, count=100, styles=["jig"])["tracks"]) == 3


def test_nothing_left_is_said_in_a_word(as_alice: APIClient, tracks: list[Track]) -> None:
    body = ask(as_alice, styles=["polka"])

    assert body["tracks"] == []
    assert body["word"].startswith("Nothing is left")


def test_a_slate_can_be_read_again_by_its_listener_only(as_alice: APIClient, as_bob: APIClient, tracks: list[Track]) -> None:
    body = ask(as_alice, count=3)

    assert as_alice.get(f"{ADDRESS}{body['id']}/").json() == body
    assert as_bob.get(f"{ADDRESS}{body['id']}/").status_code == 404


@pytest.mark.parametrize("empty", [{"track": None, "style": None}, {"track": None, "tracks": [], "style": None}, {}])
def test_reasons_are_answered_in_full_however_they_were_logged(
    as_alice: APIClient, tracks: list[Track], empty: dict[str, object]
) -> None:
    row = Recommendation.objects.get(pk=ask(as_alice, count=1)["id"])
    logged = {"kind": "popular", "text": "popular with listeners", "contribution": 0.5, **empty}
    Recommendation.objects.filter(pk=row.pk).update(reasons=[[logged]])

    answered = as_alice.get(f"{ADDRESS}{row.pk}/").json()["tracks"][0]["reasons"]

    assert answered == [{**logged, "track": None, "tracks": [], "style": None}]


def test_a_piece_that_was_taken_back_leaves_a_gap(as_bob: APIClient, tracks: list[Track], alices_piece: Track) -> None:
    body = ask(as_bob, count=2)
    row = Recommendation.objects.get(pk=body["id"])
    Recommendation.objects.filter(pk=row.pk).update(tracks=[alices_piece.pk, row.tracks[1]])

    assert [pick["position"] for pick in as_bob.get(f"{ADDRESS}{row.pk}/").json()["tracks"]] == [1]


def test_an_operator_asks_for_an_integrators_listener(as_olga: APIClient, tracks: list[Track]) -> None:
    body = ask(as_olga, listener="shop-17")

    assert Recommendation.objects.get(pk=body["id"]).listener == Listener.objects.get(external_id="shop-17")


def test_the_number_of_queries_does_not_grow(
    as_alice: APIClient, make_tracks: MakeTracks, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_tracks(60)
    ask(as_alice)

    with django_assert_max_num_queries(15):
        ask(as_alice, count=2)
    with django_assert_max_num_queries(15):
        ask(as_alice, count=60)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"count": "many"}, "count"),
        ({"surface": "fridge"}, "surface"),
        ({"styles": "reel"}, "styles"),
        ({"styles": ["x" * 41]}, "styles"),
        ({"listener": "x" * 201}, "listener"),
    ],
)
def test_it_refuses_an_impossible_wish(as_alice: APIClient, wish: dict[str, Any], field: str) -> None:
    response = as_alice.post(ADDRESS, wish, format="json")

    assert response.status_code == 400
    assert list(response.json()) == [field]


def test_it_refuses_to_ask_for_another_listener_without_the_role(as_bob: APIClient, tracks: list[Track]) -> None:
    assert as_bob.post(ADDRESS, {"listener": "shop-17"}, format="json").status_code == 403


def test_it_refuses_strangers(tracks: list[Track]) -> None:
    assert api_client().post(ADDRESS).status_code == 401


def test_the_example_of_the_documentation_works_as_it_stands(as_alice: APIClient, tracks: list[Track]) -> None:
    schema = as_alice.get("/api/v1/schema/?format=json").json()
    body = schema["paths"]["/api/v1/recommendations/"]["post"]["requestBody"]["content"]["application/json"]
    (example,) = body["examples"].values()

    answer = as_alice.post("/api/v1/recommendations/", example["value"], format="json")

    assert answer.status_code == 201
    assert len(answer.json()["tracks"]) == example["value"]["count"]


def best(client: APIClient, **wish: Any) -> dict[str, Any]:
    response = client.get(f"{ADDRESS}best/", wish)
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def hear(client: APIClient, track: Track, kind: str, value: float | None = None) -> None:
    row = {"client_id": str(uuid.uuid4()), "track": track.pk, "kind": kind, "occurred_at": timezone.now().isoformat()}
    sent = client.post(
        "/api/v1/feedback/", {"feedback": [row | ({"value": value} if value is not None else {})]}, format="json"
    )
    assert sent.json()["results"][0]["status"] == "stored", sent.content


@pytest.fixture
def liked(tracks: list[Track]) -> list[Track]:
    """By the more people, the later in the list; long enough ago that popularity knows of it."""
    before = timezone.now() - timedelta(hours=3)
    people = Listener.objects.bulk_create(Listener(external_id=f"listener {number}") for number in range(len(tracks)))
    Feedback.objects.bulk_create(
        Feedback(listener=person, client_id=uuid.uuid4(), track=track, kind="like", occurred_at=before, received_at=before)
        for place, track in enumerate(tracks)
        for person in people[:place]
    )
    return tracks


def test_the_best_slate_is_the_most_popular_one_each_time_and_is_not_logged(as_alice: APIClient, liked: list[Track]) -> None:
    bodies = [best(as_alice, count=4) for _ in range(5)]

    expected = [track.pk for track in reversed(liked)][:4]
    assert [[pick["track"]["id"] for pick in body["tracks"]] for body in bodies] == [expected] * 5
    assert [pick["position"] for pick in bodies[0]["tracks"]] == [0, 1, 2, 3]
    assert all(pick["reasons"][0]["text"] for pick in bodies[0]["tracks"])
    assert "id" not in bodies[0]
    assert "probability" not in bodies[0]["tracks"][0]
    assert not Recommendation.objects.exists()


def test_the_best_slate_leaves_out_what_a_recommendation_leaves_out(as_alice: APIClient, liked: list[Track]) -> None:
    hear(as_alice, liked[-1], "dislike")
    hear(as_alice, liked[-2], "ban")
    hear(as_alice, liked[-3], "play", 20.0)

    assert best(as_alice, count=1)["tracks"][0]["track"]["id"] == liked[-4].pk
    assert len(best(as_alice, count=100)["tracks"]) == 9
    jigs = {track.pk for track in liked if track.style == "jig"}
    assert {pick["track"]["id"] for pick in best(as_alice, styles=["jig"])["tracks"]} <= jigs
    assert best(as_alice, styles="polka")["word"].startswith("Nothing is left")


def test_the_best_slate_refuses_what_a_recommendation_refuses(as_alice: APIClient, tracks: list[Track]) -> None:
    assert list(as_alice.get(f"{ADDRESS}best/", {"count": 101}).json()) == ["count"]
    assert as_alice.get(f"{ADDRESS}best/", {"listener": "shop-17"}).status_code == 403
    assert api_client().get(f"{ADDRESS}best/").status_code == 401


def candidates_of(client: APIClient) -> set[int]:
    return set(Recommendation.objects.get(pk=ask(client)["id"]).candidates)


def test_before_anything_was_learned_a_dislike_or_a_skip_changes_the_next_request(
    as_alice: APIClient, tracks: list[Track]
) -> None:
    everything = {track.pk for track in tracks}
    assert candidates_of(as_alice) == everything

    hear(as_alice, tracks[0], "dislike")
    assert candidates_of(as_alice) == everything - {tracks[0].pk}

    hear(as_alice, tracks[1], "play", 2.0)
    hear(as_alice, tracks[1], "skip")
    assert candidates_of(as_alice) == everything - {tracks[0].pk, tracks[1].pk}


def reels_above_jigs(client: APIClient, tracks: list[Track]) -> float:
    """By how much the next request's scores put a reel and a jig apart of which nobody said anything."""
    row = Recommendation.objects.get(pk=ask(client, count=100)["id"])
    scores = dict(zip(row.tracks, row.scores, strict=True))
    reel, jig = (next(t for t in reversed(tracks) if t.style == style) for style in ("reel", "jig"))
    return float(scores[reel.pk] - scores[jig.pk])


@pytest.mark.parametrize(
    ("kind", "value", "undone_by", "direction"),
    [
        ("like", None, "unlike", 1),
        ("dislike", None, "undislike", -1),
        ("rate", 5.0, "unrate", 1),
        ("rate", 1.0, "unrate", -1),
    ],
)
def test_before_anything_was_learned_an_opinion_moves_its_style_in_the_next_request_until_it_is_taken_back(
    as_alice: APIClient, tracks: list[Track], kind: str, value: float | None, undone_by: str, direction: int
) -> None:
    assert reels_above_jigs(as_alice, tracks) == 0.0

    hear(as_alice, tracks[0], kind, value)
    assert reels_above_jigs(as_alice, tracks) * direction > 0.1

    hear(as_alice, tracks[0], undone_by)
    assert reels_above_jigs(as_alice, tracks) == 0.0


def test_before_anything_was_learned_leaving_early_lowers_the_style_and_hearing_out_raises_it(
    as_alice: APIClient, tracks: list[Track]
) -> None:
    hear(as_alice, tracks[0], "play", 0.5)
    hear(as_alice, tracks[0], "skip")
    left = reels_above_jigs(as_alice, tracks)
    hear(as_alice, tracks[4], "play", tracks[4].duration_seconds)

    assert left < 0 < reels_above_jigs(as_alice, tracks)


def test_before_anything_was_learned_what_was_liked_is_the_reason(as_alice: APIClient, tracks: list[Track]) -> None:
    hear(as_alice, tracks[0], "like")

    told = {pick["track"]["id"]: pick["reasons"][0]["text"] for pick in ask(as_alice, count=100)["tracks"]}

    assert told[tracks[4].pk] == told[tracks[8].pk] == f"because you liked {tracks[0].title}"
    assert told[tracks[1].pk] == "something new to try"
