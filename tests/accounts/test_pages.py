"""Signing up, settings, one-time password: as a browser would."""

import json
import re

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django import Settings

from accounts.models import Account, ApiToken, Listener
from accounts.tokens import issue_token

pytestmark = pytest.mark.django_db

PASSWORD = "a long pass phrase"


@pytest.fixture
def alice() -> Account:
    return Account.objects.create_user("alice@example.org", PASSWORD)


@pytest.fixture
def signed_in(client: Client, alice: Account) -> Client:
    client.force_login(alice)
    return client


def sign_up(client: Client, email: str, **more: str) -> int:
    form = {"email": email, "password1": PASSWORD, "password2": PASSWORD, **more}
    return client.post("/accounts/signup/", form).status_code


def test_signing_up_makes_an_account_with_its_listener_and_the_browsers_time_zone(client: Client) -> None:
    assert sign_up(client, "Bob@Example.org", time_zone="Europe/Vienna") == 302

    bob = Account.objects.get(email="bob@example.org")
    assert bob.listener.time_zone.key == "Europe/Vienna"
    assert bob.role == Account.Role.LISTENER
    assert not bob.is_staff


def test_an_unknown_time_zone_is_no_reason_to_refuse_a_sign_up(client: Client) -> None:
    assert sign_up(client, "bob@example.org", time_zone="Mars/Olympus") == 302

    assert Account.objects.get(email="bob@example.org").time_zone == "UTC"


def test_the_same_address_in_other_letters_makes_no_second_account(client: Client, alice: Account) -> None:
    sign_up(client, "ALICE@example.org")

    assert Account.objects.count() == 1
    assert Listener.objects.count() == 1


def test_signing_in_ignores_the_case_of_the_address(client: Client, alice: Account) -> None:
    response = client.post("/accounts/login/", {"login": "Alice@Example.ORG", "password": PASSWORD})

    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_too_many_wrong_passwords_are_refused_for_a_while(client: Client, alice: Account) -> None:
    for _ in range(6):
        response = client.post("/accounts/login/", {"login": alice.email, "password": "wrong"})

    assert "Too many" in response.content.decode()


def test_the_one_time_password_opens_only_the_page_that_changes_it(client: Client) -> None:
    owner = Account.objects.create_superuser("owner@localhost", "printed-once-only", must_change_password=True)
    client.force_login(owner)

    form = client.get("/browse/").headers["Location"]
    assert form == "/accounts/password/change/?next=%2Fbrowse%2F"
    assert client.get("/api/v1/me/").status_code == 403
    assert '<input type="hidden" name="next" value="/browse/">' in client.get(form).content.decode()

    changed = client.post(
        "/accounts/password/change/",
        {"oldpassword": "printed-once-only", "password1": PASSWORD, "password2": PASSWORD, "next": "/browse/"},
    )
    owner.refresh_from_db()
    assert changed.headers["Location"] == "/browse/"
    assert not owner.must_change_password
    assert client.get("/settings/").status_code == 200


def test_settings_need_a_signed_in_account(client: Client) -> None:
    assert client.get("/settings/").headers["Location"].startswith("/accounts/login/")


def test_the_time_zone_can_be_changed(signed_in: Client, alice: Account) -> None:
    signed_in.post("/settings/time-zone/", {"time_zone": "Asia/Tokyo"})

    alice.refresh_from_db()
    assert alice.time_zone == "Asia/Tokyo"


def test_an_unknown_time_zone_is_refused_with_its_field(signed_in: Client) -> None:
    response = signed_in.post("/settings/time-zone/", {"time_zone": "Mars/Olympus"})

    assert response.status_code == 422
    assert "Mars/Olympus" in response.content.decode()


def test_a_token_is_shown_once_and_works(signed_in: Client, client: Client) -> None:
    page = signed_in.post("/settings/tokens/", {"name": "my script"}).content.decode()
    text = re.search(r"encore_[\w-]+", page)

    assert text is not None
    assert text[0] not in signed_in.get("/settings/").content.decode()
    assert Client().get("/api/v1/me/", headers={"authorization": f"Bearer {text[0]}"}).json()["email"] == "alice@example.org"


def test_a_revoked_token_no_longer_works(signed_in: Client) -> None:
    page = signed_in.post("/settings/tokens/", {"name": "my script"}).content.decode()
    text = re.search(r"encore_[\w-]+", page)
    assert text is not None

    signed_in.post(f"/settings/tokens/{ApiToken.objects.get().pk}/revoke/")

    assert Client().get("/api/v1/me/", headers={"authorization": f"Bearer {text[0]}"}).status_code == 401


