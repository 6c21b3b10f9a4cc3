"""What Encore adds to allauth. Before: allauth's forms. After: accounts with their listener."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Account, Listener


class AccountAdapter(DefaultAccountAdapter):
    """Each account gets its listener; a password of one's own ends the one-time password."""

    def save_user(self, request: HttpRequest, user: Account, form: Any, commit: bool = True) -> Account:
        """The account of a sign-up, in its browser's time zone, with its listener."""
        user.time_zone = form.cleaned_data.get("time_zone") or "UTC"
        saved: Account = super().save_user(request, user, form, commit=commit)
        if commit:
            Listener.objects.get_or_create(account=saved)
        return saved

    def clean_email(self, email: str) -> str:
        """Addresses are kept in lower case, so that one address is one account."""
        return str(super().clean_email(email)).lower()

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the settings it was asked for from: an empty form would look as if nothing had happened."""
        return reverse("settings")

    def set_password(self, user: Account, password: str) -> None:
        """A chosen password replaces the printed one."""
        user.must_change_password = False
        super().set_password(user, password)
