"""Pages of composing: the wish, its progress, one's pieces. Before: compose_form.py, composing.py. After: templates."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from composer.compose_form import BEGINNINGS, compose_form, read_id, read_prompt_sent, read_wish
from composer.given_notes import GivenNotes
from composer.models import Commission, Piece
from composer.sources import RETRY_AFTER_SECONDS, ReaderIsBusy
from composer.steering import HABITS, ImpossibleSteering, Steering
from recsys import standing
from recsys.listing import list_track, list_tracks
from recsys.models import Track
from recsys.pages import listener_of, progress_of_learning

OPEN = (Commission.Status.QUEUED, Commission.Status.COMPOSING)


@login_required
def compose(request: HttpRequest) -> HttpResponse:
    """The wish; a sent one is checked, commissioned, and its progress shown."""
    if request.method == "POST":
        return _commission(request)
    parent = _parent_of(request, request.GET.get("from", ""))
    wish = {**Steering.from_json({"style": Steering.style}).to_json(), **(parent.recipe.get("steering", {}) if parent else {})}
    if (style := request.GET.get("style", "")) in HABITS:
        wish |= Steering.from_json({"style": style}).to_json()
    beginning = request.GET.get("by", "")
    if beginning not in dict(BEGINNINGS):
        raise Http404
    return render(request, "composer/compose.html", compose_form(wish, parent, beginning=beginning))


def _commission(request: HttpRequest) -> HttpResponse:
    from composer.composing import CommissionRefused, commission

    parent = _parent_of(request, request.POST.get("parent", ""))
    wish, given = read_wish(request), GivenNotes.sent(request.POST)
    prompt = None

    def refused(error: str, field: str = "", status: int = 422) -> HttpResponse:
        shown = compose_form(wish, parent, given=given, error=error, field=field, prompt=prompt)
        return render(request, "composer/compose.html", shown, status=status)

    try:
        prompt = read_prompt_sent(request)
        steering = given.added_to(Steering.from_json(wish), parent)
        seed = int(request.POST["seed"]) if request.POST.get("seed") else None
        made = commission(listener_of(request), steering, seed=seed, id=read_id(request), parent=parent, prompt=prompt)
    except ImpossibleSteering as refusal:
        return refused(refusal.message, refusal.field)
    except ValueError:
        return refused("it must be a whole number", "seed")
    except CommissionRefused as refusal:
        return refused(str(refusal), status=503)
    except ReaderIsBusy as refusal:
        response = refused(str(refusal), status=503)
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return redirect("commission", pk=made.pk)


def _parent_of(request: HttpRequest, track: str) -> Piece | None:
    """The piece a variation starts from; someone else's private piece does not exist."""
    if not track:
        return None
    if not track.isdecimal() or len(track) > 18:
        raise Http404
    visible = Track.objects.visible_to(listener_of(request))
    return get_object_or_404(Piece.objects.select_related("track"), track_id=int(track), track__in=visible)


@login_required
@require_GET
def commission_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """How far a commission is, and the piece when it is there. The page asks for the same address until then."""
    listener = listener_of(request)
    wanted = get_object_or_404(Commission.objects.select_related("piece__track"), pk=pk, listener=listener)
    page = {"commission": wanted, "percent": round(100 * wanted.progress)}
    if wanted.piece is not None:
        page["listed"] = list_track(wanted.piece.track, standing.current(listener, tracks=[wanted.piece.track_id]))
    if request.headers.get("HX-Target") != "commission-progress":
        return render(request, "composer/commission.html", page)
    if wanted.status in OPEN:
        return render(request, "composer/commission_progress.html", page)
    response = render(request, "composer/commission_state.html", page)
    response["HX-Retarget"] = "#commission"
    return response


@login_required
@require_GET
def pieces(request: HttpRequest) -> HttpResponse:
    """One's own pieces, newest first, and commissions on their way."""
    listener = listener_of(request)
    tracks = Track.objects.filter(owner=listener, piece__isnull=False).defer("features").order_by("-created_at", "-id")[:200]
    open_ones = Commission.objects.filter(listener=listener, status__in=OPEN)
    failed = Commission.objects.filter(listener=listener, status=Commission.Status.FAILED)[:3]
    page = {
        "listed": list_tracks(tracks, standing.current(listener, tracks=[track.pk for track in tracks])),
        "commissions": [*open_ones, *failed],
        **progress_of_learning(),
    }
    return render(request, "composer/pieces.html", page)


@login_required
@require_POST
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Shows a piece to everybody, or takes it back. Being recommended also needs the approval of staff."""
    track = get_object_or_404(Track, pk=pk, owner=listener_of(request), piece__isnull=False)
    track.is_shared = request.POST.get("is_shared") == "on"
    track.save(update_fields=["is_shared"])
    return redirect("track", pk=pk)
