"""Roles: each may do what the ones before it may, in the admin too."""

import pytest
from django.test import Client

from accounts.models import Account

pytestmark = pytest.mark.django_db

ROLES = list(Account.Role)


def account_with(role: str) -> Account:
    return Account.objects.create_user(f"{role}@example.org", role=role)


@pytest.mark.parametrize("role", ROLES)
def test_the_admin_opens_from_viewer_upward(client: Client, role: str) -> None:
    client.force_login(account_with(role))

    assert (client.get("/admin/").status_code == 200) == (role != Account.Role.LISTENER)


@pytest.mark.parametrize(
    ("role", "may_view", "may_change"), [("viewer", True, False), ("operator", True, True), ("owner", True, True)]
)
def test_viewers_see_and_operators_change_what_belongs_to_learning(role: str, may_view: bool, may_change: bool) -> None:
    account = account_with(role)

    assert account.has_perm("training.view_run") == may_view
    assert account.has_perm("training.change_run") == may_change


@pytest.mark.parametrize("role", ROLES)
def test_only_owners_give_roles(client: Client, role: str) -> None:
    bob = Account.objects.create_user("bob@example.org")
    client.force_login(account_with(role))

    client.post(f"/admin/accounts/account/{bob.pk}/change/", {"role": "operator", "time_zone": "UTC", "is_active": "on"})

    bob.refresh_from_db()
    assert (bob.role == "operator") == (role == Account.Role.OWNER)


def test_an_owner_cannot_take_the_own_role_away(client: Client) -> None:
    olga = account_with(Account.Role.OWNER)
    client.force_login(olga)

    client.post(f"/admin/accounts/account/{olga.pk}/change/", {"role": "listener", "time_zone": "UTC", "is_active": "on"})

    olga.refresh_from_db()
    assert olga.role == Account.Role.OWNER
