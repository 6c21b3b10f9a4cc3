"""Pages of listening: for you, welcome, browse, track. Before: recommending, browsing. After: templates."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Min, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Account, Listener
from recsys import preferences, standing
from recsys.browsing import FACETS, SORTS, BrokenCursor, Search, count_facets, page_of
from recsys.listing import Listed, list_track, list_tracks, tint_of
from recsys.models import CatalogueImport, Feedback, Preferences, Recommendation, Track
from recsys.recommending import radio as take_next
from recsys.recommending import recommend
from training.models import Run
from training.promotion import champion_of, serving_version

SLATE_SIZE = 20
OWN_REASONS = ("heard", "heard_style", "heard_lately", "declared", "hour", "weekday", "session", "history")
"""Kinds of reasons that lie with the listener."""
SLATE_STAYS = timedelta(minutes=30)
"""So long a slate is shown again, as long as the listener did nothing that could change it."""


def listener_of(request: HttpRequest) -> Listener:
    """The listener of the account that asks."""
    account = request.user
    assert isinstance(account, Account)
    return Listener.objects.select_related("account").get_or_create(account=account)[0]


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """For you: the slate with its reasons; for strangers, what this place is."""
    if not request.user.is_authenticated:
        return render(request, "recsys/landing.html", progress_of_learning())
    listener = listener_of(request)
    wishes = preferences.preferences_as_of(listener)
    has_music = Track.objects.filter(owner=None).exists()
    if wishes.pk is None and has_music:
        return redirect("welcome")
    slate = slate_for(listener, wishes, is_fresh="fresh" in request.GET) if has_music else None
    page = {
        "listed": list_slate(listener, slate) if slate else [],
        "slate": slate,
        "preferences": wishes,
        **progress_of_learning(),
    }
    return render(request, "recsys/home.html", page)


def slate_for(listener: Listener, wishes: Preferences, *, is_fresh: bool) -> Recommendation:
    """The slate to show: a new one, or the last where nothing happened since that could change it."""
    last = Recommendation.objects.filter(listener=listener, context__surface="home").order_by("-created_at").first()
    if last is None or is_fresh or last.created_at < timezone.now() - SLATE_STAYS:
        return recommend(listener, count=SLATE_SIZE, surface="home")
    newest = Feedback.objects.filter(listener=listener).order_by("-received_at").values_list("received_at", flat=True).first()
    version = serving_version(last.slot, listener.pk)
    is_same = (
        (newest is None or newest <= last.created_at)
        and (wishes.pk is None or wishes.received_at <= last.created_at)
        and version is not None
        and version.pk == last.policy_version_id
        and bool(last.tracks)
    )
    return last if is_same else recommend(listener, count=SLATE_SIZE, surface="home")


def list_slate(listener: Listener, slate: Recommendation) -> list[Listed]:
    """The slate's tracks in order, each with its reason."""
    tracks = Track.objects.visible_to(listener).defer("features").in_bulk(slate.tracks)
    current = standing.current(listener, tracks=slate.tracks)
    return [
        list_track(
            tracks[pk],
            current,
            surface="card",
            number=position,
            reason=reason_in_words(slate, position),
            recommendation_id=slate.pk,
            position=position,
        )
        for position, pk in enumerate(slate.tracks)
        if pk in tracks
    ]


def reason_in_words(slate: Recommendation, position: int) -> str:
    """The strongest reason as a sentence, and the strongest of the listener's own where it is everybody's; slates of before
    have none."""
    reasons = slate.reasons[position] if position < len(slate.reasons) else []
    named = [reason for reason in reasons if reason.get("text")]
    told = named[:1]
    if told and told[0]["kind"] == "popular":
        told += [reason for reason in named if reason["kind"] in OWN_REASONS][:1]
    text = ", and ".join(str(reason["text"]) for reason in told)
    return text[:1].upper() + text[1:]


def progress_of_learning() -> dict[str, Any]:
    """What the banners say: music that is arriving, networks that learn for the first time."""
    open_runs = Run.objects.filter(status__in=[Run.Status.QUEUED, Run.Status.RUNNING], trigger=Run.Trigger.START)
    return {
        "arriving": _arriving(),
        "learning": [{"words": _words_of(run), "percent": round(100 * run.progress)} for run in open_runs.order_by("pk")],
    }


def _arriving() -> dict[str, int] | None:
    """Tunes done of all imports that began with the ones still open; nothing while none is."""
    first = CatalogueImport.objects.filter(finished_at=None).aggregate(began=Min("started_at"))["began"]
    if first is None:
        return None
    together = CatalogueImport.objects.filter(started_at__gte=first - timedelta(hours=1))
    return together.aggregate(done=Sum("done"), total=Sum("total"))


FIRST_LESSON_SUFFICES = {"composer": "pieces can be made"}
"""What is possible from a slot's first champion on, while later runs of the start make it better."""
LEARNING = {"composer": "the music", "accompanist": "which chords go with a melody", "recommender": "what listeners like"}


def _words_of(run: Run) -> str:
    learned = LEARNING.get(run.slot, run.slot)
    if run.slot in FIRST_LESSON_SUFFICES and champion_of(run.slot) is not None:
        return f"Encore is learning more about {learned}; {FIRST_LESSON_SUFFICES[run.slot]} meanwhile:"
    return f"Encore is learning {learned}:"


