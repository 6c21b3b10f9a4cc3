"""The page of tasks on a melody, for example to accompany it. Before: asking.py. After: templates."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from composer.accompaniment.accompany import TEXTURES
from composer.accompaniment.slot import SLOT as ACCOMPANIST
from composer.asking import ImpossibleTask, NoSuchTrack, read_wish
from composer.compose_form import TITLES, read_id
from composer.composing import CommissionRefused, commission
from composer.melody_tasks import KINDS, OF_KIND
from composer.models import Piece
from composer.prompting.prompt import MOST_CHARACTERS, Prompt
from composer.sliders import read_number, read_sliders, sliders_of
from composer.sources import MOST_BYTES, RETRY_AFTER_SECONDS, ReaderIsBusy
from composer.steering import ImpossibleSteering
from music.parsing import SUFFIXES
from recsys.browsing import count_facets
from recsys.models import Track
from recsys.pages import listener_of, progress_of_learning
from training.promotion import champion_of

WORDS: dict[str, tuple[str, str, str]] = {
    "continue": ("Continue", "The melody as it is, and what Encore would play next.", "Continue it"),
    "vary": ("Vary", "The same tune told differently: its strong notes stay, as many as you want.", "Vary it"),
    "rewrite": ("Bars again", "Some bars are written anew; every other note stays.", "Write them again"),
    "accompany": ("Accompany", "Chords for each half bar, then voices or a pattern below the melody.", "Accompany it"),
    "transfer": ("Another style", "As if it had grown up somewhere else.", "Give it that style"),
}
"""Name of the tab, what it does, and the button."""
TEXTURE_WORDS = {
    "voices": "Four voices",
    "block": "Block chords",
    "arpeggio": "Arpeggios",
    "alberti": "Alberti bass",
    "waltz": "Waltz bass",
    "boom-chuck": "Boom-chuck",
    "drone": "Drone",
}
DEFAULTS = {
    "bars": 8,
    "closeness": 0.6,
    "first_bar": 5,
    "last_bar": 8,
    "texture": "block",
    "motion": 0.5,
    "colour": 0.5,
    "style": "",
    "blend": 0.75,
}
WHOLE = ("bars", "first_bar", "last_bar")
SHARES = ("closeness", "motion", "colour", "blend")
WHOLE_BARS_SHOWN = 64
WITH_CHORDS = ("continue", "rewrite")
"""Tasks whose new bars follow chords that are asked for; those of an accompaniment are a field of its task."""
PREFIX = "wish_"
"""Before the names of sliders: a variation has a closeness of its own beside the wish for one."""


@login_required
def melody_task(request: HttpRequest) -> HttpResponse:
    """The form of one task; a sent one is checked, commissioned, and its progress shown."""
    if request.method == "POST":
        return _commission(request)
    kind = request.GET.get("task", KINDS[0])
    if kind not in KINDS:
        raise Http404
    wish: dict[str, Any] = {"kind": kind}
    return render(request, "composer/task.html", _form(wish, _track(request, request.GET.get("track", ""))))


def _commission(request: HttpRequest) -> HttpResponse:
    track = _track(request, request.POST.get("track", ""))
    wish, file = _read(request, track)
    wishes, lyrics = read_sliders(request.POST, prefix=PREFIX), request.POST.get("lyrics", "").replace("\r\n", "\n")
    if wish["kind"] in WITH_CHORDS and request.POST.get("chords", "").strip():
        wishes["chords"] = request.POST["chords"]

    def refused(error: str, field: str = "", status: int = 503) -> HttpResponse:
        shown = _form(wish, track, wishes, lyrics=lyrics, error=error, field=field)
        return render(request, "composer/task.html", shown, status=status)

    try:
        read = read_wish(listener_of(request), wishes, wish, file)
        prompt = Prompt.from_json({"kind": "lyrics", "text": lyrics}) if lyrics.strip() else None
        made = commission(
            listener_of(request), read.steering, id=read_id(request), task=read.task, source=read.source, prompt=prompt
        )
    except NoSuchTrack as refusal:
        raise Http404 from refusal
    except (ImpossibleTask, ImpossibleSteering) as refusal:
        return refused(refusal.message, refusal.field, status=422)
    except CommissionRefused as refusal:
        return refused(str(refusal))
    except ReaderIsBusy as refusal:
        response = refused(str(refusal))
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    return redirect("commission", pk=made.pk)


def _read(request: HttpRequest, track: Track | None) -> tuple[dict[str, Any], tuple[bytes, str] | None]:
    """Plain values of the form and the upload, if any; `read_wish` checks them."""
    sent = request.POST
    kind = sent.get("kind", "")
    wish: dict[str, Any] = {"kind": kind}
    for name in OF_KIND.get(kind, ()):
        text = sent.get(name, "")
        wish[name] = _whole(text) if name in WHOLE else read_number(text) if name in SHARES else text
    if wish.get("chords"):
        # The form always sends its sliders; it says that they are not heard beside chords.
        wish = {name: value for name, value in wish.items() if name not in ("motion", "colour")}
    if sent.get("voice"):
        wish["voice"] = _whole(sent["voice"])
    if track is not None:
        return wish | {"track": track.pk}, None
    if sent.get("metre", "").strip():
        wish["metre"] = sent["metre"].strip()
    upload = request.FILES.get("file")
    if upload is not None:
        # One byte more than allowed is enough to be refused with the right words.
        return wish, (upload.read(MOST_BYTES + 1), str(upload.name))
    return wish | {"abc": sent.get("abc", "")}, None


def _form(
    wish: dict[str, Any],
    track: Track | None,
    wishes: Mapping[str, Any] | None = None,
    *,
    lyrics: str = "",
    error: str = "",
    field: str = "",
) -> dict[str, Any]:
    kind = wish.get("kind", "")
    kind = kind if kind in KINDS else KINDS[0]
    needs = ACCOMPANIST if kind == "accompany" else "composer"
    styles = [style for style, _ in count_facets()["style"]]
    sent = {name: value for name, value in wish.items() if value != ""}
    return {
        "kind": kind,
        "tabs": [(name, WORDS[name][0]) for name in KINDS],
        "words": WORDS[kind],
        "wish": DEFAULTS | _limits(track) | _own_chords(track, wish, wishes) | sent,
        "takes_chords": kind in WITH_CHORDS,
        "track": track,
        "voices": _voices(track),
        "lyrics": lyrics,
        "most_characters": MOST_CHARACTERS["lyrics"],
        # An accompaniment hears none: the melody stays.
        "sliders": [] if kind == "accompany" else sliders_of(wishes or {}, prefix=PREFIX),
        "textures": [(name, TEXTURE_WORDS[name]) for name in TEXTURES],
        "styles": [style for style in styles if track is None or style != track.style],
        "bars": min(track.bars, WHOLE_BARS_SHOWN) if track else WHOLE_BARS_SHOWN,
        "suffixes": ",".join(SUFFIXES),
        "error": error,
        "field": TITLES.get(field, field).replace("_", " "),
        "id": uuid.uuid4(),
        "can_compose": champion_of(needs) is not None,
        "needs": needs,
        **progress_of_learning(),
    }


def _voices(track: Track | None) -> list[tuple[int, str]]:
    """Number and name of each voice of a track that has several."""
    voices = track.score["voices"] if track else []
    return [(number, f"{number} {voice['name']}") for number, voice in enumerate(voices, start=1)] if len(voices) > 1 else []


def _limits(track: Track | None) -> dict[str, Any]:
    """Bars that this track has: the second four of a tune of eight or more, the last half of a shorter one."""
    if track is None:
        return {}
    last = min(8, track.bars)
    texture = "waltz" if track.metre in ("3/4", "3/8") else "boom-chuck" if track.metre in ("2/4", "2/2") else "block"
    return {"first_bar": last // 2 + 1 if last > 1 else 1, "last_bar": last, "texture": texture}


def _own_chords(track: Track | None, wish: Mapping[str, Any], wishes: Mapping[str, Any] | None) -> dict[str, Any]:
    """The chords that were sent, or in a form that nobody has filled in yet those that a piece was asked for with."""
    if wishes is not None:
        return {"chords": wishes.get("chords", "")}
    piece = None if track is None or "chords" in wish else Piece.objects.filter(track=track).first()
    if piece is None:
        return {}
    return {"chords": (piece.recipe.get("task") or {}).get("chords") or piece.recipe.get("steering", {}).get("chords", "")}


def _track(request: HttpRequest, text: str) -> Track | None:
    """The track whose melody is worked on; someone else's private piece does not exist."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return get_object_or_404(Track.objects.visible_to(listener_of(request)).defer("features"), pk=int(text))


def _whole(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text
