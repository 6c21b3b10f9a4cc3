"""The API about oneself."""

import json

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account, ApiToken
from accounts.tokens import issue_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Account:
    return Account.objects.create_user("alice@example.org", "a long pass phrase")


@pytest.fixture
def api(alice: Account) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(alice, 'tests')[1]}")
    return client


def test_it_tells_who_asks(api: APIClient, alice: Account) -> None:
    assert api.get("/api/v1/me/").json() | {"created_at": ""} == {
        "id": alice.pk,
        "email": "alice@example.org",
        "role": "listener",
        "time_zone": "UTC",
        "listener": alice.listener.pk,
        "created_at": "",
    }


def test_without_a_token_it_answers_401() -> None:
    assert APIClient().get("/api/v1/me/").status_code == 401


def test_the_time_zone_can_be_changed_and_the_role_cannot(api: APIClient, alice: Account) -> None:
    assert api.patch("/api/v1/me/", {"time_zone": "Asia/Tokyo"}).json()["time_zone"] == "Asia/Tokyo"
    refused = api.patch("/api/v1/me/", {"time_zone": "Asia/Seoul", "role": "owner"})

    alice.refresh_from_db()
    assert refused.json() == {"role": ["is no field of this call; there are time_zone"]}
    assert (alice.time_zone, alice.role) == ("Asia/Tokyo", "listener")


def test_an_unknown_time_zone_is_refused_with_its_field(api: APIClient) -> None:
    response = api.patch("/api/v1/me/", {"time_zone": "Mars/Olympus"})

    assert response.status_code == 400
    assert "Mars/Olympus" in response.json()["time_zone"][0]


def test_a_new_token_shows_its_text_once(api: APIClient, alice: Account) -> None:
    issued = api.post("/api/v1/me/tokens/", {"name": "my script"})

    assert issued.status_code == 201
    assert issued.json()["token"].startswith("encore_")
    listed = api.get("/api/v1/me/tokens/").json()
    rows = listed["results"] if isinstance(listed, dict) else listed
    assert [row["name"] for row in rows] == ["my script", "tests"]
    assert all("token" not in row for row in rows)


def test_a_token_without_a_name_is_refused(api: APIClient) -> None:
    assert api.post("/api/v1/me/tokens/", {"name": ""}).json() == {"name": ["This field may not be blank."]}


def test_a_revoked_token_no_longer_works(api: APIClient, alice: Account) -> None:
    token, text = issue_token(alice, "other")

    assert api.delete(f"/api/v1/me/tokens/{token.pk}/").status_code == 204

    other = APIClient()
    other.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert other.get("/api/v1/me/").status_code == 401


def test_anothers_token_is_not_there(api: APIClient) -> None:
    bob = Account.objects.create_user("bob@example.org")
    foreign = ApiToken.objects.create(account=bob, name="his", sha256="0" * 64)

    assert api.delete(f"/api/v1/me/tokens/{foreign.pk}/").status_code == 404


def test_erasing_needs_the_address_and_removes_everything(api: APIClient) -> None:
    assert api.delete("/api/v1/me/", {"email": "bob@example.org"}).status_code == 400
    assert api.delete("/api/v1/me/", {"email": "alice@example.org"}).status_code == 204

    assert not Account.objects.exists()


def test_erasing_ends_the_sessions_of_the_account_and_no_others(api: APIClient, alice: Account) -> None:
    bob = Account.objects.create_user("bob@example.org")
    for account in (alice, alice, bob):
        Client().force_login(account)

    api.delete("/api/v1/me/", {"email": "alice@example.org"})

    assert [session.get_decoded()["_auth_user_id"] for session in Session.objects.all()] == [str(bob.pk)]


def test_the_export_is_a_file(api: APIClient) -> None:
    response = api.get("/api/v1/me/export/")

    assert response.headers["Content-Disposition"] == 'attachment; filename="encore-export.json"'
    assert json.loads(response.getvalue())["account"]["tokens"][0]["name"] == "tests"
