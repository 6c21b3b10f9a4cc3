"""Pages of a history: what was heard and thought, and the files that take it along. Before: history.py, history_import.py.
After: templates."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import Listener
from recsys import feedback, standing
from recsys.browsing import BrokenCursor
from recsys.history import page_of
from recsys.history_import import LineOutcome, TooManyLines, take_in
from recsys.listing import list_track
from recsys.models import Feedback
from recsys.pages import listener_of

PAGE_SIZE = 50
LONGEST_SEARCH = 100
MOST_REFUSALS_SHOWN = 100
Kind = Feedback.Kind
SHOWS = {
    "plays": (Kind.PLAY, "Heard", "What you play stands here."),
    "liked": (Kind.LIKE, "Liked", "Tunes with a heart stand here."),
    "rated": (Kind.RATE, "Rated", "Tunes to which you gave stars stand here."),
    "disliked": (Kind.DISLIKE, "Disliked", "Tunes you dislike stand here. They are not recommended until you take it back."),
    "banned": (Kind.BAN, "Never again", "Tunes that are never to be played stand here, until you lift the ban."),
}
"""Kind of the rows, words, and what is said while there are none, by name in the address."""


@login_required
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """What one heard and thought, newest first; opinions can be changed in place."""
    listener = listener_of(request)
    shown = request.GET.get("show", "plays")
    if shown not in SHOWS:
        raise Http404
    kind, _, none_yet = SHOWS[shown]
    # A like that was taken back is not shown; everything that was heard is.
    rows = feedback.history(listener).filter(kind=kind) if kind == Kind.PLAY else standing.rows_that_stand(listener, kind)
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    if text:
        rows = rows.filter(track__title__icontains=text)
    older, newer = request.GET.get("older", ""), request.GET.get("newer", "")
    try:
        page = page_of(rows.defer("track__features"), PAGE_SIZE, older_than=older, newer_than=newer)
    except BrokenCursor as error:
        return render(request, "error.html", {"status": 400, "message": str(error)}, status=400)
    current = standing.current(listener, tracks={row.track_id for row in page.rows})
    entries = [
        {
            "day": row.occurred_at.astimezone(listener.time_zone).date(),
            "listed": list_track(row.track, current, number=row.pk, note=_note_of(row, listener)),
        }
        for row in page.rows
    ]
    shows = [(name, words) for name, (_, words, _) in SHOWS.items()]
    shown_too = {"shown": shown, "shows": shows, "text": text, "none_yet": none_yet}
    return render(request, "recsys/history.html", {"entries": entries, "page": page, **shown_too})


def _note_of(row: Feedback, listener: Listener) -> str:
    moment = row.occurred_at.astimezone(listener.time_zone)
    if row.kind == Kind.PLAY:
        return f"{moment:%H:%M}, heard {round(row.value or 0)} s"
    return f"{moment:%H:%M}"


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
