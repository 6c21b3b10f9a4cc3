"""Refuses names in an address's query that its call does not read. Before: the web server. After: the API's views.

A misspelt name, passed over in silence, would give another list, or another listener's."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse


class QueryNamesMiddleware:
    """Views of the API name what they read by method: `query_names = {"GET": ("listener", "cursor")}`; nothing without it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Passes it on: only `process_view` knows whose call it is."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> JsonResponse | None:
        """400 names the first one that the call does not read, and those that it does."""
        asked = getattr(view, "cls", None)
        if asked is None or asked.__module__.startswith("drf_spectacular"):
            return None
        names: Mapping[str, tuple[str, ...]] = getattr(asked, "query_names", {})
        known = names.get("GET" if request.method == "HEAD" else request.method or "", ())
        for name in request.GET:
            if name not in known:
                reads = f"it reads {', '.join(known)}" if known else "it reads nothing from there"
                return JsonResponse({name[:40]: [f"this call does not read this from its address; {reads}"]}, status=400)
        return None
