"""Scores that several test modules play with."""

from __future__ import annotations

from fractions import Fraction

from music.notes import Melody, Note, Score, Voice


def melody(text: str, *, metre: tuple[int, int] = (4, 4), tonic: int = 0, mode: str = "major", pickup: str = "0") -> Melody:
    """A melody from words such as `60:1 62:1/2 r:3/2`."""
    notes = []
    for word in text.split():
        pitch, length = word.split(":")
        notes.append(Note(None if pitch == "r" else int(pitch), Fraction(length)))
    return Melody(notes=tuple(notes), metre=metre, tonic=tonic, mode=mode, pickup=Fraction(pickup), tempo=120.0)


def score(one: Melody, *others: Melody) -> Score:
    """A score of these voices."""
    voices = (one, *others)
    return Score(title="Test", voices=tuple(Voice(name=f"Voice {n}", melody=m) for n, m in enumerate(voices, start=1)))


SCALE = melody("60:1 62:1 64:1 65:1 67:1 69:1 71:1 72:1")
JIG = melody(
    "69:1/2 74:1/2 76:1/2 78:1/2 78:1/2 76:1/2 78:1/2 81:1 78:1/2 76:1 74:1/2 74:3/2", metre=(6, 8), tonic=2, pickup="1/2"
)
TRIPLETS = melody("60:1/3 62:1/3 64:1/3 65:1 67:2 67:2/3 65:1/3 64:1 60:6")
CHORALE = score(
    melody("67:1 72:1 72:1 74:1 76:2 74:2"),
    melody("64:1 67:1 67:1 67:1 67:2 67:2"),
    melody("60:1 64:1 64:1 62:1 60:2 59:2"),
    melody("48:1 48:1 52:1 55:1 48:2 43:2"),
)
