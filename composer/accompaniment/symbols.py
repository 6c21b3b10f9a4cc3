"""Chords that a listener gives as symbols or degrees, bar by bar. Before: steering.py, melody_tasks.py. After: masks, charts.

`Am F C G` is a chord for each bar, `Am F | C` has two chords in its first bar, one for each half. Shapes: T half bars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from composer.accompaniment.chords import CHORDS, NUMBERS, QUALITIES, Chord, is_minor
from composer.accompaniment.half_bars import HalfBar, first_half
from music.keys import SCALE_STEPS, pitch_class_of

MOST_CHARACTERS = 4000
Bars = tuple[tuple[int, ...], ...]
"""Numbers of chords, one or two a bar."""
_ENDINGS = {ending: quality for quality, (_, ending) in QUALITIES.items()} | {
    "maj": "major", "min": "minor", "°": "diminished", "min7": "minor seventh", "M7": "major seventh",
    "ø": "half diminished", "ø7": "half diminished", "°7": "diminished seventh",
}  # fmt: skip
_SMALL = {"": "minor", "7": "minor seventh"}
"""What endings mean behind a degree in small letters; the others mean the same."""
_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1, "##": 2, "bb": -2}
"""Keys of many sharps or flats have chords on doubly altered notes."""
_SIGN = "(?:##|bb|[#♯b♭])?"
_ENDING = "|".join(sorted(map(re.escape, _ENDINGS), key=len, reverse=True))
SYMBOL = rf"[A-G]{_SIGN}(?:{_ENDING})"
"""What is written like a chord; an ending may be empty."""
_NUMERAL = "VII|VI|IV|V|I{1,3}|vii|vi|iv|v|i{1,3}"
DEGREE = rf"{_SIGN}(?:{_NUMERAL})(?:{_ENDING})"
_SYMBOL = re.compile(rf"([A-G])({_SIGN})({_ENDING})")
_DEGREE = re.compile(rf"({_SIGN})({_NUMERAL})({_ENDING})")
_KNOWN = "known are A … G with # or b, or I … VII, followed by nothing, " + ", ".join(
    ending for _, ending in QUALITIES.values() if ending
)


class UnreadableChords(ValueError):  # noqa: N818 – becomes a refusal of the field
    """Names bar, symbol and what is known."""


def read_chords(text: object, tonic: int, mode: str, metre: tuple[int, int], most_bars: int) -> Bars:
    """The chords of each bar; nothing for an empty text. With bar lines a bar has one or two, without them one."""
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise UnreadableChords(f"must be a text of at most {MOST_CHARACTERS} characters, such as Am F | C G")
    if not text.strip():
        return ()
    # Lead sheets have bar lines at both ends, too.
    bars = [bar.split() for bar in text.strip().strip("|").split("|")] if "|" in text else [[name] for name in text.split()]
    if len(bars) > most_bars:
        raise UnreadableChords(f"must be 1 … {most_bars} bar{'' if most_bars == 1 else 's'}; there are {len(bars)}")
    room = len(list(_halves(metre)))
    found = []
    for number, names in enumerate(bars, start=1):
        if not 1 <= len(names) <= room:
            wanted = "one chord" if room == 1 else "one chord, or two"
            raise UnreadableChords(f"bar {number}: must have {wanted}; it has {len(names)}")
        found.append(tuple(_read_named(number, name, tonic, mode) for name in names))
    return tuple(found)


def _read_named(bar: int, name: str, tonic: int, mode: str) -> int:
    chord = chord_of(name, tonic, mode)
    if chord is None:
        raise UnreadableChords(f"bar {bar}: {name[:20]} is no chord; {_KNOWN}")
    if chord not in NUMBERS:
        others = ", ".join(other.symbol(tonic, mode) for other in CHORDS if other.quality == chord.quality)
        raise UnreadableChords(f"bar {bar}: {name[:20]} is not among the {len(CHORDS)} chords of this key; known are {others}")
    return NUMBERS[chord]


def chord_of(name: str, tonic: int, mode: str) -> Chord | None:
    """The chord of a symbol such as F#m7, or of a degree such as V7; None for anything else."""
    if (symbol := _SYMBOL.fullmatch(name)) is not None:
        root = pitch_class_of(symbol[1]) + _SIGNS[symbol[2]] - tonic
        return Chord(root % 12, _ENDINGS[symbol[3]])
    if (degree := _DEGREE.fullmatch(name)) is None:
        return None
    is_small = degree[2].islower()
    quality = _SMALL.get(degree[3], _ENDINGS[degree[3]]) if is_small else _ENDINGS[degree[3]]
    step = _NUMERALS.index(degree[2].upper())
    # Without a sign a degree is the mode's own, but vii° always leads to the tonic; signs count from major.
    is_leading = step == 6 and is_minor(mode) and quality in ("diminished", "diminished seventh", "half diminished")
    scale = SCALE_STEPS["major" if degree[1] or is_leading else mode]
    return Chord((scale[step] + _SIGNS[degree[1]]) % 12, quality)


