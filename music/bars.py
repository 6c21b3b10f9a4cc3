"""Cuts a melody into bars of printable notes: ties, dots, tuplets. Before: notes.py. After: the ABC and MusicXML writers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

from music.notes import Melody

_PLAIN_QUARTERS = tuple(Fraction(2) ** exponent for exponent in range(3, -9, -1))
"""Breve 8 … 1024th note 1/256."""


class UnprintableScore(ValueError):  # noqa: N818 – beside UnreadableMusic
    """A score with lengths that no notation has, or that the engraver could not lay out."""


@dataclass(frozen=True, slots=True)
class Printed:
    """One note or rest as it is printed. Several tied ones may make up one note of the melody."""

    pitch: int | None
    plain: Fraction
    """Length of the undotted symbol in quarter notes: 1/2 is an eighth."""
    dots: int
    actual: int = 1
    normal: int = 1
    """Within a tuplet: `actual` notes take the time of `normal`; 1 and 1 outside."""
    place: Fraction = Fraction(0)
    """Quarter notes from the start of the bar."""
    is_tied_back: bool = False
    is_tied_on: bool = False
    begins_tuplet: int = 0
    """How many printed notes the tuplet that begins here has, 0 where none begins."""
    ends_tuplet: bool = False

    @property
    def symbol_quarters(self) -> Fraction:
        """Length of the symbol with its dots, before the tuplet shortens it."""
        return self.plain * (2 - Fraction(1, 2**self.dots))

    @property
    def quarters(self) -> Fraction:
        """Length that sounds."""
        return self.symbol_quarters * self.normal / self.actual


@dataclass(frozen=True, slots=True)
class _Segment:
    """What of one note lies within one bar."""

    pitch: int | None
    quarters: Fraction
    place: Fraction
    is_tied_back: bool
    is_tied_on: bool


def bars(melody: Melody) -> list[list[Printed]]:
    """The bars of a melody, the pickup first where there is one. Raises UnprintableScore."""
    return [_print(bar) for bar in _cut(melody)]


def _cut(melody: Melody) -> list[list[_Segment]]:
    """Cuts the notes at the bar lines."""
    found: list[list[_Segment]] = [[]]
    odd, number = dict(melody.odd_bars), -1 if melody.pickup else 0
    room = melody.pickup or odd.get(0, melody.bar_quarters)
    length = room
    for note in melody.notes:
        left = note.quarters
        while left > 0:
            if room == 0:
                found.append([])
                number += 1
                room = length = odd.get(number, melody.bar_quarters)
            taken = min(left, room)
            is_note = note.pitch is not None
            back, on = is_note and left < note.quarters, is_note and taken < left
            found[-1].append(_Segment(note.pitch, taken, length - room, back, on))
            left -= taken
            room -= taken
    return found


def odd_bars(printed: Iterable[Fraction], bar_quarters: Fraction) -> tuple[tuple[int, Fraction], ...]:
    """Which bars differ from the metre, from the lengths between printed bar lines (pickup left out).

    Two lengths that make up a bar are one: repeat signs stand inside bars. More than two bars without a line between them
    only lack their lines. The last bar may be short without being odd: there the melody just ends."""
    left, odd, number = [length for length in printed if length > 0], [], 0
    left.reverse()
    while left:
        length = left.pop()
        if left and length < bar_quarters and length + left[-1] == bar_quarters:
            length += left.pop()
        if length >= 2 * bar_quarters:
            left.append(length - bar_quarters)
            length = bar_quarters
        if length != bar_quarters and (left or length > bar_quarters):
            odd.append((number, length))
        number += 1
    return tuple(odd)


def _print(segments: list[_Segment]) -> list[Printed]:
    """The symbols of one bar."""
    printed: list[Printed] = []
    for group in _tuplets(segments):
        actual = lcm(*(_odd_part(segment.quarters.denominator) for segment in group))
        normal = 2 ** (actual.bit_length() - 1)
        symbols = [symbol for segment in group for symbol in _symbols(segment, actual, normal)]
        if actual > 1:
            symbols[0] = replace(symbols[0], begins_tuplet=len(symbols))
            symbols[-1] = replace(symbols[-1], ends_tuplet=True)
        printed += symbols
    return printed


def _tuplets(segments: list[_Segment]) -> Iterator[list[_Segment]]:
    """Groups of segments whose lengths together are free of odd denominators: each group is a note or a whole tuplet."""
    group: list[_Segment] = []
    for segment in segments:
        group.append(segment)
        if _odd_part(sum((member.quarters for member in group), Fraction(0)).denominator) == 1:
            yield group
            group = []
    if group:
        yield group


def _symbols(segment: _Segment, actual: int, normal: int) -> list[Printed]:
    """The tied symbols that make up a segment, longest first."""
    left = segment.quarters * actual / normal
    symbols: list[Printed] = []
    place = segment.place
    while left > 0:
        plain, dots = _longest_symbol(left)
        symbol = Printed(segment.pitch, plain, dots, actual, normal, place)
        left -= symbol.symbol_quarters
        place += symbol.quarters
        is_note = segment.pitch is not None
        symbols.append(
            replace(
                symbol,
                is_tied_back=is_note and (bool(symbols) or segment.is_tied_back),
                is_tied_on=is_note and (left > 0 or segment.is_tied_on),
            )
        )
    return symbols


def _longest_symbol(quarters: Fraction) -> tuple[Fraction, int]:
    """The longest symbol (undotted length, dots) that is not longer than ``quarters``."""
    for plain in _PLAIN_QUARTERS:
        for dots in (2, 1, 0):
            if plain * (2 - Fraction(1, 2**dots)) <= quarters:
                return plain, dots
    raise UnprintableScore(f"a length of {quarters} quarter notes can't be printed")


def _odd_part(number: int) -> int:
    while number % 2 == 0:
        number //= 2
    return number
