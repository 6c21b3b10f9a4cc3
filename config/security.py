"""Security headers Django does not set: what a page may load. Before: any response. After: the browser."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

PAGES = {
    "default-src": "'self'",
    "script-src": "'self'",
    # Engraved scores and progress bars carry style attributes.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
ADMIN = PAGES | {
    # The admin's theme runs Alpine.js, which compiles the expressions in its attributes.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
}


class SecurityHeadersMiddleware:
    """Content-Security-Policy without any outside address, and Permissions-Policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Adds the headers unless the view set its own."""
        response = self.get_response(request)
        policy = ADMIN if request.path.startswith("/admin/") else PAGES
        response.headers.setdefault("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items()))
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response
