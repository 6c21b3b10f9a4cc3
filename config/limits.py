"""How much and how often one may ask. Before: the web server. After: every view, and the API's throttles."""

from collections.abc import Callable

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from config import errors


class RequestSizeMiddleware:
    """Refuses a body larger than ENCORE_UPLOAD_MEGABYTES before anything reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """413 names the limit; 411 where the length is not told in advance."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            return JsonResponse({"detail": "Send the length of the body (Content-Length)."}, status=411)
        if not length.isdigit() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return errors.too_large(request, f"What is sent at once may have at most {settings.ENCORE_UPLOAD_MEGABYTES} MB.")
        return self.get_response(request)


class AnonymousThrottle(AnonRateThrottle):
    """Requests without an account, by address. Counted per web process: a database row per request would cost more."""

    scope = "anonymous"
    cache = caches["process"]


class AccountThrottle(UserRateThrottle):
    """Requests of one account, counted per web process."""

    scope = "account"
    cache = caches["process"]
