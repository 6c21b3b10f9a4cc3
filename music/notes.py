"""The values everything else is made of: Note, Melody, Score. Before: parsing. After: features, tokens, notation, audio."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

MODES = ("major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian")
"""Names of the scales; `minor` is the natural minor (aeolian)."""


@dataclass(frozen=True, slots=True)
class Note:
    """One note or rest."""

    pitch: int | None
    """MIDI number 0 … 127; None is a rest."""
    quarters: Fraction
    """Length in quarter notes, above 0. Ties are already joined."""


@dataclass(frozen=True, kw_only=True)
class Melody:
    """One voice."""

    notes: tuple[Note, ...]
    metre: tuple[int, int]
    """As written: (6, 8)."""
    tonic: int
    """Pitch class 0 … 11, C = 0."""
    mode: str
    """One of MODES."""
    pickup: Fraction = Fraction(0)
    """Quarter notes before the first full bar."""
    tempo: float = 120.0
    """Quarter notes per minute."""
    odd_bars: tuple[tuple[int, Fraction], ...] = ()
    """(number after the pickup, from 0; quarter notes) of bars printed longer or shorter than the metre says, in order."""

    @property
    def quarters(self) -> Fraction:
        """Length in quarter notes, rests included."""
        return sum((note.quarters for note in self.notes), Fraction(0))

    @property
    def seconds(self) -> float:
        """Length in seconds at the melody's tempo."""
        return float(self.quarters) * 60.0 / self.tempo

    @property
    def bar_quarters(self) -> Fraction:
        """Length of one full bar in quarter notes."""
        return Fraction(4 * self.metre[0], self.metre[1])

    @property
    def bars(self) -> int:
        """Number of full bars begun after the pickup, at least 1."""
        body = self.quarters - self.pickup
        return max(1, -(-body // self.bar_quarters))

    def bar_starts(self) -> Iterator[Fraction]:
        """Where each bar begins as it is printed, in quarter notes; the pickup's begin is left out."""
        start, number, odd, end = self.pickup, 0, dict(self.odd_bars), self.quarters
        while start < end:
            yield start
            start += odd.get(number, self.bar_quarters)
            number += 1

    def bar_at(self, start: Fraction) -> int:
        """Number, from 1, of the printed bar around ``start``; 0 in a pickup."""
        return sum(begin <= start for begin in self.bar_starts())

    def place_in_bar(self, start: Fraction) -> Fraction:
        """Quarter notes since the bar line before ``start``; in a pickup as if the bar had begun before the melody."""
        shift = self.pickup
        for number, length in self.odd_bars:
            begin = number * self.bar_quarters + shift
            if start < begin + length:
                return start - begin if start >= begin else (start - shift) % self.bar_quarters
            shift += length - self.bar_quarters
        return (start - shift) % self.bar_quarters

    def onsets(self) -> Iterator[tuple[Fraction, Note]]:
        """Each note with its start in quarter notes from the beginning."""
        start = Fraction(0)
        for note in self.notes:
            yield start, note
            start += note.quarters

    def transposed(self, semitones: int) -> Melody:
        """The same melody higher or lower; ValueError when a pitch would leave 0 … 127."""
        notes = tuple(replace(note, pitch=None if note.pitch is None else note.pitch + semitones) for note in self.notes)
        if any(note.pitch is not None and not 0 <= note.pitch <= 127 for note in notes):
            raise ValueError(f"transposing by {semitones} semitones leaves the MIDI range 0 … 127")
        return replace(self, notes=notes, tonic=(self.tonic + semitones) % 12)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the database; `from_json` gives the same melody back."""
        return {
            "notes": [[note.pitch, str(note.quarters)] for note in self.notes],
            "metre": list(self.metre),
            "tonic": self.tonic,
            "mode": self.mode,
            "pickup": str(self.pickup),
            "tempo": self.tempo,
        } | ({"odd_bars": [[number, str(length)] for number, length in self.odd_bars]} if self.odd_bars else {})

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Melody:
        """The melody that `to_json` wrote."""
        return cls(
            notes=tuple(Note(pitch, Fraction(quarters)) for pitch, quarters in values["notes"]),
            metre=(values["metre"][0], values["metre"][1]),
            tonic=values["tonic"],
            mode=values["mode"],
            pickup=Fraction(values["pickup"]),
            tempo=values["tempo"],
            odd_bars=tuple((number, Fraction(length)) for number, length in values.get("odd_bars", ())),
        )

    def content_hash(self) -> str:
        """sha256 of the notes with the tonic moved to C: equal for a tune printed twice in different keys."""
        lowest = -(self.tonic % 12)
        plain = [[None if note.pitch is None else note.pitch + lowest, str(note.quarters)] for note in self.notes]
        return hashlib.sha256(json.dumps([plain, list(self.metre)]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One part of a score."""

    name: str
    melody: Melody
    program: int = 0
    """General MIDI program 0 … 127; 0 is the piano."""
    softness: int = 0
    """MIDI velocity taken from each note, so that an accompaniment stays behind its melody."""
    lyrics: tuple[str, ...] = ()
    """What is sung: one syllable for each note that sounds, with a hyphen at its end where the word goes on; empty where the
    one before is held. Notes beyond the end of the tuple have none."""
    chord_at: Fraction | None = field(default=None, compare=False)
    """Of a voice read from a file: where its notes first sounded together, of which only the highest is here; in quarter
    notes. Not stored."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Several voices that sound together; the first one is the melody. A melody alone is a score of one voice."""

    title: str
    voices: tuple[Voice, ...]
    metre_doubt: str = field(default="", compare=False)
    """Why the metre is a guess, in words: the file it was read from names none, several, or one that can't be read. Not
    stored."""

    @property
    def melody(self) -> Melody:
        """The first voice."""
        return self.voices[0].melody

    @property
    def seconds(self) -> float:
        """Length in seconds of the longest voice."""
        return max(voice.melody.seconds for voice in self.voices)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the database; `from_json` gives the same score back."""
        return {
            "title": self.title,
            "voices": [
                {"name": v.name, "program": v.program, "melody": v.melody.to_json()}
                | ({"softness": v.softness} if v.softness else {})
                | ({"lyrics": list(v.lyrics)} if v.lyrics else {})
                for v in self.voices
            ],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Score:
        """The score that `to_json` wrote."""
        return cls(
            title=values["title"],
            voices=tuple(
                Voice(
                    name=v["name"],
                    program=v["program"],
                    melody=Melody.from_json(v["melody"]),
                    softness=v.get("softness", 0),
                    lyrics=tuple(v.get("lyrics", ())),
                )
                for v in values["voices"]
            ),
        )
