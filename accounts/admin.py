"""Accounts in the admin: owners give roles. Before: models.py. After: people."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import Account, ApiToken


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    """Who there is and what they may do. Accounts sign up themselves; here they get a role or are closed."""

    list_display = ["email", "role", "is_active", "time_zone", "last_login", "date_joined"]
    list_filter = ["role", "is_active"]
    search_fields = ["email"]
    ordering = ["email"]
    fields = ["email", "role", "is_active", "time_zone", "must_change_password", "last_login", "date_joined"]
    readonly_fields = ["email", "must_change_password", "last_login", "date_joined"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People sign up themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        """Erasing is the account's own right, through its settings; an owner closes it by `is active`."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> list[str]:
        """An owner can't take the own role away: nobody could give it back."""
        own = ["role", "is_active"] if obj is not None and obj == request.user else []
        return [*self.readonly_fields, *own]


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """Tokens of all accounts; an owner can end one."""

    list_display = ["name", "account", "created_at", "last_used_at", "revoked_at"]
    list_filter = ["revoked_at"]
    search_fields = ["name", "account__email"]
    readonly_fields = ["account", "name", "created_at", "last_used_at", "revoked_at"]
    exclude = ["sha256"]
    actions = ["end_tokens"]

    @admin.action(description="End the chosen tokens")
    def end_tokens(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """They stop working at once."""
        for token in chosen.filter(revoked_at=None):
            token.revoke()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token's text is shown to its account only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Ended tokens stay, so that their past use stays explained."""
        return False
