"""What each role may do. Before: Account.role. After: the API's views, pages and the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import user_passes_test
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import Account, AnyAccount

APPS_OF_OPERATORS = frozenset({"training", "recsys", "composer", "procrastinate"})


class HasRole(BasePermission):
    """Grants accounts of at least `role`."""

    role: str = Account.Role.LISTENER

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the request comes from an account of that role."""
        return has_role(request.user, self.role)


class IsViewer(HasRole):
    """May see the dashboard."""

    role = Account.Role.VIEWER
    message = "This needs the role viewer."


class IsOperator(HasRole):
    """May retrain, promote, import, and speak for integrators' listeners."""

    role = Account.Role.OPERATOR
    message = "This needs the role operator."


class IsOwner(HasRole):
    """May give roles."""

    role = Account.Role.OWNER
    message = "This needs the role owner."


def has_role(account: AnyAccount, role: str) -> bool:
    """Whether somebody is signed in with at least this role."""
    return isinstance(account, Account) and account.has_role(role)


def role_required(role: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """For pages: sign-in page for strangers, 403 for accounts of a lower role."""

    def is_allowed(account: AnyAccount) -> bool:
        if account.is_authenticated and not has_role(account, role):
            raise PermissionDenied
        return account.is_authenticated

    return user_passes_test(is_allowed)


class RoleBackend(ModelBackend):
    """Signs in by password, and derives the admin's permissions from the role instead of from groups."""

    def has_perm(self, user_obj: AnyAccount, perm: str, obj: Model | None = None) -> bool:
        """Viewers see, operators change what belongs to learning, owners everything."""
        app, _, action = perm.partition(".")
        if app in APPS_OF_OPERATORS and has_role(user_obj, Account.Role.OPERATOR):
            return True
        return action.startswith("view_") and app in APPS_OF_OPERATORS and has_role(user_obj, Account.Role.VIEWER)

    def has_module_perms(self, user_obj: AnyAccount, app_label: str) -> bool:
        """Which apps the admin lists."""
        return app_label in APPS_OF_OPERATORS and has_role(user_obj, Account.Role.VIEWER)


def require_role(request: HttpRequest, role: str) -> None:
    """For code inside a page that only some may reach."""
    if not has_role(request.user, role):
        raise PermissionDenied
