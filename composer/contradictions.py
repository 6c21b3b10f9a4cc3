"""Chords and graded wishes that the other wishes leave no room for. Before: steering.py. After: composing.py refuses them.

Only what no piece can do is refused: the bounds are those of any notes that fit, not of likely ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from composer.accompaniment.chords import CHORDS, Chord
from composer.accompaniment.half_bars import beat_quarters
from composer.judging import WIDEST_WISH
from composer.steering import ImpossibleSteering, Steering
from music.keys import name_pitch
from music.notes import Note

MOST_NOTES_PER_QUARTER = 8
"""Nothing shorter than a 32nd is composed."""
WIDEST_STEP = 4
"""Semitones: five or more are a leap, as `music.features` counts them."""
TOLERANCE = 0.1
"""Graded wishes are followed by degree: what is missed by less contradicts nothing."""
Stretch = tuple[Fraction, Fraction]
"""Where a part of the piece begins and ends, in quarter notes."""


def check_chords(steering: Steering) -> None:
    """Refuses chords without a note in key and range, and those that leave no room for the tonic at either end. Where notes
    are given these stand, whatever the chord."""
    primer = sum((note.quarters for note in steering.primer or ()), Fraction(0))
    locked = {bar for bar, _ in steering.locked_bars}
    tonic = Chord(0, "major").symbol(steering.tonic, steering.mode)
    # As `constraints.cadence_ticks`, which needs numba.
    cadence = Fraction(1 if steering.bar_quarters >= 2 else "1/2")
    for bar, start, number in steering.chord_places():
        if start < primer or bar in locked:
            continue
        classes = steering.classes_of(number)
        symbol = CHORDS[number].symbol(steering.tonic, steering.mode)
        if not any(pitch % 12 in classes for pitch in range(steering.lowest, steering.highest + 1)):
            room = f"{name_pitch(steering.lowest)} … {name_pitch(steering.highest)}"
            raise ImpossibleSteering("chords", f"bar {bar}: {symbol} has no note of the key within {room}")
        if steering.tonic in classes:
            continue
        if start == 0:
            raise ImpossibleSteering("chords", f"bar {bar}: {symbol} lacks {tonic}, the tonic, on which a piece begins")
        if steering.quarters - start <= cadence:
            raise ImpossibleSteering(
                "chords",
                f"bar {bar}: {symbol} lacks {tonic}, the tonic, on which a piece ends, and leaves no room for it behind",
            )


def check_graded(steering: Steering) -> None:
    """Refuses a graded wish that metre, primer and locked bars make impossible."""
    beats, unit = steering.metre
    if beats == 1 and (steering.syncopation or 0) > TOLERANCE:
        raise ImpossibleSteering(
            "syncopation", f"must be open or 0 in {beats}/{unit}: a bar has one beat, and no note sounds across a bar line"
        )
    for wish, (least, most) in reach(steering).items():
        asked = getattr(steering, wish)
        if asked is not None and not least - TOLERANCE <= asked <= most + TOLERANCE:
            raise ImpossibleSteering(
                wish, f"must be {least:.2f} … {most:.2f} with these notes given (primer, locked bars), or open; it is {asked:g}"
            )


def reach(steering: Steering) -> dict[str, tuple[float, float]]:
    """The least and the most that a piece with these given notes and rests can show of a graded wish, on the scale of the wish;
    nothing where none are given."""
    lines = list(_given(steering))
    if not lines:
        return {}
    holes = list(_open(steering, lines))
    sung = [line for _, notes in lines if (line := _sounding(notes))]
    given = sum(map(len, sung))
    more = sum(_most_notes(hole) for hole in holes)
    # The last note is the tonic, unless its bar is given: where the last given one is another, a note must follow.
    ends_open = bool(holes) and holes[-1][1] == steering.quarters
    fewest = given + (ends_open and not (sung and sung[-1][-1] % 12 == steering.tonic))
    notes_of_wish = float(steering.quarters) * 4
    found = {
        "density": _on_scale("density", fewest / notes_of_wish, (given + more) / notes_of_wish),
        "leaps": _on_scale("leaps", *_leaps(sung, given + more)),
    }
    off_beat = sum(_syncopated(steering, start, notes) for start, notes in lines)
    crossed = [_beats_within(steering, hole) for hole in holes]
    at_most = max(given + sum(crossed) + (fewest > given and not crossed[-1]), 1)
    found["syncopation"] = _on_scale("syncopation", off_beat / max(given + more, 1), (off_beat + sum(crossed)) / at_most)
    if given + more:
        found["brightness"] = _brightness(steering, [pitch for line in sung for pitch in line], fewest - given, more)
    return found


def _leaps(sung: list[list[int]], most_notes: int) -> tuple[float, float]:
    """Least and largest share of leaps: between stretches of given notes, and beyond them, leaps can be had at will."""
    steps = [_is_leap(*pair) for line in sung for pair in pairwise(line)]
    intervals = max(most_notes - 1, 1)
    return sum(steps) / intervals, 1 - (len(steps) - sum(steps)) / intervals


def _brightness(steering: Steering, pitches: list[int], fewest: int, most: int) -> tuple[float, float]:
    """Mean height with as few or as many more notes as can be, as low, or as high, as the key goes in this range. If one must
    follow, the last of them is a tonic."""
    scale = [pitch for pitch in range(steering.lowest, steering.highest + 1) if pitch % 12 in steering.scale]
    tonics = [pitch for pitch in scale if pitch % 12 == steering.tonic]
    ends = []
    for which in (min, max):
        sums = [(sum(pitches) + which(scale) * (more - fewest) + which(tonics) * fewest, more) for more in (fewest, most)]
        ends.append(which(total / (len(pitches) + more) for total, more in sums if pitches or more))
    room = steering.highest - steering.lowest
    return (ends[0] - steering.lowest) / room, (ends[1] - steering.lowest) / room


def _most_notes(hole: Stretch) -> int:
    """That fit into a stretch."""
    return max(1, int((hole[1] - hole[0]) * MOST_NOTES_PER_QUARTER))


def _beats_within(steering: Steering, hole: Stretch) -> int:
    """Beats inside a stretch that a note may sound across: those that begin a bar are none."""
    beat, bar = beat_quarters(steering.metre), steering.bar_quarters
    first, end = hole[0] // beat + 1, -(-hole[1] // beat)
    return sum((number * beat) % bar != 0 for number in range(first, end))


def _on_scale(wish: str, least: float, most: float) -> tuple[float, float]:
    return min(least / WIDEST_WISH[wish], 1.0), min(most / WIDEST_WISH[wish], 1.0)


def _given(steering: Steering) -> Iterator[tuple[Fraction, tuple[Note, ...]]]:
    """Where each stretch of given notes begins, in quarter notes, and its notes; neighbours are one stretch."""
    begin, end, line = Fraction(0), Fraction(0), steering.primer or ()
    end += sum((note.quarters for note in line), Fraction(0))
    for bar, notes in steering.locked_bars:
        start = (bar - 1) * steering.bar_quarters
        if start > end:
            if line:
                yield begin, line
            begin, line = start, ()
        line, end = (*line, *notes), start + steering.bar_quarters
    if line:
        yield begin, line


def _open(steering: Steering, lines: list[tuple[Fraction, tuple[Note, ...]]]) -> Iterator[Stretch]:
    """The stretches between given ones."""
    end = Fraction(0)
    for start, line in lines:
        if start > end:
            yield end, start
        end = start + sum((note.quarters for note in line), Fraction(0))
    if end < steering.quarters:
        yield end, steering.quarters


def _sounding(line: tuple[Note, ...]) -> list[int]:
    return [note.pitch for note in line if note.pitch is not None]


def _is_leap(before: int, after: int) -> bool:
    return abs(after - before) > WIDEST_STEP


def _syncopated(steering: Steering, start: Fraction, line: tuple[Note, ...]) -> int:
    """Notes that begin off the beat and sound across the next one."""
    beat, count = beat_quarters(steering.metre), 0
    for note in line:
        place = start % beat
        count += note.pitch is not None and place != 0 and place + note.quarters > beat
        start += note.quarters
    return count
