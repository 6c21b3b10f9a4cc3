"""The vocabulary of chords, counted from the tonic. Before: labels of chorales, the policy. After: voices, patterns, symbols.

Shapes: A chords of the vocabulary, P twelve pitch classes above the tonic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from music.keys import SCALE_STEPS, fifths, spell

QUALITIES: dict[str, tuple[tuple[int, ...], str]] = {
    "major": ((0, 4, 7), ""),
    "minor": ((0, 3, 7), "m"),
    "diminished": ((0, 3, 6), "dim"),
    "seventh": ((0, 4, 7, 10), "7"),
    "minor seventh": ((0, 3, 7, 10), "m7"),
    "major seventh": ((0, 4, 7, 11), "maj7"),
    "half diminished": ((0, 3, 6, 10), "m7b5"),
    "diminished seventh": ((0, 3, 6, 9), "dim7"),
}
"""Steps above the root, and what lead sheets write behind the root's name."""
_ROOTS: dict[str, tuple[int, ...]] = {
    "major": (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11),
    "minor": (0, 2, 4, 5, 7, 9, 10, 11),
    "diminished": (1, 2, 4, 6, 8, 9, 11),
    "seventh": (0, 2, 4, 5, 7, 9, 10, 11),
    "minor seventh": (0, 2, 4, 5, 7, 9),
    "major seventh": (0, 3, 5, 8),
    "half diminished": (2, 6, 9, 11),
    "diminished seventh": (1, 6, 11),
}
"""Roots, in semitones above the tonic, with which Bach's chorales use each quality; the rest is 0.3 % of their half bars."""
_DEGREES = ("I", "♭II", "II", "♭III", "III", "IV", "♯IV", "V", "♭VI", "VI", "♭VII", "VII")


@dataclass(frozen=True, slots=True)
class Chord:
    """One chord, wherever the tonic is."""

    root: int
    """Semitones above the tonic, 0 … 11."""
    quality: str
    """One of QUALITIES."""

    @property
    def steps(self) -> tuple[int, ...]:
        """Semitones above the root."""
        return QUALITIES[self.quality][0]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Root, third, fifth and seventh as semitones above the tonic."""
        return tuple((self.root + step) % 12 for step in self.steps)

    @property
    def has_seventh(self) -> bool:
        """Whether it has four notes."""
        return len(self.steps) == 4

    @property
    def degree(self) -> str:
        """As analysts write it: `V7`, `ii`, `vii°`."""
        degree = _DEGREES[self.root]
        is_small = self.quality in ("minor", "minor seventh", "diminished", "half diminished", "diminished seventh")
        mark = {"diminished": "°", "half diminished": "ø", "diminished seventh": "°"}.get(self.quality, "")
        major_seventh = "maj" if self.quality == "major seventh" else ""
        return (degree.lower() if is_small else degree) + mark + major_seventh + ("7" if self.has_seventh else "")

    def symbol(self, tonic: int, mode: str) -> str:
        """As lead sheets write it: `F#m7`."""
        letter, alteration = spell((tonic + self.root) % 12, fifths(tonic, mode))
        return letter + ("#" * alteration if alteration > 0 else "b" * -alteration) + QUALITIES[self.quality][1]


CHORDS: tuple[Chord, ...] = tuple(Chord(root, quality) for quality, roots in _ROOTS.items() for root in roots)
"""The actions of the decision process."""
NUMBERS = {chord: number for number, chord in enumerate(CHORDS)}
COUNT = len(CHORDS)
NONE = COUNT
"""Stands for the chord before the first one."""
HOLDS_AP = np.array([[step in chord.pitch_classes for step in range(12)] for chord in CHORDS])
"""Whether a chord holds a pitch class, [A, P]."""
IS_COLOURED_A = np.array([chord.has_seventh or chord.quality == "diminished" for chord in CHORDS])


def tonic_triads(mode: str) -> tuple[int, ...]:
    """The chords a piece in this mode may end with; the major one is allowed in minor too (the Picardy third)."""
    third_is_major = 4 in SCALE_STEPS[mode]
    major, minor = NUMBERS[Chord(0, "major")], NUMBERS[Chord(0, "minor")]
    return (major,) if third_is_major else (minor, major)


def is_minor(mode: str) -> bool:
    """Whether the mode's third is minor."""
    return 4 not in SCALE_STEPS[mode]


def is_diatonic(mode: str) -> np.ndarray:
    """Which chords hold only notes of the mode, A; in minor modes the raised leading note counts as one."""
    scale = set(SCALE_STEPS[mode]) | ({11} if is_minor(mode) else set())
    return np.array([set(chord.pitch_classes) <= scale for chord in CHORDS])
