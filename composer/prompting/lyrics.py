"""Lyrics → a steering: bars and notes for syllables, a metre for stress. Before: syllables.py. After: reading.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Any

from composer.prompting.phrases import bent, bent_level, words_of
from composer.prompting.reading import Reading, check_text, reading_of
from composer.prompting.syllables import Syllable, syllables_of
from composer.prompting.words import paced
from composer.steering import HABITS, ImpossibleSteering

MOST_CHARACTERS = 4000
MOST_BARS = 64
MOST_SYLLABLES_IN_A_LINE = 40
LONG_LINE_SYLLABLES = 14
"""A longer line is cut at its commas."""
SYLLABLES_IN_A_BAR = {"4/4": 5, "3/4": 3, "6/8": 6}
QUARTERS_IN_A_BAR = {"4/4": 4, "3/4": 3, "6/8": 3}
SPARE_NOTES = 1.25
"""Notes per syllable that are asked for: some syllables are sung on two."""
NOTES_PER_QUARTER_AT_FULL_DENSITY = 2.4
LOWEST, HIGHEST = 57, 76
"""A3 … E5: what most people can sing."""
_MARKS = re.compile(r"(?<=[,;:.!?，。；：！？、])\s*")
_HAN = re.compile(r"[\u3400-\u9fff]")
EXAMPLE = "a poem, one line of verse a line"


@dataclass(frozen=True, kw_only=True)
class Verse:
    """Lyrics in lines of syllables."""

    lines: tuple[tuple[Syllable, ...], ...]
    strange: tuple[str, ...]
    """Words in which no syllable could be counted."""

    @property
    def syllables(self) -> int:
        """How many there are in all."""
        return sum(len(line) for line in self.lines)


def verse_of(text: str) -> Verse:
    """The lines of a text that hold syllables. Chinese lines end at their marks, long others too."""
    lines: list[tuple[Syllable, ...]] = []
    strange: list[str] = []
    for line in text.splitlines():
        found, unknown = syllables_of(line)
        strange += unknown
        if _HAN.search(line) or len(found) > LONG_LINE_SYLLABLES:
            parts = [syllables_of(part)[0] for part in _MARKS.split(line)]
            lines += [tuple(part) for part in parts if part]
        elif found:
            lines.append(tuple(found))
    return Verse(lines=tuple(lines), strange=tuple(strange))


def read_lyrics(text: object, styles: Collection[str] = ()) -> Reading:
    """The steering that fits lyrics; ImpossibleSteering where there are none, or too many for one piece."""
    plain = check_text("lyrics", text, MOST_CHARACTERS, EXAMPLE)
    verse = verse_of(plain)
    if not verse.lines:
        kinds = "Latin, Greek, Cyrillic, Chinese, Japanese and Korean letters"
        raise ImpossibleSteering("lyrics", f"must hold syllables that can be counted; that is possible in {kinds}")
    metre, why_metre = _metre(verse.lines)
    bars_a_line = _bars_a_line(verse.lines, metre)
    bars = len(verse.lines) * bars_a_line
    if bars > MOST_BARS:
        raise ImpossibleSteering(
            "lyrics",
            f"must fit {MOST_BARS} bars; {len(verse.lines)} lines of {bars_a_line} bars need {bars}. Leave some lines out",
        )
    needed = SPARE_NOTES * verse.syllables / (bars * QUARTERS_IN_A_BAR[metre])
    syllables = f"{verse.syllables} syllables in {_counted(len(verse.lines), 'line')}"
    read: dict[str, tuple[Any, str]] = {
        "metre": (metre, why_metre),
        "bars": (bars, f"{_counted(len(verse.lines), 'line')} of {_counted(bars_a_line, 'bar')}"),
        "density": (round(min(needed / NOTES_PER_QUARTER_AT_FULL_DENSITY, 1.0), 2), syllables),
        "lowest": (LOWEST, "words are sung"),
        "highest": (HIGHEST, "words are sung"),
    }
    read |= _of_style(plain, styles) | _of_tones(verse.lines) | _of_moods(plain)
    remarks = [*verse.strange]
    if _begins_unstressed(verse.lines[0]):
        remarks.append("the upbeat of the first line: a piece begins on the first beat")
    fields = {name: value for name, (value, _) in read.items()}
    return reading_of(fields, {name: why for name, (_, why) in read.items()}, remarks, styles)


def _metre(lines: Sequence[Sequence[Syllable]]) -> tuple[str, str]:
    """4/4 where every second syllable is stressed, 6/8 or 3/4 where it is every third."""
    gaps = []
    for line in lines:
        stressed = [place for place, syllable in enumerate(line) if syllable.is_stressed]
        gaps += [right - left for left, right in pairwise(stressed)]
    two, three = gaps.count(2), gaps.count(3)
    known = [syllable.is_known for line in lines for syllable in line]
    if any(syllable.height is not None for line in lines for syllable in line):
        return "4/4", "one syllable a character"
    if not gaps or mean(known) < 0.5:
        return "4/4", "the words' stress is not known"
    if three > two:
        is_long = mean(len(line) for line in lines) >= 7
        return ("6/8" if is_long else "3/4"), f"stress falls on every third syllable ({three} of {len(gaps)} times)"
    return "4/4", f"stress falls on every second syllable ({two} of {len(gaps)} times)"


def _bars_a_line(lines: Sequence[Sequence[Syllable]], metre: str) -> int:
    """1, 2, 4 or 8: as many as the longest line needs. A line of one bar has room for its last word to be held."""
    for number, line in enumerate(lines, start=1):
        if len(line) > MOST_SYLLABLES_IN_A_LINE:
            raise ImpossibleSteering(
                "lyrics",
                f"a line may have {MOST_SYLLABLES_IN_A_LINE} syllables; line {number} has {len(line)}. Break it into several",
            )
    longest = max(len(line) for line in lines)
    room = SYLLABLES_IN_A_BAR[metre]
    return next((bars for bars in (1, 2, 4) if longest <= (bars * room if bars > 1 else room - 1)), 8)


def _of_style(text: str, styles: Collection[str]) -> dict[str, tuple[Any, str]]:
    is_chinese = len(_HAN.findall(text)) * 2 > sum(letter.isalpha() for letter in text)
    for style, why in (("chinese folk", "Chinese words"),) * is_chinese + (("song", "words are sung"),):
        if style in styles or not styles:
            return {"style": (style, why)}
    return {}


def _of_tones(lines: Sequence[Sequence[Syllable]]) -> dict[str, tuple[Any, str]]:
    """Register by the mean height of the tones, leaps by how far they lie apart."""
    heights = [[syllable.height for syllable in line if syllable.height is not None] for line in lines]
    steps = [abs(right - left) for line in heights for left, right in pairwise(line)]
    if not steps:
        return {}
    height, step = mean(height for line in heights for height in line), mean(steps)
    return {
        "brightness": (round(min(max(0.5 + 2 * (height - 0.52), 0.1), 0.9), 2), f"tones lie at {height:.2f} of the voice"),
        "leaps": (round(min(0.1 + step, 0.9), 2), f"tones move by {step:.2f} of the voice"),
    }


def _of_moods(text: str) -> dict[str, tuple[Any, str]]:
    """Mode and tempo by the moods that the words name; nothing else of what they say steers."""
    levels: dict[str, list[tuple[float, str]]] = {"valence": [], "energy": []}
    for word in bent(words_of(text)):
        if word.meaning is not None and word.meaning.kind == "graded" and "valence" in word.meaning.values:
            for name, named in levels.items():
                named.append((bent_level(word.meaning.values[name], word), word.said))
    if not levels["valence"]:
        return {}
    valence, energy = (mean(level for level, _ in named) for named in levels.values())
    words = ", ".join(dict.fromkeys(said for _, said in levels["valence"]))
    mode = {"mode": ("major" if valence > 0 else "minor", words)} if abs(valence) > 0.15 else {}
    tempo = {"tempo": (float(5 * round(paced(HABITS["song"][1], energy / 2) / 5)), words)} if abs(energy) > 0.2 else {}
    return mode | tempo


def _begins_unstressed(line: Sequence[Syllable]) -> bool:
    """The first syllable is known to be unstressed."""
    return any(syllable.is_stressed for syllable in line) and not line[0].is_stressed


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
