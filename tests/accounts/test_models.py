"""Accounts and listeners keep their rules in the database."""

import pytest
from django.db import IntegrityError

from accounts.models import Account, Listener

pytestmark = pytest.mark.django_db


def test_an_account_comes_with_its_listener() -> None:
    alice = Account.objects.create_user("Alice@Example.org", "a long pass phrase")

    assert alice.email == "alice@example.org"
    assert alice.listener.time_zone.key == "UTC"


def test_a_listener_needs_an_account_or_an_external_id() -> None:
    with pytest.raises(IntegrityError, match="listener_account_or_external_id"):
        Listener.objects.create()


def test_an_operator_may_what_a_viewer_may_but_not_what_an_owner_may() -> None:
    olga = Account.objects.create_user("olga@example.org", role=Account.Role.OPERATOR)

    assert olga.has_role(Account.Role.VIEWER)
    assert not olga.has_role(Account.Role.OWNER)
