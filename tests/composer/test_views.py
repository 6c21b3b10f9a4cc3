"""The API about composing: /api/v1/pieces/ and /api/v1/commissions/."""

from __future__ import annotations

import base64
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import Account, Listener
from composer.composing import compose_commission
from composer.models import Piece

pytestmark = pytest.mark.django_db
PIECES = "/api/v1/pieces/"
WISH = {"steering": {"style": "jig", "bars": 4}, "seed": 1}


@pytest.fixture
def piece(as_alice: APIClient, composer_version: object) -> Piece:
    """A piece of Alice's."""
    compose_commission(as_alice.post(PIECES, WISH).json()["id"])
    return Piece.objects.get()


def test_a_wish_is_taken_and_its_progress_can_be_asked(as_alice: APIClient, composer_version: object) -> None:
    answer = as_alice.post(PIECES, WISH)
    assert answer.status_code == 202, answer.json()
    address = f"/api/v1/commissions/{answer.json()['id']}/"
    assert as_alice.get(address).json()["status"] == "queued"

    compose_commission(answer.json()["id"])

    done = as_alice.get(address).json()
    assert (done["status"], done["progress"], done["error"]) == ("done", 1.0, "")
    assert as_alice.get(f"{PIECES}{done['piece']}/").json()["recipe"]["seed"] == 1


def test_a_retry_with_the_same_id_makes_no_second_wish(as_alice: APIClient) -> None:
    wish = WISH | {"id": str(uuid.uuid4())}
    first, second = as_alice.post(PIECES, wish), as_alice.post(PIECES, wish)

    assert first.json() == second.json()
    assert len(as_alice.get("/api/v1/commissions/").json()["commissions"]) == 1


def test_an_id_of_another_wish_is_a_conflict(as_alice: APIClient, as_bob: APIClient) -> None:
    wish = WISH | {"id": str(uuid.uuid4())}
    as_alice.post(PIECES, wish)

    assert as_bob.post(PIECES, wish).status_code == 409


def test_an_id_of_a_wish_without_this_parent_is_a_conflict(as_alice: APIClient, piece: Piece) -> None:
    wish = WISH | {"id": str(uuid.uuid4())}
    as_alice.post(PIECES, wish)

    assert as_alice.post(PIECES, wish | {"parent": piece.track_id}).status_code == 409


@pytest.mark.parametrize(
    ("steering", "field", "bound"),
    [({"bars": 65}, "bars", "1 … 64"), ({"mode": "sad"}, "mode", "dorian"), ({"colour": 1}, "colour", "no field")],
)
def test_an_impossible_wish_is_refused_with_field_and_bound(
    as_alice: APIClient, steering: dict[str, Any], field: str, bound: str
) -> None:
    answer = as_alice.post(PIECES, {"steering": steering})

    assert answer.status_code == 400
    assert bound in answer.json()["steering"][field][0]


@pytest.mark.parametrize("nothing", [False, 0, "", [], {}])
@pytest.mark.parametrize("name", ["task", "prompt"])
def test_what_is_no_task_and_no_prompt_is_refused_and_not_passed_over(as_alice: APIClient, name: str, nothing: Any) -> None:
    answer = as_alice.post(PIECES, WISH | {name: nothing})

    assert (answer.status_code, list(answer.json())) == (400, [name])


def test_a_number_beyond_all_bounds_is_refused_in_its_field(as_alice: APIClient) -> None:
    answer = as_alice.generic("POST", PIECES, '{"steering": {"tempo": 1e999}}', content_type="application/json")

    assert answer.json() == {"steering": {"tempo": ["must be a number 30 … 300; it is inf"]}}


def test_a_style_that_no_text_can_hold_is_refused_while_the_catalogue_is_empty(as_alice: APIClient) -> None:
    answer = as_alice.post(PIECES, {"steering": {"style": "reel\0"}})

    assert answer.json() == {"steering": {"style": ["must be a name of 1 … 40 printable letters"]}}


@pytest.mark.parametrize("body", [{}, {"steering": 3}, {"steering": {}, "seed": -1}, {"steering": {}, "id": "x"}])
def test_a_malformed_request_is_refused(as_alice: APIClient, body: dict[str, Any]) -> None:
    assert as_alice.post(PIECES, body).status_code == 400


@pytest.mark.usefixtures("tracks")
def test_an_unknown_style_is_refused_with_the_known_ones(as_alice: APIClient) -> None:
    answer = as_alice.post(PIECES, {"steering": {"style": "bebop"}})

    assert answer.status_code == 400
    assert "air, chorale, jig, reel" in answer.json()["steering"]["style"][0]


