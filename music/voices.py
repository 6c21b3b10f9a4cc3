"""Makes one-line voices out of timed events: chords keep their top note, gaps become rests. Before: readers. After: Score."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from music.keys import join_rests
from music.notes import Note


def line_of(events: Iterable[tuple[Fraction, Fraction, int]], end: Fraction = Fraction(0)) -> tuple[Note, ...]:
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
