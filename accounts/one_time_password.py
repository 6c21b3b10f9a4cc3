"""A printed password counts once. Before: manage.py prepare prints it. After: the page that asks for one's own."""

from collections.abc import Callable

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode

OPEN_PREFIXES = ("/accounts/password/change/", "/accounts/logout/", "/static/", "/healthz")


class OneTimePasswordMiddleware:
    """Lets an account with a one-time password reach nothing but the page that changes it, which then leads on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """A redirect for pages, 403 for the API. Without a session cookie nobody is signed in: no query then."""
        if not request.COOKIES or request.path.startswith(OPEN_PREFIXES):
            return self.get_response(request)
        if not getattr(request.user, "must_change_password", False):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return JsonResponse({"detail": "Choose a password of your own first: sign in with a browser."}, status=403)
        wanted = urlencode({REDIRECT_FIELD_NAME: request.get_full_path() if request.method == "GET" else "/"})
        return HttpResponseRedirect(f"{reverse('account_change_password')}?{wanted}")