def key_of(text: str, tonic: int | None, mode: str | None) -> tuple[int | None, str]:
    """The key in which these chords are most at home: it knows them, the first holds its tonic, most of their notes are its
    own, the first or the last is its triad. What is named stays; without symbols no tonic can be told."""
    names = text.replace("|", " ").split()
    tonics: Sequence[int | None] = range(12) if any(map(_SYMBOL.fullmatch, names)) else (None,)
    keys = product(tonics if tonic is None else (tonic,), ("major", "minor") if mode is None else (mode,))
    return max(keys, key=lambda key: _at_home(names, *key))


def _at_home(names: Sequence[str], tonic: int | None, mode: str) -> tuple[int, bool, int, bool, bool]:
    chords = [chord for name in names if (chord := chord_of(name, tonic or 0, mode)) is not None]
    scale = {*SCALE_STEPS[mode], *([11] if is_minor(mode) else [])}
    triad = Chord(0, "minor" if is_minor(mode) else "major")
    return (
        sum(chord in NUMBERS for chord in chords),
        0 in chords[0].pitch_classes,
        sum(step in scale for chord in chords for step in chord.pitch_classes),
        chords[0] == triad,
        chords[-1] == triad,
    )


def _halves(metre: tuple[int, int]) -> Iterator[Fraction]:
    """Where a bar's halves begin, in quarter notes: one in a bar of one beat."""
    yield Fraction(0)
    if first_half(metre) < Fraction(4 * metre[0], metre[1]):
        yield first_half(metre)


def places(bars: Bars, metre: tuple[int, int], count: int) -> Iterator[tuple[int, Fraction, int]]:
    """(bar from 1, quarter notes from its beginning, chord) of a piece of `count` bars; the chords begin again at their end."""
    for number in range(count if bars else 0):
        for place, chord in zip(_halves(metre), bars[number % len(bars)], strict=False):
            yield number + 1, place, chord


def chart_of(bars: Bars, count: int, tonic: int, mode: str) -> list[list[str]]:
    """The symbols of each of `count` bars, as `accompany.chart` has them."""
    return [_named(bars[number % len(bars)], tonic, mode) for number in range(count if bars else 0)]


def _named(bar: Sequence[int], tonic: int, mode: str) -> list[str]:
    return list(dict.fromkeys(CHORDS[number].symbol(tonic, mode) for number in bar))


def of_half_bars(bars: Bars, cut: Sequence[HalfBar]) -> list[int | None]:
    """The chord of each half bar, T; None in a pickup, which belongs to no bar. Bars with more than two halves alternate."""
    found: list[int | None] = []
    before, place = -1, 0
    for half in cut:
        place = place + 1 if half.bar == before else 0
        before = half.bar
        bar = bars[half.bar % len(bars)] if bars and half.bar >= 0 else ()
        found.append(bar[place % len(bar)] if bar else None)
    return found
