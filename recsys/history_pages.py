"""The page that takes a history along and brings one in. Before: history.py's view. After: history_import.py, templates."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from recsys.history_import import LineOutcome, TooManyLines, take_in
from recsys.pages import listener_of

MOST_REFUSALS_SHOWN = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def history_files(request: HttpRequest) -> HttpResponse:
    """Downloads, and a form that says of each line it could not take why."""
    if request.method != "POST":
        return _show(request)
    file = request.FILES.get("file")
    if file is None:
        return _refuse(request, "Choose a file first.")
    try:
        outcomes = take_in(listener_of(request), file.read())
    except TooManyLines as refusal:
        return _refuse(request, f"The history was not taken in: {refusal}.")
    if not outcomes:
        return _refuse(request, "This file is empty.")
    return _show(request, _report(outcomes))


def _show(request: HttpRequest, report: dict[str, object] | None = None, status: int = 200) -> HttpResponse:
    return render(
        request, "recsys/history_files.html", (report or {}) | {"megabytes": settings.ENCORE_UPLOAD_MEGABYTES}, status=status
    )


def _refuse(request: HttpRequest, error: str) -> HttpResponse:
    return _show(request, {"error": error}, status=422)


def _report(outcomes: list[LineOutcome]) -> dict[str, object]:
    refused = [outcome for outcome in outcomes if outcome.refusal is not None]
    return {
        "lines": len(outcomes),
        "stored": sum(outcome.status == "stored" for outcome in outcomes),
        "duplicates": sum(outcome.status == "duplicate" for outcome in outcomes),
        "private": sum(outcome.status == "private" for outcome in outcomes),
        "refused": len(refused),
        "shown": refused[:MOST_REFUSALS_SHOWN],
        "more": max(0, len(refused) - MOST_REFUSALS_SHOWN),
    }
