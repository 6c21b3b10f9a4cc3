"""What a file says of its metre, and what it leaves open. Before: the readers find signs. After: bars, Score.metre_doubt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from music.notes import Melody

Metre = tuple[int, int]
_NAMED = {"C": (4, 4), "C|": (2, 2)}
_UNITS = (1, 2, 4, 8, 16, 32)


def metre_of_field(text: str) -> Metre:
    """The metre of an `M:` field; 4/4 where it names none."""
    return metre_in_field(text) or (4, 4)


def metre_in_field(text: str) -> Metre | None:
    """The metre that a text such as `6/8`, `(3+2)/8`, `C` or `C|` names, if it does."""
    match = re.search(r"(\d{1,2}(?:\s*\+\s*\d{1,2})*)\s*\)?\s*/\s*(\d{1,2})", text)
    if match and text.count("/") == 1 and int(match[2]) in _UNITS and (beats := sum(map(int, match[1].split("+")))):
        return beats, int(match[2])
    return _NAMED.get(text.strip())


@dataclass(frozen=True, kw_only=True)
class Metres:
    """The signs of one voice, in order, and the metre that was given with the file, which counts where they leave it open."""

    signs: tuple[tuple[Fraction, str], ...]
    """Where each stands, in quarter notes from the beginning, and what it says; those that change nothing are left out."""
    given: Metre | None = None

    @classmethod
    def of(cls, signs: Iterable[tuple[Fraction, str]], given: Metre | None = None) -> Metres:
        """Leaves out signs that say again what the one before says."""
        kept: list[tuple[Fraction, str]] = []
        for place, text in signs:
            if not kept or (metre_in_field(text) or text) != (metre_in_field(kept[-1][1]) or kept[-1][1]):
                kept.append((place, text))
        return cls(signs=tuple(kept), given=given)

    @property
    def first(self) -> Metre | None:
        """The metre of the first sign, if it can be read."""
        return metre_in_field(self.signs[0][1]) if self.signs else None

    @property
    def is_open(self) -> bool:
        """Whether no sign, several of them, or one that can't be read stand there."""
        return len(self.signs) != 1 or self.first is None

    @property
    def metre(self) -> Metre:
        """The one in which bars are counted; where it is open and none was given, the first one, or 4/4."""
        return (self.given if self.is_open else None) or self.first or (4, 4)

    @property
    def bar_quarters(self) -> Fraction:
        """Length of a bar in quarter notes."""
        return Fraction(4 * self.metre[0], self.metre[1])

    @property
    def longest_pickup(self) -> Fraction:
        """What is shorter than this, at the beginning, is no full bar: neither of the first metre nor of the given one."""
        beats, unit = self.first or self.metre
        return min(self.bar_quarters, Fraction(4 * beats, unit))

    def doubt(self, melody: Melody) -> str:
        """What leaves the metre of the melody open, in words; empty where nothing does."""
        if not self.signs or self.signs[0][1].lower() in ("", "none"):
            return "the music names none"
        if self.first is None:
            return f"the music names {self.signs[0][1][:40]!r}, which is none that can be read"
        if len(self.signs) > 1:
            (_, before), (place, after) = self.signs[:2]
            return f"the music goes from {before} to {after[:40]} in bar {melody.bar_at(place)}"
        return ""
