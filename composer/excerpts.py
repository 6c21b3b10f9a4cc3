"""The first bars of a tune, cut so that they can be heard, and measured, beside a piece. After: pair_making.py, measures.py."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from composer.melody_bars import between
from music.notes import Melody

FEWEST_NOTES = 8


def excerpt_of(melody: Melody, bars: int) -> Melody | None:
    """The first full bars without the pickup, as composed pieces have none; None where they can't be cut out cleanly: the
    melody is shorter, a note sounds across the cut, a bar is printed longer or shorter, or there are hardly any notes."""
    start, end = melody.pickup, melody.pickup + bars * melody.bar_quarters
    if melody.quarters < end or any(number < bars for number, _ in melody.odd_bars):
        return None
    onsets = {begin for begin, _ in melody.onsets()} | {melody.quarters}
    if not {start, end} <= onsets:
        return None
    notes = between(melody, start, end)
    if sum(note.pitch is not None for note in notes) < FEWEST_NOTES:
        return None
    return replace(melody, notes=notes, pickup=Fraction(0), odd_bars=())


def ends_on_tonic(melody: Melody) -> bool:
    """Whether the last note is the tonic: a phrase that is over, as composed pieces are."""
    pitch = melody.notes[-1].pitch
    return pitch is not None and pitch % 12 == melody.tonic
