"""Words, lyrics or a picture become the compose form, filled in. Before: prompting/. After: pages.py takes the form."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from composer.compose_form import compose_form
from composer.prompting.pixels import MOST_BYTES
from composer.prompting.prompt import KINDS, read_prompt
from composer.steering import ImpossibleSteering, Steering
from recsys.models import Track


@login_required
def read_beginning(request: HttpRequest) -> HttpResponse:
    """The compose page with what was understood. Nothing is composed, and nothing is kept yet."""
    kind = request.POST.get("kind", "")
    if request.method != "POST" or kind not in KINDS:
        return redirect("compose")
    content = _content(request, kind)
    try:
        prompt, reading = read_prompt(kind, content, Track.objects.known_styles())
    except ImpossibleSteering as refusal:
        wish = Steering.from_json({"style": Steering.style}).to_json()
        shown = compose_form(wish, error=refusal.message, field=refusal.field, beginning=kind)
        shown["sent"] = content if isinstance(content, str) else ""
        return render(request, "composer/compose.html", shown, status=422)
    because = {name: f"“{why}”" if kind == "text" else why for name, why in reading.because.items()}
    wish = reading.steering.to_json()
    shown = compose_form(wish, prompt=prompt, because=because, not_understood=reading.not_understood)
    shown["sent"] = prompt.text if kind != "image" else ""
    return render(request, "composer/compose.html", shown)


def _content(request: HttpRequest, kind: str) -> str | bytes:
    """What was sent: a text, or a picture – of one that is too large as much as is needed to refuse it."""
    if kind != "image":
        return request.POST.get(kind, "").replace("\r\n", "\n")
    upload = request.FILES.get("image")
    return upload.read(MOST_BYTES + 1) if upload is not None else b""
