"""What people and programs see when something is wrong. Before: any view. After: a page, or JSON under /api/."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader

RETRY_AFTER_SECONDS = 5


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request could not be understood."""
    return _answer(request, 400, "This request could not be understood.")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: signed in, but not allowed."""
    return _answer(request, 403, "Your account may not do this.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or not for this listener."""
    return _answer(request, 404, "There is nothing at this address.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form that was open for too long, or sent from another site."""
    return _answer(request, 403, "This form has expired. Go back, reload the page and send it again.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500; but 503 with Retry-After where it is the database that does not answer.

    Its page is rendered without the request: nothing in it may ask the database or fail again."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        status, message = 503, "The database does not answer right now. Nothing was lost; try again in a moment."
    else:
        status, message = 500, "Something went wrong on our side. It was written to the log."
    response = _answer_alone(request, status, message)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def too_large(request: HttpRequest, message: str) -> HttpResponse:
    """413: refused before anything read it, so nobody is signed in yet."""
    return _answer_alone(request, 413, message)


def _answer_alone(request: HttpRequest, status: int, message: str) -> HttpResponse:
    """As `_answer`, for moments in which a page can't know who asks."""
    if _is_for_program(request):
        return JsonResponse({"detail": message}, status=status)
    return HttpResponse(loader.render_to_string("failure.html", {"status": status, "message": message}), status=status)


def _answer(request: HttpRequest, status: int, message: str) -> HttpResponse:
    """JSON for programs, a page for people."""
    if _is_for_program(request):
        return JsonResponse({"detail": message}, status=status)
    return render(request, "error.html", {"status": status, "message": message}, status=status)


def _is_for_program(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/healthz"))
