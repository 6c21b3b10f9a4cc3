"""Counts parallel fifths and octaves of a score. Before: any score in several voices. After: tests, bench."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

from composer.accompaniment.half_bars import beat_quarters
from music.notes import Melody, Score

PERFECT = (0, 7)


def verticals(score: Score) -> list[tuple[int | None, ...]]:
    """What all voices sound at each moment at which any of them begins a note or rest."""
    tables = [_sounding(voice.melody) for voice in score.voices]
    moments = sorted({start for table in tables for start, _ in table})
    return [tuple(_at(table, moment) for table in tables) for moment in moments]


def sounding_at(score: Score, moment: Fraction) -> tuple[int | None, ...]:
    """What each voice sounds at a moment, in quarter notes from the beginning."""
    return tuple(_at(_sounding(voice.melody), moment) for voice in score.voices)


def count_parallels(score: Score) -> int:
    """Pairs of voices that move from a fifth to a fifth or from an octave (or unison) to an octave, both moving."""
    found = 0
    for before, after in pairwise(verticals(score)):
        for one, other in combinations(range(len(before)), 2):
            was, is_now = (before[one], before[other]), (after[one], after[other])
            if None in (*was, *is_now) or was[0] == is_now[0] or was[1] == is_now[1]:
                continue
            interval = (was[0] - was[1]) % 12  # type: ignore[operator]  # None was left out above
            found += interval in PERFECT and interval == (is_now[0] - is_now[1]) % 12  # type: ignore[operator]
    return found


def beats(score: Score) -> float:
    """Length in beats."""
    melody = score.melody
    return float(melody.quarters / beat_quarters(melody.metre))


def _sounding(melody: Melody) -> list[tuple[Fraction, int | None]]:
    return [(start, note.pitch) for start, note in melody.onsets()]


def _at(table: list[tuple[Fraction, int | None]], moment: Fraction) -> int | None:
    """What sounds at a moment; the tables are short, and sorted."""
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if table[middle][0] <= moment else (low, middle)
    return table[low - 1][1] if low else None
