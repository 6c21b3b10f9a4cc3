"""A finished melody as rules and measures read it. Before: music.notes. After: rewards, bands, measures.

Shapes: N notes of the melody, n of a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

Events = tuple[tuple[int | None, int], ...]
"""Pitch and length in ticks of some notes."""
SHORT_BARS = 4


@dataclass(frozen=True)
class Line:
    """A finished melody as the rules read it."""

    melody: Melody
    form: str = ""
    """Asked for it, as `forms` writes it; empty where none was."""

    @cached_property
    def pitches(self) -> list[int | None]:
        """MIDI pitches; None is a rest."""
        return [note.pitch for note in self.melody.notes]

    @cached_property
    def ticks(self) -> NDArray[np.int64]:
        """Length of each note, N."""
        return np.array([round(note.quarters * 48) for note in self.melody.notes], dtype=np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Tick of each note's beginning, N."""
        return np.cumsum(self.ticks) - self.ticks

    @property
    def bar_ticks(self) -> int:
        """Length of a bar."""
        return round(self.melody.bar_quarters * 48)

    @cached_property
    def bars(self) -> list[range]:
        """The notes that begin in each bar."""
        number_N = self.starts // self.bar_ticks
        edges = np.searchsorted(number_N, np.arange(int(number_N[-1]) + 2))
        return [range(int(low), int(high)) for low, high in pairwise(edges)]

    @property
    def is_short(self) -> bool:
        """Up to four bars: a phrase, not a tune."""
        return len(self.bars) <= SHORT_BARS

    def events(self, notes: Sequence[int]) -> Events:
        """Pitch and length of some notes, to compare."""
        return tuple((self.pitches[n], int(self.ticks[n])) for n in notes)

    @cached_property
    def whole_bars(self) -> list[Events]:
        """What each bar plays."""
        return [self.events(bar) for bar in self.bars]

    @cached_property
    def beginnings(self) -> list[Events]:
        """What begins in the first half of each bar."""
        half_N = self.starts % self.bar_ticks < self.bar_ticks / 2
        return [self.events([n for n in bar if half_N[n]]) for bar in self.bars]

    def copied_share(self, number: int, before: int) -> NDArray[np.float64]:
        """After each note of a bar, how much of it has copied an earlier one; 0 from the first note that doesn't, and at the
        end of a bar that holds less than the other."""
        now, then = self.whole_bars[number], self.whole_bars[before]
        length = next((n for n, (one, other) in enumerate(zip(now, then, strict=False)) if one != other), len(then))
        share_n = np.cumsum([ticks for _, ticks in now]) / self.bar_ticks
        share_n[length:] = 0.0
        share_n[-1] *= now == then
        return np.minimum(share_n, 1.0)

    @cached_property
    def repeated_ticks(self) -> NDArray[np.int64]:
        """For each note, how long the run of notes ending with it is that came before in the same way, N."""
        count = len(self.pitches)
        events = self.events(range(count))
        longest_N = np.zeros(count, dtype=np.int64)
        before = np.zeros(count, dtype=np.int64)
        for t in range(1, count):
            now = np.zeros(count, dtype=np.int64)
            for j in range(t):
                if events[j] == events[t]:
                    now[j] = (before[j - 1] if j else 0) + self.ticks[t]
            longest_N[t] = now.max()
            before = now
        return longest_N
