"""Keys: signatures, spelling, and an estimate where a file names none. Before: parsing. After: notation, features."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from music.notes import MODES, Note

SCALE_STEPS: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
}
"""Semitones above the tonic of each mode's notes."""

NAMES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
"""Of the pitch classes 0 … 11, where no key says how to spell them."""

_FIFTHS_OF_MODE = {"lydian": 1, "major": 0, "mixolydian": -1, "dorian": -2, "minor": -3, "phrygian": -4, "locrian": -5}
_LETTERS_BY_FIFTHS = "FCGDAEB"
_PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_RARITY = {"major": 0.0, "minor": 0.01, "dorian": 0.03, "mixolydian": 0.03, "lydian": 0.08, "phrygian": 0.08, "locrian": 0.15}
"""What a mode must win by before it is believed: most tunes are major or minor."""


def fifths(tonic: int, mode: str) -> int:
    """Sharps (positive) or flats (negative) of the key signature, −5 … 6."""
    return (tonic * 7 + _FIFTHS_OF_MODE[mode] + 5) % 12 - 5


def spell(pitch_class: int, signature_fifths: int) -> tuple[str, int]:
    """Letter and alteration (−2 … 2) of a pitch class in a key: twelve neighbours on the line of fifths around it."""
    lowest = signature_fifths - 3
    position = lowest + (pitch_class * 7 - lowest) % 12
    return _LETTERS_BY_FIFTHS[(position + 1) % 7], (position + 1) // 7


def pitch_name(pitch: int) -> str:
    """A MIDI pitch as musicians write it: C4 is middle C."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def name_pitch(pitch: int) -> str:
    """A MIDI pitch in a sentence, for people and programs: C3 (48)."""
    return f"{pitch_name(pitch)} ({pitch})"


def pitch_class_of(name: str) -> int:
    """Pitch class of a name such as `F#` or `Bb`; ValueError for anything else."""
    letter, alterations = name[:1].upper(), name[1:]
    if letter not in _PITCH_CLASSES or alterations.strip("#b-"):
        raise ValueError(f"{name!r} is no note name")
    return (_PITCH_CLASSES[letter] + alterations.count("#") - alterations.count("b") - alterations.count("-")) % 12


def tonic_of_signature(signature_fifths: int, mode: str) -> int:
    """Pitch class of the tonic that has this many sharps (or −flats) in this mode."""
    return (signature_fifths - _FIFTHS_OF_MODE[mode]) * 7 % 12


def pitch_class_profile(notes: Iterable[Note]) -> NDArray[np.float64]:
    """Share of the sounding time that each of the 12 pitch classes takes; all zero where nothing sounds."""
    quarters = np.zeros(12)
    for note in notes:
        if note.pitch is not None:
            quarters[note.pitch % 12] += float(note.quarters)
    total = quarters.sum()
    return quarters / total if total else quarters


def estimate_key(
    notes: Iterable[Note], *, declared_tonic: int | None = None, signature_fifths: int | None = None
) -> tuple[int, str]:
    """Tonic and mode that explain the notes best.

    Each key is scored by the share of time on its scale, on its triad and on its tonic, by ending on its tonic, and by what
    the file declared (a bare `K:G` names a tonic and a signature, but not reliably the mode)."""
    sounding = [note for note in notes if note.pitch is not None]
    if not sounding:
        return declared_tonic or 0, "major"
    profile = pitch_class_profile(sounding)
    last = sounding[-1].pitch or 0
    scores = {
        (tonic, mode): _score(profile, tonic, mode, last % 12, declared_tonic, signature_fifths)
        for tonic in range(12)
        for mode in MODES
    }
    return max(scores, key=lambda key: (scores[key], -MODES.index(key[1])))


def _score(
    profile: NDArray[np.float64], tonic: int, mode: str, last: int, declared_tonic: int | None, signature: int | None
) -> float:
    steps = SCALE_STEPS[mode]
    on_scale = profile[[(tonic + step) % 12 for step in steps]].sum()
    on_triad = profile[[(tonic + steps[degree]) % 12 for degree in (0, 2, 4)]].sum()
    score = 2.0 * on_scale + 0.5 * on_triad + 0.2 * profile[tonic] - _RARITY[mode]
    score += 0.25 * (last == tonic)
    score += 0.25 * (declared_tonic == tonic)
    score += 0.1 * (signature is not None and fifths(tonic, mode) == _folded(signature))
    return float(score)


def _folded(signature_fifths: int) -> int:
    """The same key signature within −5 … 6."""
    return (signature_fifths + 5) % 12 - 5


def join_rests(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The same notes with neighbouring rests joined: no notation can tell one long rest from two."""
    joined: list[Note] = []
    for note in notes:
        if note.pitch is None and joined and joined[-1].pitch is None:
            joined[-1] = Note(None, joined[-1].quarters + note.quarters)
        elif note.quarters > Fraction(0):
            joined.append(note)
    return tuple(joined)
