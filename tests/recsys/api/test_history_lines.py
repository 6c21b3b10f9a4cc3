"""GET and POST /api/v1/me/history.jsonl, GET /api/v1/me/listens.jsonl."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, Listener
from recsys import history_import
from recsys.feedback import NewFeedback, record
from recsys.models import Feedback, Track
from recsys.preferences import declare
from tests.conftest import api_client, unsaved_track

HISTORY = "/api/v1/me/history.jsonl"
LISTENS = "/api/v1/me/listens.jsonl"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def say(account: Account, track: Track, kind: str, **fields: Any) -> None:
    given: dict[str, Any] = {"client_id": uuid.uuid4(), "occurred_at": NOON} | fields
    (outcome,) = record(account.listener, [NewFeedback(track_id=track.pk, kind=kind, **given)], received_at=NOON)
    assert outcome.status == "stored"


def lines_of(client: APIClient, address: str = HISTORY) -> bytes:
    response = client.get(address)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return b"".join(response)


def send(client: APIClient, content: bytes, query: str = "") -> dict[str, Any]:
    response = client.post(f"{HISTORY}{query}", content, content_type="application/x-ndjson")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def own_line(track: Track, **fields: Any) -> dict[str, Any]:
    named = {"title": track.title, "artist": track.artist, "collection": track.collection, "source": track.source}
    given = {"client_id": str(uuid.uuid4()), "kind": "like", "occurred_at": "2026-11-01T12:00:00Z", "track": named}
    return given | fields


def listen(title: str, artist: str = "Somebody", **fields: Any) -> dict[str, Any]:
    return {"listened_at": 1_700_000_000, "track_metadata": {"track_name": title, "artist_name": artist, **fields}}


def as_lines(*objects: Any) -> bytes:
    return "\n".join(json.dumps(each) for each in objects).encode()


def told(listener: Listener) -> list[tuple[Any, ...]]:
    fields = ("client_id", "track__title", "kind", "value", "track_position_seconds", "occurred_at")
    return list(Feedback.objects.filter(listener=listener).order_by("occurred_at", "client_id").values_list(*fields))


def test_a_history_moves_to_another_listener_whole_and_only_once(
    as_alice: APIClient, as_bob: APIClient, alice: Account, bob: Account, tracks: list[Track]
) -> None:
    say(alice, tracks[0], "play", value=41.25, track_position_seconds=41.25)
    say(alice, tracks[0], "rate", value=4, occurred_at=NOON + timedelta(seconds=1))
    say(alice, tracks[1], "dislike", occurred_at=NOON + timedelta(microseconds=5))
    file = lines_of(as_alice)

    first, again = send(as_bob, file), send(as_bob, file)

    assert first["counts"] == {"stored": 3, "duplicate": 0, "refused": 0, "private": 0}
    assert again["counts"] == {"stored": 0, "duplicate": 3, "refused": 0, "private": 0}
    assert told(bob.listener) == told(alice.listener)
    assert lines_of(as_bob) == file


def test_a_history_brought_back_where_it_came_from_adds_nothing(as_alice: APIClient, alice: Account, track: Track) -> None:
    say(alice, track, "play", value=12.0)

    for address in (HISTORY, LISTENS):
        assert send(as_alice, lines_of(as_alice, address))["counts"]["duplicate"] == 1
    assert Feedback.objects.count() == 1


def test_a_track_is_found_by_its_notes_where_title_and_source_differ(as_alice: APIClient, tracks: list[Track]) -> None:
    named = {"title": "Called otherwise there", "content_hash": tracks[3].content_hash}

    send(as_alice, as_lines(own_line(tracks[3]) | {"track": named}))

    assert Feedback.objects.get().track == tracks[3]


def test_listens_are_plays_in_the_form_of_listenbrainz(as_alice: APIClient, alice: Account, track: Track) -> None:
    say(alice, track, "play", value=30.4)
    say(alice, track, "like")

    (line,) = lines_of(as_alice, LISTENS).splitlines()

    told_there = json.loads(line)
    assert told_there["listened_at"] == int((NOON - timedelta(seconds=31)).timestamp())
    assert told_there["track_metadata"]["track_name"] == track.title
    assert told_there["track_metadata"]["artist_name"] == "Traditional"
    assert told_there["track_metadata"]["additional_info"]["duration_played"] == 30


def test_a_listen_is_found_by_title_and_artist_and_counts_once(as_alice: APIClient, tracks: list[Track]) -> None:
    file = as_lines(listen(tracks[2].title.upper(), "The Dubliners"))

    assert send(as_alice, file)["counts"]["stored"] == 1
    assert send(as_alice, file)["counts"]["duplicate"] == 1

    row = Feedback.objects.get()
    assert (row.track, row.kind, row.value) == (tracks[2], "play", tracks[2].duration_seconds)
    assert row.occurred_at == datetime.fromtimestamp(1_700_000_000, UTC) + timedelta(seconds=tracks[2].duration_seconds)


def test_of_tracks_with_one_title_the_artist_and_then_the_collection_decide(as_alice: APIClient, db: None) -> None:
    first = unsaved_track(1, title="The Rover", artist="Ann")
    second = unsaved_track(2, title="The Rover", artist="Ben", collection="one")
    third = unsaved_track(3, title="The Rover", artist="Ben", collection="other")
    Track.objects.bulk_create([first, second, third])

    results = send(
        as_alice,
        as_lines(
            listen("The Rover", "ANN"),
            listen("The Rover", "Ben", release_name="other"),
            listen("The Rover", "Ben"),
            listen("The Rover", "Carl"),
        ),
    )["results"]

    assert [result["status"] for result in results] == ["stored", "stored", "refused", "refused"]
    assert set(Feedback.objects.values_list("track__artist", "track__collection")) == {("Ann", "tests"), ("Ben", "other")}
    assert "2 tracks here are called “The Rover”" in results[2]["error"]["message"]
    assert "no track “The Rover” by “Carl”" in results[3]["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"client_id": "mine"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"kind": "clap"}, "kind"),
        ({"kind": 3}, "kind"),
        ({"kind": "rate", "value": 6}, "value"),
        ({"kind": "play", "value": "long"}, "value"),
        ({"kind": "play", "value": float("nan")}, "value"),
        ({"kind": "play", "value": 10**400}, "value"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2026-11-01T12:00:00"}, "occurred_at"),
        ({"occurred_at": "1912-11-01T12:00:00Z"}, "occurred_at"),
        ({"occurred_at": "2999-11-01T12:00:00Z"}, "occurred_at"),
        ({"track": "The Rover"}, "track"),
        ({"track": {"title": ""}}, "track.title"),
        ({"track": {"title": "no such tune"}}, "track"),
        ({"track": {"title": "a\0b"}}, "track.title"),
        ({"track": {"title": "\ud800"}}, "track.title"),
        ({"track": {"title": "x" * 301}}, "track.title"),
        ({"track_metadata": [], "listened_at": 3}, "track_metadata"),
        ({"track_metadata": {"track_name": "a"}, "listened_at": 3}, "track_metadata.artist_name"),
        ({"track_metadata": {"track_name": "a", "artist_name": "b"}}, "listened_at"),
        ({"track_metadata": {"track_name": "a", "artist_name": "b"}, "listened_at": 1e14}, "listened_at"),
        ({"track_metadata": {"track_name": "a", "artist_name": "b"}, "listened_at": 253402300799}, "listened_at"),
    ],
)
def test_a_refused_line_names_its_row_and_field_and_stops_no_other(
    as_alice: APIClient, track: Track, fields: dict[str, Any], field: str
) -> None:
    answer = send(as_alice, as_lines(own_line(track), own_line(track) | fields, own_line(track)))

    assert [(result["row"], result["status"]) for result in answer["results"]] == [(1, "stored"), (2, "refused"), (3, "stored")]
    assert answer["results"][1]["error"]["field"] == field
    assert answer["results"][1]["error"]["message"]


@pytest.mark.parametrize("line", [b"hello", b"[1]", b"3", b"\xff\xfe", b"[" * 30_000, b'{"a": "' + b"x" * 20_000 + b'"}'])
def test_a_line_that_is_no_object_is_refused_by_its_row(as_alice: APIClient, track: Track, line: bytes) -> None:
    results = send(as_alice, b"\n\n" + line + b"\n" + as_lines(own_line(track)) + b"\n")["results"]

    assert [(result["row"], result["status"]) for result in results] == [(3, "refused"), (4, "stored")]
    assert results[0]["error"]["field"] == "line"


def test_an_empty_file_brings_nothing(as_alice: APIClient) -> None:
    assert send(as_alice, b"")["results"] == []


def test_a_foreign_piece_is_not_found(as_bob: APIClient, alices_piece: Track) -> None:
    (result,) = send(as_bob, as_lines(own_line(alices_piece)))["results"]

    assert result["error"]["field"] == "track"


def test_in_a_private_session_listens_are_answered_and_not_kept(as_alice: APIClient, alice: Account, track: Track) -> None:
    declare(alice.listener, is_private_session=True)

    assert send(as_alice, as_lines(listen(track.title)))["counts"]["private"] == 1
    assert not Feedback.objects.exists()


def test_a_file_with_too_many_lines_is_refused_whole(
    as_alice: APIClient, track: Track, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_import, "MOST_LINES", 2)

    response = as_alice.post(HISTORY, as_lines(*[own_line(track)] * 3), content_type="application/x-ndjson")

    assert response.status_code == 400
    assert "at most 2 lines and this one has 3" in str(response.json()["lines"])
    assert not Feedback.objects.exists()


def test_an_operator_brings_in_the_history_of_an_integrators_listener(as_olga: APIClient, track: Track) -> None:
    send(as_olga, as_lines(own_line(track)), "?listener=shop-17")

    assert Listener.objects.get(external_id="shop-17").feedback.count() == 1


def test_it_refuses_to_speak_for_another_listener_without_the_role(as_alice: APIClient) -> None:
    assert as_alice.get(HISTORY, {"listener": "shop-17"}).status_code == 403
    assert as_alice.get(LISTENS, {"listener": "shop-17"}).status_code == 403
    assert as_alice.post(f"{HISTORY}?listener=shop-17", b"", content_type="application/x-ndjson").status_code == 403


def test_it_refuses_strangers(db: None) -> None:
    assert api_client().get(HISTORY).status_code == 401
    assert api_client().get(LISTENS).status_code == 401
    assert api_client().post(HISTORY, b"", content_type="application/x-ndjson").status_code == 401
