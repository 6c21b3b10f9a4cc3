"""Forms of people's tunes: which bars come back, and from where. Before: the catalogue. After: constraints keep to a drawn one.

A form has a letter for each bar: `.` is new, `4` the bar four bars before once more, `d` begins like that one and ends
otherwise; 1, 2, 4, 8 and a, b, d, h are one, two, four and eight bars back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from music.counted import Counted
from music.notes import Melody

BACKS = (1, 2, 4, 8)
"""Bars back from which a bar can return."""
NEW, WHOLE, BEGINNING = ".", "1248", "abdh"
FEWEST_TUNES = 20
"""Of a style, as long as is asked; else forms are drawn from all styles."""
LONGEST = 64
"""Bars that are kept of a form, as many as a piece can have."""
DRAW = 101
"""Beside a piece's seed: the form is no draw among its notes."""


@dataclass(frozen=True)
class Forms:
    """How many tunes of each style have which form."""

    of_style: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def measure(cls, tunes: Iterable[tuple[str, Melody]]) -> Forms:
        """Of styles and melodies of people."""
        return cls(tally((style, letters_of(melody)[:LONGEST]) for style, melody in tunes))

    def draw(self, style: str, bars: int, seed: int, nats_2: NDArray[np.float64] | None = None) -> str:
        """The first bars of a tune of this style, as often as people's are so; empty where hardly a tune is as long. `nats_2`
        says what the shares of `shares_of` are worth to a listener: forms worth n nats more are e^n times as likely."""
        if (style, bars) not in self._tables:
            own = _Table.of(self.of_style.get(style, {}), bars)
            self._tables[style, bars] = own if own.tunes >= FEWEST_TUNES else _Table.of(self._of_all, bars)
        table = self._tables[style, bars]
        if table.tunes < FEWEST_TUNES:
            return ""
        if nats_2 is None:
            return table.forms[drawn(table.count_n, seed, DRAW)]
        worth_n = table.shares_n2 @ nats_2
        return table.forms[drawn(table.count_n * np.exp(worth_n - worth_n.max()), seed, DRAW)]

    @cached_property
    def _tables(self) -> dict[tuple[str, int], _Table]:
        """Of each style and number of bars that were asked for."""
        return {}

    @cached_property
    def _of_all(self) -> Mapping[str, int]:
        total: Counter[str] = Counter()
        for counted in self.of_style.values():
            total.update(counted)
        return total


def tally(found: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """How often each was found in each group, both in order: of (group, what was found)."""
    total: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for group, each in found:
        total[group][each] += 1
    return {group: dict(sorted(counted.items())) for group, counted in sorted(total.items())}


def shares_of(form: str) -> NDArray[np.float64]:
    """Shares of the bars after the first that come back, and of those that begin like another: as `music.features` counts."""
    counts = [sum(letter in letters for letter in form) for letters in (WHOLE, BEGINNING)]
    return np.array(counts) / max(len(form) - 1, 1)


class _Table(NamedTuple):
    """The n forms of some tunes that have so many bars, or of their beginnings."""

    forms: list[str]
    count_n: NDArray[np.float64]
    shares_n2: NDArray[np.float64]

    @classmethod
    def of(cls, counted: Mapping[str, int], bars: int) -> _Table:
        found: Counter[str] = Counter()
        for form, count in counted.items():
            if len(form) >= bars:
                found[form[:bars]] += count
        shares_n2 = np.array([shares_of(form) for form in found]).reshape(-1, 2)
        return cls(list(found), np.array(list(found.values()), dtype=np.float64), shares_n2)

    @property
    def tunes(self) -> int:
        return int(self.count_n.sum())


def drawn(weight_n: NDArray[np.float64], seed: int, draw: int) -> int:
    """The number of one of these, by their weights; the same for a piece's seed and a number of the draw."""
    generator = np.random.default_rng([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF, draw])
    below_n = weight_n.cumsum()
    return min(int(np.searchsorted(below_n, generator.random() * below_n[-1], side="right")), len(below_n) - 1)


def letters_of(melody: Melody) -> str:
    """A letter for each bar after the pickup; the nearest bar that it is the same as, else the nearest that it begins like."""
    counted = Counted.of(melody)
    bars: list[list[tuple[int, int, int]]] = [[] for _ in counted.length_M]
    notes = zip(counted.place_N.tolist(), counted.length_N.tolist(), counted.pitch_N.tolist(), strict=True)
    for number, note in zip(counted.bar_N.tolist(), notes, strict=True):
        if number >= 0:
            bars[number].append(note)
    beginnings = [[note for note in bar if 2 * note[0] < counted.bar] for bar in bars]
    return "".join(
        _nearest(bars, number, WHOLE) or _nearest(beginnings, number, BEGINNING) or NEW for number in range(len(bars))
    )


def _nearest(parts: Sequence[Sequence[object]], number: int, letters: str) -> str:
    """The letter of the nearest part that this one is the same as; empty where there is none, or nothing in it but a note."""
    for back, letter in zip(BACKS, letters, strict=True):
        if back <= number and len(parts[number]) > 1 and parts[number] == parts[number - back]:
            return letter
    return ""


def in_words(form: str) -> str:
    """“Bars 5–6 are bars 1–2 again, and bar 7 begins like bar 3”; empty where every bar is new."""
    told = []
    number = 0
    for letter, group in groupby(form):
        count = len(list(group))
        back = dict(zip(WHOLE + BEGINNING, BACKS * 2, strict=True)).get(letter)
        if back is not None:
            # Where more bars come back than lie between, they are the first ones again and again.
            bars, others = _bars(number, count), _bars(number - back, min(count, back)).lower()
            is_again = f"{'is' if count == 1 else 'are'} {others} again"
            told.append(f"{bars} {is_again}" if letter in WHOLE else f"{bars} begin{'s' if count == 1 else ''} like {others}")
        number += count
    told[1:] = [words.lower() for words in told[1:]]
    return ", and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else "".join(told)


def _bars(first: int, count: int) -> str:
    return f"Bar {first + 1}" if count == 1 else f"Bars {first + 1}–{first + count}"
