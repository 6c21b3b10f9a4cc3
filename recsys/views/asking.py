"""Whose request it is. Before: authentication. After: every view that speaks for a listener."""

from __future__ import annotations

from typing import Any, cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.models import Account, Listener
from recsys.serializers import WhoseSerializer


def listener_of(request: Request, external_id: str = "") -> Listener:
    """The listener of the account; with an external id an integrator's, made on first use, for operators only."""
    account = cast(Account, request.user)
    if not external_id:
        listener, _ = Listener.objects.get_or_create(account=account)
        listener.account = account  # saves reading the account again for its time zone
        return listener
    if not account.has_role(Account.Role.OPERATOR):
        raise PermissionDenied("listener: only operators speak for integrators' listeners.")
    return Listener.objects.get_or_create(external_id=external_id)[0]


def listener_in_body(request: Request) -> Listener:
    """The same, where the id is all that a body may name."""
    return _named(request, request.data)


def listener_in_query(request: Request) -> Listener:
    """The same, where the id is `listener` in the query."""
    return _named(request, {name: text for name, text in request.query_params.items() if name == "listener"})


def _named(request: Request, given: Any) -> Listener:
    whose = WhoseSerializer(data=given)
    whose.is_valid(raise_exception=True)
    return listener_of(request, whose.validated_data.get("listener", ""))
