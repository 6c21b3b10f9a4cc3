"""A melody in whole numbers, for what is measured of many melodies. Before: notes. After: features, composer/measures.

Shapes: N notes and rests, M bars as they are printed, the pickup left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Where each note stands, in the longest unit of which bars and notes are multiples: sums of fractions are slow."""

    per_quarter: int
    """Units of a quarter note."""
    beat: int
    """A dotted note in compound metres."""
    bar: int
    """A bar of the metre's length."""
    length_M: Whole
    """Bars as they are printed."""
    pitch_N: Whole
    """MIDI pitches; −1 is a rest."""
    length_N: Whole
    lengths: Counter[Fraction]
    """How many notes and rests have each length, in quarter notes."""
    bar_N: Whole
    """Number of the bar in which the note begins; −1 is the pickup."""
    place_N: Whole
    """Units since the bar line before; in the pickup as if its bar had begun before the melody."""

    @classmethod
    def of(cls, melody: Melody) -> Counted:
        """Counts a melody."""
        ratios = [note.quarters.as_integer_ratio() for note in melody.notes]
        counts = Counter(ratios)
        measured = [melody.bar_quarters, melody.pickup, beat_quarters(melody.metre), *(odd for _, odd in melody.odd_bars)]
        unit = lcm(*(of for _, of in counts), *(quarters.denominator for quarters in measured))
        bar, pickup, beat, *odd = (quarters.numerator * (unit // quarters.denominator) for quarters in measured)
        length_N = np.array([number * (unit // of) for number, of in ratios], dtype=np.int64)
        end_N = length_N.cumsum()
        inside_N = end_N - length_N - pickup
        bar_N, place_N = np.divmod(inside_N, bar)
        total = int(end_N[-1]) - pickup if len(end_N) else 0
        length_M = np.full(max(0, -(-total // bar)), bar)
        if odd:
            # Each short bar leaves room for one more at most.
            length_M = np.full(len(length_M) + len(odd), bar)
            for (number, _), length in zip(melody.odd_bars, odd, strict=True):
                if number < len(length_M):
                    length_M[number] = length
            line_M = length_M.cumsum() - length_M
            length_M, line_M = length_M[line_M < total], line_M[line_M < total]
            printed_N = np.searchsorted(line_M, inside_N, side="right") - 1
            is_pickup_N = printed_N < 0
            bar_N, place_N = printed_N, np.where(is_pickup_N, place_N, inside_N - line_M[printed_N])
        return cls(
            per_quarter=unit,
            beat=beat,
            bar=bar,
            length_M=length_M,
            pitch_N=np.array([-1 if note.pitch is None else note.pitch for note in melody.notes], dtype=np.int64),
            length_N=length_N,
            lengths=Counter({Fraction(*ratio): count for ratio, count in counts.items()}),
            bar_N=np.maximum(bar_N, -1),
            place_N=place_N,
        )

    @property
    def sounds_N(self) -> NDArray[np.bool_]:
        """Which are notes."""
        return self.pitch_N >= 0

    def bars(self) -> list[tuple[tuple[int, int, int], ...]]:
        """Each bar after the pickup in which a note begins, as (place in the bar, length, pitch) of those notes."""
        found: dict[int, list[tuple[int, int, int]]] = {}
        events = zip(self.place_N.tolist(), self.length_N.tolist(), self.pitch_N.tolist(), strict=True)
        for number, event in zip(self.bar_N.tolist(), events, strict=True):
            if number >= 0:
                found.setdefault(number, []).append(event)
        return [tuple(bar) for bar in found.values()]


def beat_quarters(metre: tuple[int, int]) -> Fraction:
    """Length of a beat in quarter notes: a dotted note in compound metres."""
    beats, unit = metre
    return Fraction(12 if beats > 3 and beats % 3 == 0 and unit >= 8 else 4, unit)
