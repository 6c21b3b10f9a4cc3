"""Bars, stretches and room of a given melody. Before: sources.py. After: melody_tasks.py, performing.py, style_transfer.py."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from composer.steering import SMALLEST_RANGE_NOTES
from music.keys import SCALE_STEPS, join_rests
from music.notes import Melody, Note


def printed_bars(melody: Melody) -> list[tuple[Fraction, Fraction]]:
    """Begin and end of each bar after the pickup as it is printed, in quarter notes; the last one may be short."""
    starts = list(melody.bar_starts()) or [melody.pickup]
    return list(zip(starts, [*starts[1:], melody.quarters], strict=True))


def full_bars(melody: Melody) -> int:
    """Bars after the pickup, the last one counted even where it is short."""
    return len(printed_bars(melody))


def evened(melody: Melody) -> Melody:
    """The melody as the composer can take it: bars printed longer than the metre are cut, shorter ones end with a rest; only
    the last one may stay short."""
    if not melody.odd_bars:
        return melody
    bar, bars = melody.bar_quarters, printed_bars(melody)
    notes = list(between(melody, Fraction(0), melody.pickup))
    for number, (start, end) in enumerate(bars, start=1):
        end = min(end, start + bar)
        notes += between(melody, start, end)
        if number < len(bars) and end - start < bar:
            notes.append(Note(None, bar - (end - start)))
    return replace(melody, notes=join_rests(notes), odd_bars=())


def evened_bars(melody: Melody) -> list[int]:
    """Numbers, from 1, of the printed bars that `evened` makes longer or shorter."""
    bar, last = melody.bar_quarters, full_bars(melody) - 1
    return [number + 1 for number, length in melody.odd_bars if number < last or length > bar]


def room_of(melody: Melody) -> tuple[int, int]:
    """A range for pieces made of this melody: its own and a little more, at least five notes of its key and the tonic."""
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    low, high = max(0, min(pitches) - 2), min(127, max(pitches) + 2)
    scale = {(melody.tonic + step) % 12 for step in SCALE_STEPS[melody.mode]}
    while True:
        inside = [pitch for pitch in range(low, high + 1) if pitch % 12 in scale]
        if len(inside) > SMALLEST_RANGE_NOTES and any(pitch % 12 == melody.tonic for pitch in inside):
            return low, high
        low, high = max(0, low - 1), min(127, high + 1)


def between(melody: Melody, start: Fraction, end: Fraction) -> tuple[Note, ...]:
    """What sounds from `start` to `end`, in quarter notes from the beginning; notes are cut at both."""
    found = []
    for begin, note in melody.onsets():
        length = min(end, begin + note.quarters) - max(start, begin)
        if length > 0:
            found.append(Note(note.pitch, length))
    return tuple(found)


def without_pickup(melody: Melody) -> tuple[Note, ...]:
    """The notes from the first full bar on."""
    return between(melody, melody.pickup, melody.quarters)


def notes_by_bar(melody: Melody) -> list[tuple[Note, ...]]:
    """The notes of each full bar after the pickup, cut at the bar lines and all of one length (`evened`); a short last bar is
    filled with a rest."""
    melody, bar = evened(melody), melody.bar_quarters
    rows = []
    for start, end in printed_bars(melody):
        notes = between(melody, start, end)
        rows.append((*notes, Note(None, bar - (end - start))) if end - start < bar else notes)
    return rows
