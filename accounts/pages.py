"""Settings of one's own account. Before: allauth signs in. After: forms.py, tokens.py, privacy.py."""

from typing import cast

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import privacy
from accounts.forms import EraseForm, TimeZoneForm, TokenForm
from accounts.models import Account, ApiToken
from accounts.tokens import issue_token


def account_of(request: HttpRequest) -> Account:
    """Who is signed in; `login_required` has sent all others away."""
    return cast(Account, request.user)


def settings_page(request: HttpRequest, *, status: int = 200, **changed: object) -> HttpResponse:
    """The page with every form, one of them perhaps with its errors."""
    account = account_of(request)
    context = {
        "time_zone_form": TimeZoneForm(instance=account),
        "token_form": TokenForm(),
        "erase_form": EraseForm(account=account),
        "tokens": account.tokens.filter(revoked_at=None).order_by("-id"),
    }
    return render(request, "accounts/settings.html", context | changed, status=status)


@never_cache
@login_required
@require_safe
def show_settings(request: HttpRequest) -> HttpResponseBase:
    """Time zone, password, second factor, tokens, export, erasing."""
    return settings_page(request)


@login_required
@require_POST
def change_time_zone(request: HttpRequest) -> HttpResponseBase:
    """One's own clock: hours and weekdays of recommendations follow it."""
    form = TimeZoneForm(request.POST, instance=account_of(request))
    if not form.is_valid():
        return settings_page(request, time_zone_form=form, status=422)
    form.save()
    messages.success(request, _("Your time zone is changed."))
    return redirect("settings")


@never_cache
@login_required
@require_POST
def issue(request: HttpRequest) -> HttpResponseBase:
    """A new token, shown on this one answer only."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return settings_page(request, token_form=form, status=422)
    _token, text = issue_token(account_of(request), form.cleaned_data["name"])
    return settings_page(request, issued_token=text)


@login_required
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponseBase:
    """Ends a token at once."""
    get_object_or_404(ApiToken, pk=token_id, account=account_of(request), revoked_at=None).revoke()
    messages.success(request, _("The token no longer works."))
    return redirect("settings")


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """Everything that is kept about oneself, as a file."""
    return privacy.export_response(account_of(request).listener)


@login_required
@require_POST
def erase(request: HttpRequest) -> HttpResponseBase:
    """Erases the account with everything that was logged about it."""
    account = account_of(request)
    form = EraseForm(request.POST, account=account)
    if not form.is_valid():
        return settings_page(request, erase_form=form, status=422)
    listener = account.listener
    logout(request)
    privacy.erase(listener)
    messages.success(request, _("Your account and everything logged about you are erased."))
    return redirect("account_login")
