"""Whose request it is. Before: authentication. After: every view that speaks for a listener."""

from __future__ import annotations

from typing import cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.models import Account, Listener


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
