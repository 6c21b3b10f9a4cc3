"""The form of a wish: what it shows, and what was sent in it. Before: pages.py, prompt_pages.py. After: steering.py checks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from composer.given_notes import GivenNotes, parent_bars
from composer.models import Piece
from composer.prompting.prompt import MOST_CHARACTERS, Prompt
from composer.sliders import read_number, read_sliders, sliders_of
from composer.steering import HABITS, LONGEST_BARS, Steering
from music.keys import NAMES, pitch_name
from music.notes import MODES
from recsys.browsing import count_facets
from recsys.pages import progress_of_learning
from training.promotion import champion_of

METRES = ("4/4", "3/4", "2/4", "6/8", "9/8", "12/8", "2/2", "3/8", "5/4", "7/8")
"""What is offered; others may be written."""
BEGINNINGS = (("", "By hand"), ("text", "From words"), ("lyrics", "From lyrics"), ("image", "From a picture"))
"""What a wish may begin with: name and tab."""
TITLES = {
    "tonic": "key",
    "lowest": "lowest note",
    "highest": "highest note",
    "taste_strength": "your taste",
    "density": "notes",
    "brightness": "register",
    "image": "picture",
    "text": "words",
    "prompt": "words",
    "primer": "beginning",
    "locked_bars": "bars that stay",
}
"""What the form calls a field, where that is not its name."""


def compose_form(
    wish: Mapping[str, Any],
    parent: Piece | None = None,
    *,
    given: GivenNotes | None = None,
    error: str = "",
    field: str = "",
    beginning: str = "",
    prompt: Prompt | None = None,
    because: Mapping[str, str] | None = None,
    not_understood: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What the compose page shows: a wish that can be changed, and where its values came from."""
    metre = wish.get("metre", "4/4")
    why = because or {}
    return {
        **_choices(),
        "wish": wish,
        "metre": metre if isinstance(metre, str) else f"{metre[0]}/{metre[1]}",
        "sliders": sliders_of(wish, why),
        "given": given or GivenNotes.of_wish(wish, parent),
        "parent_bars": [str(number) for number, _ in enumerate(parent_bars(parent), start=1)],
        "parent": parent,
        "error": error,
        "field": TITLES.get(field, field).replace("_", " "),
        "id": uuid.uuid4(),
        "beginning": beginning or (prompt.kind if prompt else ""),
        "prompt": prompt,
        "because": why,
        "not_understood": not_understood,
        "can_compose": champion_of("composer") is not None,
        **progress_of_learning(),
    }


def _choices() -> dict[str, Any]:
    """What the form offers, whatever is wished."""
    styles = [style for style, _ in count_facets()["style"]]
    return {
        "styles": styles,
        "habits": {style: _habit(style) for style in styles},
        "keys": list(enumerate(NAMES)),
        "modes": MODES,
        "metres": METRES,
        "most_bars": LONGEST_BARS,
        "pitches": [(pitch, pitch_name(pitch)) for pitch in range(128)],
        "beginnings": BEGINNINGS,
        "most_characters": MOST_CHARACTERS,
    }


def _habit(style: str) -> dict[str, Any]:
    """What the form shows when a style is chosen; a style without habits of its own must not keep those of the one before."""
    (beats, unit), tempo = HABITS.get(style, (Steering.metre, Steering.tempo))
    return {"metre": f"{beats}/{unit}", "tempo": tempo}


def read_wish(request: HttpRequest) -> dict[str, Any]:
    """Plain values of the form, with numbers where the form has texts; Steering checks them. Notes: given_notes.py."""
    sent = request.POST
    wish: dict[str, Any] = {name: sent[name] for name in ("style", "mode", "metre", "chords") if sent.get(name)}
    for name in ("tonic", "bars", "lowest", "highest"):
        if sent.get(name):
            wish[name] = _whole_number(sent[name])
    if sent.get("tempo"):
        wish["tempo"] = read_number(sent["tempo"])
    return wish | read_sliders(sent)


def read_prompt_sent(request: HttpRequest) -> Prompt | None:
    """The prompt that the form carries along, if any; ImpossibleSteering where it was tampered with."""
    sent = request.POST
    if not sent.get("prompt_kind"):
        return None
    return Prompt.from_json({"kind": sent["prompt_kind"], "text": sent.get("prompt_text", "")})


def read_id(request: HttpRequest) -> uuid.UUID | None:
    """The form's own id: sent twice, it is still one piece."""
    try:
        return uuid.UUID(request.POST.get("id", ""))
    except ValueError:
        return None


def _whole_number(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
