"""Pages of composing: the wish, its progress, one's pieces. Before: composing.py, steering.py. After: templates."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from composer.models import Commission, Piece
from composer.steering import GRADED, HABITS, ImpossibleSteering, Steering
from music.notes import MODES
from recsys import standing
from recsys.browsing import count_facets
from recsys.listing import KEYS, list_track, list_tracks
from recsys.models import Track
from recsys.pages import listener_of, progress_of_learning
from training.promotion import champion_of

METRES = ("4/4", "3/4", "2/4", "6/8", "9/8", "12/8", "2/2", "3/8", "5/4", "7/8")
BAR_CHOICES = (4, 8, 12, 16, 24, 32, 48, 64)
SLIDERS = (
    ("density", "Notes", "few", "many"),
    ("leaps", "Leaps", "steps", "leaps"),
    ("syncopation", "Syncopation", "on the beat", "off the beat"),
    ("brightness", "Register", "low", "high"),
    ("closeness", "Closeness", "far from the known", "close to it"),
)
"""Field, name, and what the two ends mean."""
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
    return render(request, "composer/compose.html", _form(wish, parent))


def _commission(request: HttpRequest) -> HttpResponse:
    from composer.composing import CommissionRefused, commission

    parent = _parent_of(request, request.POST.get("parent", ""))
    wish = _read_wish(request)
    try:
        steering = Steering.from_json(wish)
        seed = int(request.POST["seed"]) if request.POST.get("seed") else None
        made = commission(listener_of(request), steering, seed=seed, id=_read_id(request), parent=parent)
    except ImpossibleSteering as error:
        return render(request, "composer/compose.html", _form(wish, parent, error=error.message, field=error.field), status=422)
    except ValueError:
        return render(
            request, "composer/compose.html", _form(wish, parent, error="it must be a whole number", field="seed"), status=422
        )
    except CommissionRefused as error:
        return render(request, "composer/compose.html", _form(wish, parent, error=str(error)), status=503)
    return redirect("commission", pk=made.pk)


def _read_id(request: HttpRequest) -> uuid.UUID | None:
    """The form's own id: sent twice, it is still one piece."""
    try:
        return uuid.UUID(request.POST.get("id", ""))
    except ValueError:
        return None


def _read_wish(request: HttpRequest) -> dict[str, Any]:
    """Plain values of the form, with numbers where the form has texts; Steering checks them."""
    sent = request.POST
    wish: dict[str, Any] = {name: sent[name] for name in ("style", "mode", "metre") if sent.get(name)}
    for name in ("tonic", "bars"):
        if sent.get(name):
            wish[name] = _whole_number(sent[name])
    for name in ("tempo", "taste_strength"):
        if sent.get(name):
            wish[name] = _number(sent[name])
    for name in GRADED:
        if sent.get(f"use_{name}"):
            wish[name] = _number(sent.get(name, ""))
    return wish


def _whole_number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _habit(style: str) -> dict[str, Any]:
    """What the form shows when a style is chosen; a style without habits of its own must not keep those of the one before."""
    (beats, unit), tempo = HABITS.get(style, (Steering.metre, Steering.tempo))
    return {"metre": f"{beats}/{unit}", "tempo": tempo}


def _form(wish: dict[str, Any], parent: Piece | None, *, error: str = "", field: str = "") -> dict[str, Any]:
    styles = [style for style, _ in count_facets()["style"]]
    metre = wish.get("metre", "4/4")
    return {
        "wish": wish,
        "metre": metre if isinstance(metre, str) else f"{metre[0]}/{metre[1]}",
        "styles": styles,
        "habits": {style: _habit(style) for style in styles},
        "keys": list(enumerate(KEYS)),
        "modes": MODES,
        "metres": METRES,
        "bar_choices": sorted({*BAR_CHOICES, *([wish["bars"]] if isinstance(wish.get("bars"), int) else [])}),
        "sliders": [
            {
                "name": name,
                "title": title,
                "low": low,
                "high": high,
                "is_used": wish.get(name) is not None,
                "value": wish.get(name),
            }
            for name, title, low, high in SLIDERS
        ],
        "parent": parent,
        "error": error,
        "field": field,
        "id": uuid.uuid4(),
        "can_compose": champion_of("composer") is not None,
        **progress_of_learning(),
    }


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
        page["listed"] = list_track(wanted.piece.track, standing.current(listener))
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
        "listed": list_tracks(tracks, standing.current(listener)),
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