@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """The banners alone, asked for every few seconds while there is something to tell."""
    return render(request, "parts/banners.html", progress_of_learning())


@login_required
@require_POST
def radio(request: HttpRequest) -> HttpResponse:
    """The next track of an endless queue, as an entry of it."""
    listener = listener_of(request)
    slate = take_next(listener)
    return render(request, "recsys/radio.html", {"listed": list_slate(listener, slate)})


@login_required
def welcome(request: HttpRequest) -> HttpResponse:
    """Styles one likes, asked at the first visit and changeable later."""
    listener = listener_of(request)
    styles = count_facets()["style"]
    wishes = preferences.preferences_as_of(listener)
    error = ""
    if request.method == "POST":
        try:
            _keep_preferences(request, listener, {style for style, _ in styles}, is_first=wishes.pk is None)
            return redirect("home")
        except preferences.ImpossiblePreference as refusal:
            error = str(refusal)
    samples = {
        track.style: track
        for track in Track.objects.filter(owner=None)
        .order_by("style", "id")
        .distinct("style")
        .only("style", "title", "artist", "collection", "duration_seconds")
    }
    choices = [
        {
            "style": style,
            "count": count,
            "sample": samples.get(style),
            "is_chosen": style in wishes.styles,
            "tint": tint_of(style),
        }
        for style, count in styles
    ]
    page = {"choices": choices, "is_first": wishes.pk is None, "preferences": wishes, "error": error}
    return render(request, "recsys/welcome.html", page, status=422 if error else 200)


def _keep_preferences(request: HttpRequest, listener: Listener, known: set[str], *, is_first: bool) -> None:
    """A version of what was ticked. Skipping the first visit's question is an answer too: it isn't asked again."""
    if "skip" in request.POST:
        if is_first:
            preferences.declare(listener, styles=[])
        return
    chosen = [style for style in request.POST.getlist("styles") if style in known]
    preferences.declare(
        listener,
        styles=chosen,
        diversity=_read_share("diversity", request.POST.get("diversity", "")),
        recently_heard=_read_count("recently_heard", request.POST.get("recently_heard", "")),
        is_private_session=None if is_first else "is_private_session" in request.POST,
    )


def _read_share(field: str, text: str) -> float | None:
    """A number of a form, None where the form has none."""
    try:
        return float(text) if text else None
    except ValueError as error:
        raise preferences.ImpossiblePreference(field, "it must be a number") from error


def _read_count(field: str, text: str) -> int | None:
    """A whole number of a form, None where the form has none."""
    try:
        return int(text) if text else None
    except ValueError as error:
        raise preferences.ImpossiblePreference(field, "it must be a whole number") from error


@login_required
@require_POST
def set_dial(request: HttpRequest) -> HttpResponse:
    """Stores the diversity dial and shows a new slate."""
    try:
        preferences.declare(listener_of(request), diversity=_read_share("diversity", request.POST.get("diversity", "")))
    except preferences.ImpossiblePreference as refusal:
        return HttpResponseBadRequest(str(refusal))
    return redirect("home")


@login_required
@require_GET
def browse(request: HttpRequest) -> HttpResponse:
    """Search, filters and sort over everything the listener may hear."""
    listener = listener_of(request)
    search = Search.from_query(request.GET.dict(), listener)
    cursor = request.GET.get("cursor", "")
    try:
        page = page_of(search, listener, cursor)
    except BrokenCursor as error:
        return render(request, "error.html", {"status": 400, "message": str(error)}, status=400)
    shown = {
        "listed": list_tracks(page.tracks, standing.current(listener, tracks=[track.pk for track in page.tracks])),
        "next_url": _with(request, cursor=page.next_cursor) if page.next_cursor else "",
    }
    if cursor and request.headers.get("HX-Target") == "more":
        return render(request, "recsys/browse_rows.html", shown)
    facets = count_facets()
    whole = {
        "search": search,
        "count": search.matching(listener).count(),
        "facets": [(facet, facets[facet], search.filters.get(facet, "")) for facet in FACETS],
        "sorts": [(name, words) for name, (_, _, words) in SORTS.items()],
        "is_later_page": bool(cursor),
        **progress_of_learning(),
    }
    return render(request, "recsys/browse.html", shown | whole)


def _with(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
    return f"?{query.urlencode()}"


@login_required
@require_GET
def track_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One track: player, piano roll, score, facts, opinions, exports."""
    listener = listener_of(request)
    track = get_object_or_404(Track.objects.visible_to(listener).defer("features").select_related("piece__parent"), pk=pk)
    piece = getattr(track, "piece", None)
    page = {
        "listed": list_track(track, standing.current(listener, tracks=[pk]), surface="page"),
        "track": track,
        "piece": piece,
        "is_mine": track.owner_id == listener.pk,
        "recipe": json.dumps(piece.recipe, indent=2, ensure_ascii=False) if piece and track.owner_id == listener.pk else "",
        "plays": Feedback.objects.filter(listener=listener, track=track, kind=Feedback.Kind.PLAY).count(),
    }
    return render(request, "recsys/track.html", page)
