"""GET and PUT /api/v1/me/preferences/."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from recsys.models import Preferences, Track
from tests.conftest import api_client

ADDRESS = "/api/v1/me/preferences/"


def test_the_first_ones_are_open_to_everything(as_alice: APIClient) -> None:
    assert as_alice.get(ADDRESS).json() == {"styles": [], "diversity": 0.3, "recently_heard": 50, "is_private_session": False}


def test_a_change_is_a_new_version_and_keeps_the_rest(as_alice: APIClient) -> None:
    as_alice.put(ADDRESS, {"styles": ["reel", "jig", "reel"]}, format="json")
    response = as_alice.put(ADDRESS, {"diversity": 0.8}, format="json")

    assert response.json() == {"styles": ["reel", "jig"], "diversity": 0.8, "recently_heard": 50, "is_private_session": False}
    assert as_alice.get(ADDRESS).json() == response.json()
    assert Preferences.objects.count() == 2


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"diversity": 1.5}, "diversity"),
        ({"diversity": None}, "diversity"),
        ({"diversity": True}, "diversity"),
        ({"recently_heard": -1}, "recently_heard"),
        ({"recently_heard": 1001}, "recently_heard"),
        ({"styles": ["x" * 41]}, "styles"),
        ({"styles": [f"style {n}" for n in range(31)]}, "styles"),
    ],
)
def test_it_refuses_what_lies_outside_its_bounds(as_alice: APIClient, wish: dict[str, Any], field: str) -> None:
    response = as_alice.put(ADDRESS, wish, format="json")

    assert response.status_code == 400
    assert list(response.json()) == [field]


def test_it_refuses_a_style_that_the_catalogue_does_not_have(as_alice: APIClient, alice: Account, tracks: list[Track]) -> None:
    assert as_alice.put(ADDRESS, {"styles": ["reel", "bebop"]}, format="json").json() == {
        "styles": ["there is no style 'bebop'; there are air, chorale, jig, reel"]
    }
    assert not Preferences.objects.exists()


def test_a_style_that_was_declared_stays_when_its_collection_is_gone(
    as_alice: APIClient, alice: Account, tracks: list[Track]
) -> None:
    Preferences.objects.create(listener=alice.listener, styles=["polka"])

    assert as_alice.put(ADDRESS, {"styles": ["polka", "jig"]}, format="json").json()["styles"] == ["polka", "jig"]


@pytest.mark.parametrize("wish", [{"diversty": 0.5}, {"listener": "shop-17"}])
def test_it_refuses_names_it_does_not_know(as_alice: APIClient, wish: dict[str, Any]) -> None:
    (message,) = as_alice.put(ADDRESS, wish, format="json").json().values()

    assert message == ["is no field of this call; there are styles, diversity, recently_heard, is_private_session"]


@pytest.mark.django_db
def test_it_refuses_strangers() -> None:
    assert api_client().get(ADDRESS).status_code == 401
