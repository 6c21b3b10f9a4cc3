"""Which way a sung line should go for the tones of Mandarin. Before: syllables.py. After: underlay.py, bench.

Three rules are known: by register (2021, Chaozhou songs), by the way from the end of one tone to the beginning of the next
(by two or more of Chao's five steps), and by intervals that musicians gave for Mandarin (Zhang et al. 2022, ReLyMe,
arXiv 2207.05688). Kept is what two of the three say and none denies: tone 1 is high, 2 and 4 lie between, 3 is low. Between
2 and 4, from a tone to its like, and beside a neutral one nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from composer.prompting.syllables import Syllable

REGISTER = {1: 2, 2: 1, 4: 1, 3: 0}
GLIDE = {2: 1, 4: -1}
"""Which way a syllable goes that is sung on several notes: up in the rising tone, down in the falling one (ReLyMe)."""


@dataclass(frozen=True)
class Followed:
    """Steps of a melody to which the tones give a direction. The rest of them stay on one pitch."""

    asked: int
    followed: int
    opposed: int


def directions(line: Sequence[Syllable]) -> list[int]:
    """Which way to go into each syllable: 1 up, −1 down, 0 any. A line begins anywhere."""
    registers = [REGISTER.get(syllable.tone) for syllable in line]
    into = [0 if left is None or right is None else (right > left) - (right < left) for left, right in pairwise(registers)]
    return [0, *into][: len(line)]


def glides(line: Sequence[Syllable]) -> list[int]:
    """Which way to go within each syllable: 1 up, −1 down, 0 any."""
    return [GLIDE.get(syllable.tone, 0) for syllable in line]


def followed(asked: Sequence[int], gone: Sequence[int]) -> Followed:
    """How many of these directions the melody took; `gone` is the step in semitones at each place."""
    agreed = [want * step for want, step in zip(asked, gone, strict=True) if want]
    return Followed(len(agreed), sum(way > 0 for way in agreed), sum(way < 0 for way in agreed))
