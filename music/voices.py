"""Makes one-line voices out of timed events: chords keep their top note, gaps become rests. Before: readers. After: Score."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from music.keys import join_rests
from music.notes import Note

LONGEST_OVERLAP = Fraction(1, 8)
"""Quarter notes that a note may sound into the next one, if that is less than half of either: played legato is one line."""
Event = tuple[Fraction, Fraction, int]
"""Start, length, pitch; in quarter notes."""


def chord_at(events: Iterable[Event]) -> Fraction | None:
    """Where two different pitches first sound together; None for what is one line."""
    last: Event | None = None
    for start, length, pitch in sorted(events):
        if last is not None and pitch != last[2]:
            overlap = min(last[0] + last[1], start + length) - start
            if overlap > LONGEST_OVERLAP or 2 * overlap > min(length, last[1]):
                return start
        if last is None or start + length >= last[0] + last[1]:
            last = (start, length, pitch)
    return None


def line_of(events: Iterable[Event], end: Fraction = Fraction(0)) -> tuple[Note, ...]:
    """The notes of one line from (start, length, pitch) in quarter notes.

    Of notes that start together the highest stays; a note that still sounds when the next one starts is cut there. A rest
    follows the last note where the line ends later than it."""
    highest: dict[Fraction, tuple[int, Fraction]] = {}
    for start, length, pitch in events:
        if length > 0 and (start not in highest or pitch > highest[start][0]):
            highest[start] = (pitch, length)
    starts = sorted(highest)
    notes: list[Note] = []
    position = Fraction(0)
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        pitch, length = highest[start]
        if start > position:
            notes.append(Note(None, start - position))
        stop = start + length if following is None else min(start + length, following)
        notes.append(Note(pitch, stop - start))
        position = stop
    if notes and end > position:
        notes.append(Note(None, end - position))
    return join_rests(notes)