def test_nobody_revokes_anothers_token(client: Client, alice: Account) -> None:
    foreign = ApiToken.objects.create(account=alice, name="hers", sha256="0" * 64)
    client.force_login(Account.objects.create_user("bob@example.org", PASSWORD))

    assert client.post(f"/settings/tokens/{foreign.pk}/revoke/").status_code == 404


def test_everything_kept_can_be_downloaded(signed_in: Client) -> None:
    response = signed_in.get("/settings/export/")

    assert json.loads(response.getvalue())["account"]["email"] == "alice@example.org"
    assert "attachment" in response.headers["Content-Disposition"]


def test_erasing_asks_for_the_address(signed_in: Client, alice: Account) -> None:
    assert signed_in.post("/settings/erase/", {"email": "bob@example.org"}).status_code == 422
    assert Account.objects.filter(pk=alice.pk).exists()


def test_an_erased_account_is_gone_with_its_listener(signed_in: Client, alice: Account) -> None:
    signed_in.post("/settings/erase/", {"email": "alice@example.org"})

    assert not Account.objects.exists()
    assert not Listener.objects.exists()


@pytest.fixture
def mail_arrives(settings: Settings) -> None:
    """As `config.settings` has it where a mail server is set."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def test_a_taken_address_is_answered_like_a_free_one_and_only_its_mail_tells(
    alice: Account, mail_arrives: None, mailoutbox: list[EmailMessage]
) -> None:
    form = {"password1": PASSWORD, "password2": PASSWORD}
    taken = Client().post("/accounts/signup/", form | {"email": "ALICE@example.org"})
    free = Client().post("/accounts/signup/", form | {"email": "bob@example.org"})

    assert (taken.status_code, taken.headers["Location"]) == (free.status_code, free.headers["Location"])
    assert taken.content == free.content
    assert set(taken.cookies) == set(free.cookies)
    assert Client().get(taken.headers["Location"]).status_code == 200
    told = {message.to[0]: message.body for message in mailoutbox}
    assert "already" in told["alice@example.org"]
    assert "/accounts/confirm-email/" in told["bob@example.org"]
    assert Account.objects.filter(email__iexact="alice@example.org").count() == 1


def test_a_confirmed_address_is_let_in(client: Client, mail_arrives: None, mailoutbox: list[EmailMessage]) -> None:
    sign_up(client, "bob@example.org")
    assert "_auth_user_id" not in client.session
    link = re.search(r"/accounts/confirm-email/\S+", str(mailoutbox[0].body))
    assert link is not None

    client.post(link[0])
    client.post("/accounts/login/", {"login": "bob@example.org", "password": PASSWORD})

    assert client.session["_auth_user_id"] == str(Account.objects.get().pk)


def test_where_no_mail_arrives_a_sign_up_is_let_in_at_once(client: Client) -> None:
    sign_up(client, "bob@example.org")

    assert client.session["_auth_user_id"] == str(Account.objects.get().pk)
    assert "email sent" not in client.get("/", follow=True).content.decode()


def change_password(client: Client, **more: str) -> None:
    form = {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"}
    changed = client.post("/accounts/password/change/", form | more)
    assert changed.headers["Location"] == "/settings/"


def is_valid(token: str) -> bool:
    return bool(Client().get("/api/v1/me/", headers={"authorization": f"Bearer {token}"}).status_code == 200)


def test_a_changed_password_ends_tokens_unless_they_are_kept(signed_in: Client, alice: Account) -> None:
    _, token = issue_token(alice, "my script")
    assert 'name="end_tokens"' in signed_in.get("/accounts/password/change/").content.decode()

    change_password(signed_in)
    assert is_valid(token)

    signed_in.post(
        "/accounts/password/change/",
        {"oldpassword": "another long phrase", "password1": PASSWORD, "password2": PASSWORD, "end_tokens": "on"},
    )
    assert not is_valid(token)


def test_without_tokens_nothing_is_asked_about_them(signed_in: Client) -> None:
    assert 'name="end_tokens"' not in signed_in.get("/accounts/password/change/").content.decode()

    change_password(signed_in)


def test_a_password_reset_by_mail_ends_every_token(client: Client, alice: Account, mailoutbox: list[EmailMessage]) -> None:
    _, token = issue_token(alice, "my script")
    client.post("/accounts/password/reset/", {"email": alice.email})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mailoutbox[0].body))
    assert link is not None

    form = client.get(link[0]).headers["Location"]
    client.post(form, {"password1": "another long phrase", "password2": "another long phrase"})

    assert client.login(email=alice.email, password="another long phrase")
    assert not is_valid(token)
