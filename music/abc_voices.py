"""The lines of one voice of ABC with their bar lines and overlays. Before: abc.py finds the tokens. After: Voice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from music import bars, keys
from music.keys import join_rests, name_pitch
from music.metres import Metres
from music.notes import Melody, Note, Voice

OVERLAY = "N:&"
"""For the sign `&`, which goes back to the bar line and which music21 passes over; it keeps an annotation where it stands."""
METRE = "N:&M:"
"""For an `M:` whose metre can't be read, such as `M:free`, at which music21 gives up."""
FAR_OVERLAY = "it has an overlay (&) over several bars; only one behind the notes of its own bar is read"


class _Line:
    """One line while it is read."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.quarters = Fraction(0)
        self.chord_at: Fraction | None = None
        self._is_tied = False

    def rest_until(self, quarters: Fraction) -> None:
        if quarters < self.quarters:
            raise ValueError("it has an overlay (&) that is longer than its bar")
        if quarters > self.quarters:
            self.notes.append(Note(None, quarters - self.quarters))
            self.quarters, self._is_tied = quarters, False

    def add(self, token: Any) -> None:
        pitch, length = _pitch(token), Fraction(token.quarterLength).limit_denominator(1024)
        if token.activeTuplet is not None:
            length *= Fraction(token.activeTuplet.numberNotesNormal, token.activeTuplet.numberNotesActual)
        if length <= 0:
            return
        if self.chord_at is None and len(getattr(token, "subTokens", ())) > 1:
            self.chord_at = self.quarters
        if self._is_tied and self.notes and pitch is not None and self.notes[-1].pitch == pitch:
            self.notes[-1] = Note(pitch, self.notes[-1].quarters + length)
        else:
            self.notes.append(Note(pitch, length))
        self.quarters += length
        self._is_tied = token.tie in ("start", "continue")


class PrintedVoice:
    """One voice as it is printed: the line itself, then each overlay as a line of its own, silent in bars without it."""

    def __init__(self, tokens: list[Any]) -> None:
        from music21 import abcFormat

        self.lines = [_Line()]
        self.bar_lines: list[Fraction] = []
        self.metre_signs: list[tuple[Fraction, str]] = []
        at = 0
        for token in tokens:
            if isinstance(token, abcFormat.ABCBar):
                at = 0
                if self.lines[0].notes:
                    self.bar_lines.append(self.lines[0].quarters)
            elif isinstance(token, abcFormat.ABCMetadata) and (sign := metre_sign(token)) is not None:
                self.metre_signs.append((self.lines[0].quarters, sign))
            elif isinstance(token, abcFormat.ABCMetadata):
                at += 1
                self._overlay(at)
            elif isinstance(token, abcFormat.ABCNote) and not token.inGrace:
                self.lines[at].add(token)
        self.quarters = self.lines[0].quarters
        for line in self.lines:
            line.rest_until(self.quarters)

    def _overlay(self, number: int) -> None:
        bar_start = self.bar_lines[-1] if self.bar_lines else Fraction(0)
        if self.lines[0].quarters == bar_start:
            raise ValueError(FAR_OVERLAY)
        if number == len(self.lines):
            self.lines.append(_Line())
        self.lines[number].rest_until(bar_start)

    @property
    def sounds(self) -> bool:
        """Whether there is any note."""
        return any(note.pitch is not None for line in self.lines for note in line.notes)

    def voices(self, name: str, melody: Melody, metres: Metres, program: int) -> Iterator[Voice]:
        """Each line with notes as a voice: with the key and tempo of `melody`, in bars of the metre."""
        printed, bar = self.bar_lines, metres.longest_pickup
        pickup = printed[0] if printed and printed[0] < bar and printed[0] < self.quarters else Fraction(0)
        lines = [pickup, *(line for line in printed if line > pickup), self.quarters]
        odd_bars = bars.odd_bars([end - start for start, end in pairwise(lines)], metres.bar_quarters)
        for line in self.lines:
            own = replace(melody, notes=join_rests(line.notes), pickup=pickup, odd_bars=odd_bars)
            begin = next((start for start, note in own.onsets() if note.pitch is not None), None)
            if begin is not None:
                title = name if line is self.lines[0] else f"{name} overlay from bar {own.bar_at(begin)}".strip()
                yield Voice(name=title, program=program, chord_at=line.chord_at, melody=own)


def metre_sign(token: Any) -> str | None:
    """What a field says of the metre, without the comment behind it; None where it is another field."""
    name, _, text = str(token.src).removeprefix(OVERLAY).partition(":")
    return text.partition("%")[0].strip() if name == "M" else None


def _pitch(token: Any) -> int | None:
    """MIDI number of a note token, the highest one of a chord, None of a rest."""
    if hasattr(token, "subTokens"):
        pitches = [_midi_number(part.pitchName) for part in token.subTokens if getattr(part, "pitchName", None)]
        return max(pitches) if pitches else None
    return None if token.isRest else _midi_number(token.pitchName)


def _midi_number(name: str) -> int:
    """MIDI number of music21's name, for example `B-4` or `En5`."""
    match = re.fullmatch(r"([A-G])([#\-n]*)(-?\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is no pitch")
    number = 12 * (int(match[3]) + 1) + keys.pitch_class_of(match[1]) + match[2].count("#") - match[2].count("-")
    if not 0 <= number <= 127:
        raise ValueError(f"pitch {name} is outside MIDI's {name_pitch(0)} … {name_pitch(127)}")
    return number
