"""The page of blind pairs: hear A and B, say which, see who made them. Before: pairs.py. After: templates, pairs.js."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from composer import pairs
from composer.models import BlindPair, Side
from composer.pair_scores import AUTHOR_WORDS, RunningScore, scores_of
from recsys.listing import COLLECTIONS
from recsys.models import Choice
from recsys.pages import listener_of, progress_of_learning


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One side as the page shows it; `words` is empty until the pair is answered."""

    letter: str
    place: str
    is_preferred: bool = False
    words: str = ""
    detail: str = ""
    side: Side | None = None
    can_be_kept: bool = False


@login_required
@require_GET
def next_one(request: HttpRequest) -> HttpResponse:
    """The pair to answer now, or that it is being composed; the page asks again by itself until it is ready."""
    listener = listener_of(request)
    try:
        pair = pairs.next_pair(listener)
    except pairs.NoComposerYet as refusal:
        return render(request, "composer/pairs.html", {"refusal": str(refusal), **progress_of_learning()})
    if request.headers.get("HX-Target") == "pair-wait" and pair.status in (
        BlindPair.Status.QUEUED,
        BlindPair.Status.COMPOSING,
    ):
        return HttpResponse(status=204)
    page = _page(pair) | {"scores": _drawn(scores_of(listener))}
    response = render(request, "composer/pairs.html", page)
    if request.headers.get("HX-Target") == "pair-wait":
        response["HX-Retarget"], response["HX-Reselect"] = "#main", "#main"
    return response


@login_required
def pair(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One pair: to answer, or answered with its authors."""
    listener = listener_of(request)
    try:
        if request.method == "POST":
            pairs.answer(
                listener,
                pk,
                _answer(request.POST.get("answer", "")),
                client_id=_client_id(request.POST.get("client_id", "")),
                heard_seconds=(_seconds(request.POST.get("heard_a", "")), _seconds(request.POST.get("heard_b", ""))),
            )
            if request.POST.get("answer") == Choice.Answer.SKIP:
                return redirect("pairs")
            return redirect("pair", pk=pk)
        found = pairs.pair_of(listener, pk)
    except pairs.NoSuchPair as refusal:
        raise Http404(str(refusal)) from refusal
    except pairs.PairRefused as refusal:
        page = _page(pairs.pair_of(listener, pk)) | {"error": str(refusal), "scores": _drawn(scores_of(listener))}
        return render(request, "composer/pairs.html", page, status=409)
    return render(request, "composer/pairs.html", _page(found) | {"scores": _drawn(scores_of(listener))})


@login_required
@require_POST
def keep(request: HttpRequest, pk: uuid.UUID, side: str) -> HttpResponse:
    """Makes a side a piece of one's own, and shows it."""
    try:
        piece = pairs.keep(listener_of(request), pk, side)
    except pairs.PairRefused as refusal:
        raise Http404(str(refusal)) from refusal
    return redirect("track", pk=piece.track_id)


def _answer(text: str) -> str:
    if text not in Choice.Answer.values:
        raise Http404(f"An answer is one of {', '.join(Choice.Answer.values)}.")
    return text


def _client_id(text: str) -> uuid.UUID:
    """The form's own id: sent twice, it is still one answer."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404("The form has lost its id; load the page again.") from None


def _seconds(text: str) -> float | None:
    """How long a side was heard, as the page's script measured it; None without one."""
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if 0 <= seconds <= pairs.LONGEST_HEARD_SECONDS:
            return seconds
    return None


def _page(found: BlindPair) -> dict[str, Any]:
    return {"pair": found, "sides": _sides(found), "client_id": uuid.uuid4()}


def _sides(found: BlindPair) -> list[Shown]:
    if found.choice is None:
        # Nothing here knows of an author: what is not read can't be shown.
        return [Shown(letter=place.upper(), place=place) for place in Side.PLACES]
    preferred = {Choice.Answer.FIRST: 0, Choice.Answer.SECOND: 1}.get(Choice.Answer(found.choice.answer))
    authors = (found.first_author, found.second_author)
    shown = []
    for side in found.sides.select_related("track", "piece", "policy_version"):
        words, detail = _words(authors[side.place], side, authors[0] == authors[1], found.champion_id)
        place = Side.PLACES[side.place]
        shown.append(
            Shown(
                letter=place.upper(),
                place=place,
                is_preferred=side.place == preferred,
                words=words,
                detail=detail,
                side=side,
                can_be_kept=side.recipe is not None and side.piece is None,
            )
        )
    return shown


def _words(author: str, side: Side, is_about_taste: bool, champion_id: int) -> tuple[str, str]:
    """Who made a side, and a little more."""
    if author == BlindPair.Author.HUMAN:
        if side.track is None:
            return "A tune that people play", "it is no longer in the catalogue"
        return side.track.title, f"{_a(side.track.style)} that people play, from {_collection(side.track.collection)}"
    if author == BlindPair.Author.PRIOR:
        return "The prior alone", "the network that only knows what note people write next: no rules, no taste"
    version = f"version {side.policy_version_id}"
    if author == BlindPair.Author.CHALLENGER:
        return "The composer on trial", f"{version}, which may serve you next"
    if side.policy_version_id != champion_id:
        version += f" (version {champion_id} could not be read)"
    if is_about_taste:
        return "Your composer", f"{version}, for one of the tastes that you may have"
    has_taste = bool(side.recipe and side.recipe.get("taste"))
    return "Your composer", f"{version}, {'for your taste' if has_taste else 'for everybody: your taste is not known yet'}"


def _a(style: str) -> str:
    return f"{'an' if style[:1] in 'aeiou' else 'a'} {style}"


def _collection(name: str) -> str:
    return COLLECTIONS.get(name, name)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A score with percents for its drawing."""

    score: RunningScore
    author: str
    rival: str
    percent: int
    low_percent: int
    high_percent: int
    place: int
    """Of the share, in a drawing 200 wide with room for the dot at both ends."""
    low_place: int
    high_place: int


def _drawn(scores: list[RunningScore]) -> list[Drawn]:
    found = []
    for score in scores:
        shares = [share or 0.0 for share in (score.share, score.low, score.high)]
        percent, low, high = (round(100 * share) for share in shares)
        place, low_place, high_place = (round(6 + 188 * share) for share in shares)
        found.append(
            Drawn(
                score=score,
                author=AUTHOR_WORDS[score.author],
                rival=AUTHOR_WORDS[score.rival],
                percent=percent,
                low_percent=low,
                high_percent=high,
                place=place,
                low_place=low_place,
                high_place=high_place,
            )
        )
    return found
