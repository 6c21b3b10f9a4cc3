"""Cuts a melody into half bars, each of which gets a chord. Before: a melody. After: labels, the policy, voices and patterns.

Shapes: T half bars, P twelve pitch classes above the tonic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

Floats = NDArray[np.float64]
ACCENT = 2.0
"""How much more a note counts that sounds where the half bar begins."""
LONG_SHARE = Fraction(3, 4)
"""A note that lasts so much of a half bar, or a rest, ends a phrase where the next bar begins anew."""


@dataclass(frozen=True, kw_only=True)
class HalfBar:
    """The time of one chord."""

    start: Fraction
    """Quarter notes from the beginning of the piece."""
    quarters: Fraction
    bar: int
    """Number of the bar from 0; −1 is the pickup."""
    is_strong: bool
    """Begins its bar."""

    @property
    def end(self) -> Fraction:
        """Where the next one begins."""
        return self.start + self.quarters


def beat_quarters(metre: tuple[int, int]) -> Fraction:
    """Length of a beat: a dotted note in compound metres."""
    beats, unit = metre
    return Fraction(12 if beats > 3 and beats % 3 == 0 and unit >= 8 else 4, unit)


def first_half(metre: tuple[int, int]) -> Fraction:
    """Quarter notes of a bar's first half: the larger part, in whole beats, where beats are odd (2 + 1 of a waltz)."""
    bar, beat = Fraction(4 * metre[0], metre[1]), beat_quarters(metre)
    beats = bar / beat
    if beats < 2:
        return bar
    return -(-beats // 2) * beat


def half_bars(melody: Melody) -> list[HalfBar]:
    """The half bars of a melody as its bars are printed, a pickup as one of its own; the last one ends with the melody."""
    odd = dict(melody.odd_bars)
    cuts = [(Fraction(0), -1, False)] if melody.pickup else []
    for number, start in enumerate(melody.bar_starts()):
        places = _places(melody.metre, odd.get(number, melody.bar_quarters))
        cuts += [(start + place, number, place == 0) for place in places]
    cuts = [cut for cut in cuts if cut[0] < melody.quarters]
    ends = [start for start, _, _ in cuts[1:]] + [melody.quarters]
    return [
        HalfBar(start=start, quarters=end - start, bar=number, is_strong=strong)
        for (start, number, strong), end in zip(cuts, ends, strict=True)
    ]


def _places(metre: tuple[int, int], quarters: Fraction) -> list[Fraction]:
    """Where half bars begin in a bar of this length. In one printed longer than its metre they go on as in the next bar; what
    is left over and shorter than a beat belongs to the half bar before."""
    bar, first, beat = Fraction(4 * metre[0], metre[1]), first_half(metre), beat_quarters(metre)
    halves = [Fraction(0), first] if first < bar else [Fraction(0)]
    grid = [number * bar + half for number in range(int(quarters / bar) + 1) for half in halves]
    return [place for place in grid if place == 0 or place + beat <= quarters or (quarters == bar and place < bar)]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the melody does in each half bar."""

    weights_TP: Floats
    """Share of the half bar that each pitch class takes, accents counted; all 0 in silence."""
    accented_TP: Floats
    """1 for the pitch class that sounds where the half bar begins."""
    middle_TP: Floats
    """1 for the pitch class that sounds in its middle: the other beat of a half bar of two."""
    is_phrase_end_T: NDArray[np.bool_]


def hear(melody: Melody, cut: list[HalfBar], *, accent: float = ACCENT) -> Heard:
    """The melody of each half bar, relative to the tonic."""
    weights_TP, accented_TP, middle_TP = (np.zeros((len(cut), 12)) for _ in range(3))
    is_phrase_end_T = np.zeros(len(cut), dtype=bool)
    onsets = list(melody.onsets())
    first = 0
    for number, half in enumerate(cut):
        while first < len(onsets) and onsets[first][0] + onsets[first][1].quarters <= half.start:
            first += 1
        for start, note in onsets[first:]:
            if start >= half.end:
                break
            share = (min(half.end, start + note.quarters) - max(half.start, start)) / half.quarters
            if note.pitch is None:
                is_phrase_end_T[number] |= share >= Fraction(1, 4) and number + 1 < len(cut)
                continue
            step = (note.pitch - melody.tonic) % 12
            is_accented = start <= half.start
            weights_TP[number, step] += float(share) * (accent if is_accented else 1.0)
            accented_TP[number, step] += is_accented
            middle = half.start + half.quarters / 2
            middle_TP[number, step] += start <= middle < start + note.quarters
            is_phrase_end_T[number] |= share >= LONG_SHARE and not half.is_strong
    totals_T1 = weights_TP.sum(axis=1, keepdims=True)
    weights_TP = np.divide(weights_TP, totals_T1, out=weights_TP, where=totals_T1 > 0)
    if len(cut):
        is_phrase_end_T[-1] = True
    return Heard(weights_TP=weights_TP, accented_TP=accented_TP, middle_TP=middle_TP, is_phrase_end_T=is_phrase_end_T)