def test_a_full_queue_says_so(as_alice: APIClient, settings: Settings) -> None:
    settings.ENCORE_COMMISSIONS_PER_LISTENER = 1
    as_alice.post(PIECES, WISH)
    answer = as_alice.post(PIECES, WISH)

    assert answer.status_code == 429
    assert "wait until one is done" in answer.json()["detail"]
    assert answer["Retry-After"] == "30"


def test_a_piece_is_its_listeners_until_shared(as_alice: APIClient, as_bob: APIClient, piece: Piece) -> None:
    address = f"{PIECES}{piece.track_id}/"
    assert as_bob.get(address).status_code == 404
    assert as_bob.patch(address, {"is_shared": True}).status_code == 404

    assert as_alice.patch(address, {"is_shared": True}).json()["is_shared"] is True

    seen = as_bob.get(address).json()
    assert (seen["is_own"], seen["recipe"]) == (False, None)
    assert as_bob.get(f"/api/v1/tracks/{piece.track_id}/recipe.json").status_code == 404
    assert as_alice.get(f"/api/v1/tracks/{piece.track_id}/recipe.json").json()["seed"] == 1
    assert as_bob.patch(address, {"is_shared": False}).status_code == 404
    as_alice.patch(address, {"is_shared": False})
    assert as_bob.get(address).status_code == 404


def test_lists_hold_ones_own_pieces_in_few_queries(
    as_alice: APIClient, as_bob: APIClient, piece: Piece, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(3):
        listed = as_alice.get(PIECES).json()

    assert [row["track"]["title"] for row in listed["pieces"]] == [piece.track.title]
    assert listed["next_cursor"] is None
    assert as_bob.get(PIECES).json()["pieces"] == []


@pytest.mark.parametrize("address", [PIECES, "/api/v1/commissions/"])
@pytest.mark.parametrize("position", ["x", "1", "\0"])
def test_a_forged_cursor_is_refused(as_alice: APIClient, address: str, position: str) -> None:
    cursor = base64.b64encode(urlencode({"p": position}).encode()).decode()

    response = as_alice.get(address, {"cursor": cursor})
    assert (response.status_code, list(response.json())) == (400, ["cursor"])


def test_someone_elses_commission_does_not_exist(as_alice: APIClient, as_bob: APIClient) -> None:
    made = as_alice.post(PIECES, WISH).json()

    assert as_bob.get(f"/api/v1/commissions/{made['id']}/").status_code == 404


def test_a_private_piece_is_no_parent_for_others(as_alice: APIClient, as_bob: APIClient, piece: Piece) -> None:
    wish = WISH | {"parent": piece.track_id}

    assert as_bob.post(PIECES, wish).status_code == 404
    assert as_alice.post(PIECES, wish).status_code == 202


def test_strangers_are_refused() -> None:
    assert APIClient().get(PIECES).status_code in (401, 403)


def test_pieces_are_neither_deleted_nor_overwritten(as_alice: APIClient, alice: Account, piece: Piece) -> None:
    address = f"{PIECES}{piece.track_id}/"

    assert as_alice.delete(address).status_code == 405
    assert as_alice.put(address, {}).status_code == 405
    assert as_alice.patch(address, {"recipe": {}, "is_shared": True}).json() == {
        "recipe": ["is no field of this call; there are is_shared"]
    }
    piece.refresh_from_db()
    assert piece.recipe["seed"] == 1


def test_an_operator_has_a_piece_composed_for_an_integrators_listener(
    as_olga: APIClient, as_alice: APIClient, composer_version: object
) -> None:
    shop = {"listener": "shop-17"}
    asked = as_olga.post(PIECES, WISH | shop).json()["id"]
    compose_commission(asked)

    number = as_olga.get(f"/api/v1/commissions/{asked}/", shop).json()["piece"]
    assert Piece.objects.get().track.owner == Listener.objects.get(external_id="shop-17")
    assert [row["id"] for row in as_olga.get(PIECES, shop).json()["pieces"]] == [number]
    assert as_olga.get(f"/api/v1/tracks/{number}/midi", shop).status_code == 200
    assert as_olga.get(f"/api/v1/tracks/{number}/recipe.json", shop).json()["seed"] == 1
    assert as_olga.get(f"/api/v1/commissions/{asked}/").status_code == 404
    assert as_olga.get(f"/api/v1/tracks/{number}/midi").status_code == 404
    assert as_alice.get(f"/api/v1/tracks/{number}/midi", shop).status_code == 403
    assert as_alice.post(PIECES, WISH | shop).status_code == 403
    assert as_olga.patch(f"{PIECES}{number}/?listener=shop-17", {"is_shared": True}).json()["is_shared"] is True
    assert as_alice.get(f"/api/v1/tracks/{number}/midi").status_code == 200
