"""Gamuts of people's tunes: which degrees of the scale they use. Before: the catalogue. After: constraints keep to one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from composer.forms import FEWEST_TUNES, drawn, tally
from music.keys import SCALE_STEPS
from music.notes import Melody

DRAW = 102
"""Beside a piece's seed, as `forms.DRAW`."""
FEWEST_PITCHES = 5
"""A gamut that leaves fewer in the range is left out."""


@dataclass(frozen=True)
class Gamuts:
    """How many tunes of each style and mode use which degrees: semitones above the tonic, with commas between them."""

    of_group: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def measure(cls, tunes: Iterable[tuple[str, Melody]]) -> Gamuts:
        """Of styles and melodies of people."""
        return cls(tally((f"{melody.mode} {style}", ",".join(map(str, sorted(gamut_of(melody))))) for style, melody in tunes))

    def draw(self, style: str, mode: str, seed: int) -> frozenset[int] | None:
        """The degrees of a tune of this style and mode, as often as people's; None where hardly one is in the mode."""
        usual = self.of_group.get(f"{mode} {style}", {})
        if sum(usual.values()) < FEWEST_TUNES:
            usual = self._of_modes.get(mode, {})
        if sum(usual.values()) < FEWEST_TUNES:
            return None
        chosen = list(usual)[drawn(np.array(list(usual.values()), dtype=np.float64), seed, DRAW)]
        return frozenset(map(int, chosen.split(",")))

    @cached_property
    def _of_modes(self) -> Mapping[str, Mapping[str, int]]:
        total: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for group, counted in self.of_group.items():
            total[group.split(" ", 1)[0]].update(counted)
        return total


def gamut_of(melody: Melody) -> frozenset[int]:
    """Degrees of its scale that a melody uses, in semitones above the tonic, which is always one of them."""
    heard = {(note.pitch - melody.tonic) % 12 for note in melody.notes if note.pitch is not None}
    return frozenset((heard & set(SCALE_STEPS[melody.mode])) | {0})
