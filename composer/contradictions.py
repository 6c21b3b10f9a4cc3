"""Graded wishes that the exact ones leave no room for. Before: steering.py. After: composing.py refuses them.

Only what no piece can do is refused: the bounds are those of any notes that fit, not of likely ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from composer.accompaniment.half_bars import beat_quarters
from composer.judging import WIDEST_WISH
from composer.steering import ImpossibleSteering, Steering
from music.notes import Note

MOST_NOTES_PER_QUARTER = 8
"""Nothing shorter than a 32nd is composed."""
LEAST_DENSITY = 0.4
"""A note a quarter. People hardly write fewer, so a wish below it asks for no fewer."""
TOLERANCE = 0.1
"""Graded wishes are followed by degree: what is missed by less contradicts nothing."""


def check_graded(steering: Steering) -> None:
    """Refuses a graded wish that metre, primer and locked bars make impossible."""
    beats, unit = steering.metre
    if beats == 1 and (steering.syncopation or 0) > TOLERANCE:
        raise ImpossibleSteering(
            "syncopation", f"must be open or 0 in {beats}/{unit}: a bar has one beat, and no note sounds across a bar line"
        )
    for wish, (least, most) in reach(steering).items():
        asked = getattr(steering, wish)
        if asked is None:
            continue
        heard = max(asked, LEAST_DENSITY) if wish == "density" else asked
        if not least - TOLERANCE <= heard <= most + TOLERANCE:
            raise ImpossibleSteering(
                wish, f"must be {least:.2f} … {most:.2f} with these notes given (primer, locked bars), or open; it is {asked:g}"
            )


def reach(steering: Steering) -> dict[str, tuple[float, float]]:
    """The least and the most that a piece with these given notes can show of a graded wish, on the scale of the wish; nothing
    where no notes are given."""
    stretches = list(_given(steering))
    pitches = [note.pitch for _, line in stretches for note in line if note.pitch is not None]
    if not pitches:
        return {}
    open_quarters = steering.quarters - sum((note.quarters for _, line in stretches for note in line), Fraction(0))
    given, more = len(pitches), max(1, int(open_quarters * MOST_NOTES_PER_QUARTER))
    beats = int(open_quarters / beat_quarters(steering.metre)) + 1
    steps = [_is_leap(*pair) for _, line in stretches for pair in pairwise(_sounding(line))]
    off_beat = sum(_syncopated(steering, start, line) for start, line in stretches)
    room, total = steering.highest - steering.lowest, sum(pitches) - given * steering.lowest
    notes_of_wish = float(steering.quarters) * 4
    shares = {
        "density": (given / notes_of_wish, (given + more) / notes_of_wish),
        "leaps": (sum(steps) / (given + more - 1), 1 - (len(steps) - sum(steps)) / (given + more - 1)),
        "syncopation": (off_beat / (given + more), (off_beat + beats) / (given + beats)),
    }
    found = {wish: _on_scale(wish, *bounds) for wish, bounds in shares.items()}
    found["brightness"] = (total / room / (given + more), (total / room + more) / (given + more))
    return found


def _on_scale(wish: str, least: float, most: float) -> tuple[float, float]:
    return min(least / WIDEST_WISH[wish], 1.0), min(most / WIDEST_WISH[wish], 1.0)


def _given(steering: Steering) -> Iterator[tuple[Fraction, tuple[Note, ...]]]:
    """Where each stretch of given notes begins, in quarter notes, and its notes."""
    if steering.primer:
        yield Fraction(0), steering.primer
    for bar, notes in steering.locked_bars:
        yield (bar - 1) * steering.bar_quarters, notes


def _sounding(line: tuple[Note, ...]) -> list[int]:
    return [note.pitch for note in line if note.pitch is not None]


def _is_leap(before: int, after: int) -> bool:
    """As `music.features` counts them: five semitones or more."""
    return abs(after - before) >= 5


def _syncopated(steering: Steering, start: Fraction, line: tuple[Note, ...]) -> int:
    """Notes that begin off the beat and sound across the next one."""
    beat, count = beat_quarters(steering.metre), 0
    for note in line:
        place = start % beat
        count += note.pitch is not None and place != 0 and place + note.quarters > beat
        start += note.quarters
    return count
