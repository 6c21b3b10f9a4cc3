"""Notes that the compose form gives: how the piece begins, and bars that stay. Before: compose_form.py. After: steering.py.

They are written in ABC, in the key and metre of the form; bars of the piece that is varied are named by their number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from django.http import QueryDict

from composer.melody_bars import notes_by_bar
from composer.models import Piece
from composer.sources import read_tunes
from composer.steering import ImpossibleSteering, Steering
from music.abc import key_field, write_bars
from music.notes import Melody, Note, Score

MOST_CHARACTERS = 16_000
_NO_ABC = re.compile(r"[^A-Ga-gz0-9\s_^=,'/()|\]<>-]")
"""What is neither note, rest, length, tie nor bar line. Other letters would be read as something else, or as nothing."""
_TUPLET = re.compile(r"\([0-9]{1,2}(:[0-9]{0,2}){0,2}")
_LINE = re.compile(r"\s*([0-9]{1,2})\s*:(.*)")
_PRIMER = 0
"""Number of the primer among the bars that are read with it."""
Bars = dict[int, tuple[Note, ...]]


@dataclass(frozen=True, kw_only=True)
class GivenNotes:
    """What the form shows and sends."""

    primer: str = ""
    locked_bars: str = ""
    """A line for each bar: its number, a colon, its notes."""
    kept: tuple[str, ...] = ()
    """Numbers of bars that stay as they are in the piece that is varied."""

    @classmethod
    def of_wish(cls, wish: Mapping[str, Any], parent: Piece | None = None) -> GivenNotes:
        """What a valid wish gives, as the form shows it."""
        own = parent_bars(parent)
        locks = {int(bar): _notes(pairs) for bar, pairs in (wish.get("locked_bars") or {}).items()}
        kept = [bar for bar, notes in locks.items() if bar <= len(own) and own[bar - 1] == notes]
        written = [f"{bar}: {text}" for bar, notes in locks.items() if bar not in kept and (text := _write(notes, wish))]
        primer = _write(_notes(wish["primer"]), wish) if wish.get("primer") else ""
        return cls(primer=primer, locked_bars="\n".join(written), kept=tuple(map(str, kept)))

    @classmethod
    def sent(cls, form: QueryDict) -> GivenNotes:
        """What was sent, not yet checked."""
        return cls(
            primer=form.get("primer", "").strip(),
            locked_bars=form.get("locked_bars", "").replace("\r\n", "\n").strip(),
            kept=tuple(form.getlist("keep")),
        )

    def added_to(self, steering: Steering, parent: Piece | None) -> Steering:
        """The wish with these notes; ImpossibleSteering says which of them can't be."""
        texts = {_PRIMER: self.primer} if self.primer else {}
        for line in filter(str.strip, self.locked_bars.split("\n")):
            found = _LINE.fullmatch(line)
            if found is None:
                raise ImpossibleSteering("locked_bars", f"need a number and a colon before the notes: {line.strip()[:40]!r}")
            if int(found[1]) in texts or not int(found[1]):
                raise ImpossibleSteering("locked_bars", f"bar {int(found[1])} is no bar, or given twice")
            texts[int(found[1])] = found[2]
        bars = _read(texts, steering) if texts else {}
        primer = bars.pop(_PRIMER, None)
        for number, notes in _kept_bars(self.kept, parent).items():
            if number in bars:
                raise ImpossibleSteering("locked_bars", f"bar {number} is both kept and written anew")
            bars[number] = notes
        return replace(steering, primer=primer, locked_bars=tuple(sorted(bars.items())))


def parent_bars(parent: Piece | None) -> list[tuple[Note, ...]]:
    """The bars of the piece that is varied: what of it may be kept."""
    return notes_by_bar(Score.from_json(parent.track.score).melody) if parent else []


def _kept_bars(numbers: Iterable[str], parent: Piece | None) -> Bars:
    own = parent_bars(parent)
    for text in numbers:
        if not text.isdecimal() or not 1 <= int(text[:9]) <= len(own):
            raise ImpossibleSteering("locked_bars", f"of the piece that is varied are 1 … {len(own)}; it has no {text[:20]!r}")
    return {int(text): own[int(text) - 1] for text in numbers}


def _read(texts: Mapping[int, str], steering: Steering) -> Bars:
    """The notes of each text, by its number, all in one child process."""
    head = f"M:{steering.metre[0]}/{steering.metre[1]}\nL:1/8\nK:{key_field(steering.tonic, steering.mode)}\n"
    for number, text in texts.items():
        _check(number, text)
    # The bar with one note before each text lets a text of rests be read too: a tune without any note is none.
    tunes = "".join(f"X:{number}\n{head}C | {' '.join(text.split())}\n" for number, text in texts.items())
    read = {int(tune.number): tune.score for tune in read_tunes(tunes.encode(), ".abc", _field(min(texts)))}
    for number in texts:
        if number not in read or len(read[number].melody.notes) < 2:
            raise ImpossibleSteering(_field(number), f"{_name(number)} can't be read as notes such as d2 f2 (3agf z")
    return {number: score.melody.notes[1:] for number, score in read.items()}


def _check(number: int, text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise ImpossibleSteering(_field(number), f"must have at most {MOST_CHARACTERS} characters; there are {len(text)}")
    if (wrong := _NO_ABC.search(_TUPLET.sub("", text))) is not None:
        raise ImpossibleSteering(
            _field(number), f"{_name(number)} must be notes such as d2 f2 (3agf z, with | between bars; it has {wrong[0]!r}"
        )


def _field(number: int) -> str:
    return "primer" if number == _PRIMER else "locked_bars"


def _name(number: int) -> str:
    return "the beginning" if number == _PRIMER else f"bar {number}"


def _notes(pairs: Iterable[tuple[int | None, str]]) -> tuple[Note, ...]:
    return tuple(Note(pitch, Fraction(quarters)) for pitch, quarters in pairs)


def _write(notes: tuple[Note, ...], wish: Mapping[str, Any]) -> str:
    beats, unit = wish["metre"]
    try:
        return write_bars(Melody(notes=notes, metre=(beats, unit), tonic=wish["tonic"], mode=wish["mode"]))
    except ValueError:
        # Lengths that no notation has, such as 97/434 of a quarter note: nobody can see them in the field, or change them.
        return ""
