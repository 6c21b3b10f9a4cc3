"""Where a steering was read from, to be kept with the piece. Before: pages, API. After: words.py, lyrics.py, picture.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from composer.prompting import lyrics, words
from composer.prompting.lyrics import read_lyrics
from composer.prompting.picture import read_picture
from composer.prompting.reading import Reading, check_text
from composer.prompting.words import read_text
from composer.steering import ImpossibleSteering

MOST_CHARACTERS = {"text": words.MOST_CHARACTERS, "lyrics": lyrics.MOST_CHARACTERS, "image": 1000}
"""What a prompt may be, and how long. Of a picture only the measured properties are kept, as words."""
KINDS = tuple(MOST_CHARACTERS)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Words, lyrics, or what was measured of a picture. Lyrics are set under the notes and choose among
    drafts; nothing else here steers a note."""

    kind: str
    """One of KINDS."""
    text: str

    def to_json(self) -> dict[str, str]:
        """Plain values; `from_json` gives the same prompt back."""
        return {"kind": self.kind, "text": self.text}

    @classmethod
    def from_json(cls, values: object) -> Prompt:
        """A prompt from plain values; ImpossibleSteering where they are none."""
        if not isinstance(values, Mapping) or set(values) != {"kind", "text"} or values["kind"] not in KINDS:
            raise ImpossibleSteering("prompt", f"must be an object of kind ({', '.join(KINDS)}) and text")
        kind = str(values["kind"])
        return cls(kind=kind, text=check_text("prompt", values["text"], MOST_CHARACTERS[kind], "the words that were read"))


def read_prompt(kind: str, content: Any, styles: Collection[str] = ()) -> tuple[Prompt, Reading]:
    """What was sent, ready to be kept, and what was understood of it; ImpossibleSteering names the field and the bound.

    `content` is the text, or the bytes of the picture."""
    if kind == "image":
        reading = read_picture(content, styles)
        return Prompt(kind=kind, text="; ".join(dict.fromkeys(reading.because.values()))), reading
    reading = (read_lyrics if kind == "lyrics" else read_text)(content, styles)
    return Prompt(kind=kind, text=check_text(kind, content, MOST_CHARACTERS[kind], "")), reading
