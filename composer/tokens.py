"""Melody ↔ tokens, exactly. Before: catalogue melodies, primers, locks. After: learning/features, rewards, generation.

A note is two tokens: pitch (relative to the tonic near C, or rest), then duration. A rare duration is the escape token followed
by the digits of numerator and denominator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

from music.notes import Melody, Note

LOWEST = -6
HIGHEST = 132
"""Pitches after moving the tonic to C by at most a tritone: MIDI 0 … 127 lies within."""
DURATIONS: tuple[Fraction, ...] = tuple(
    Fraction(text)
    for text in [
        "1/12",
        "1/8",
        "1/6",
        "1/4",
        "1/3",
        "3/8",
        "1/2",
        "2/3",
        "3/4",
        "1",
        "5/4",
        "3/2",
        "7/4",
        "2",
        "5/2",
        "3",
        "7/2",
        "4",
        "5",
        "6",
        "7",
        "8",
        "12",
        "16",
    ]
)
"""Durations with a token of their own, in quarter notes: 99.9 % of the notes people wrote."""

NAMES: tuple[str, ...] = (
    "rest",
    *(f"pitch {pitch}" for pitch in range(LOWEST, HIGHEST + 1)),
    *(f"lasts {quarters}" for quarters in DURATIONS),
    "lasts otherwise:",
    *"0123456789",
    "/",
    "end of length",
)
"""The one vocabulary: token number → name."""
REST = 0
PITCH_COUNT = 2 + HIGHEST - LOWEST
"""Tokens 0 … PITCH_COUNT − 1 are the rest and the pitches."""
ESCAPE = PITCH_COUNT + len(DURATIONS)
DURATION_COUNT = len(DURATIONS) + 1
"""Durations with a token, and the escape."""
_DIGITS = ESCAPE + 1
_SLASH = _DIGITS + 10
_END = _SLASH + 1
_DURATION_TOKENS = {quarters: PITCH_COUNT + number for number, quarters in enumerate(DURATIONS)}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What stands before the notes: everything of a melody that is not a token."""

    metre: tuple[int, int]
    tonic: int
    mode: str
    pickup: Fraction = Fraction(0)
    tempo: float = 120.0
    odd_bars: tuple[tuple[int, Fraction], ...] = ()


def heading_of(melody: Melody) -> Heading:
    """The heading that `decode` needs to give this melody back."""
    return Heading(**{each.name: getattr(melody, each.name) for each in fields(Heading)})


def shift_of(tonic: int) -> int:
    """Semitones −5 … 6 by which a melody with this tonic lies above its tokens."""
    return tonic % 12 if tonic % 12 <= 6 else tonic % 12 - 12


def pitch_token(pitch: int | None, tonic: int) -> int:
    """Token of a MIDI pitch, or of a rest."""
    return REST if pitch is None else 1 + pitch - shift_of(tonic) - LOWEST


def pitch_of(token: int, tonic: int) -> int | None:
    """MIDI pitch of a pitch token; None is a rest."""
    return None if token == REST else token - 1 + shift_of(tonic) + LOWEST


def duration_number(quarters: Fraction) -> int:
    """Place of a duration among DURATIONS; len(DURATIONS) for one that needs the escape."""
    return _DURATION_TOKENS.get(quarters, ESCAPE) - PITCH_COUNT


def encode(melody: Melody) -> list[int]:
    """Tokens of a melody's notes."""
    tokens: list[int] = []
    for note in melody.notes:
        tokens.append(pitch_token(note.pitch, melody.tonic))
        tokens.extend(_encode_duration(note.quarters))
    return tokens


def decode(tokens: Sequence[int], heading: Heading) -> Melody:
    """The melody `encode` was given; ValueError names the first token that has no place."""
    notes: list[Note] = []
    remaining = iter(tokens)
    for token in remaining:
        if not 0 <= token < PITCH_COUNT:
            raise ValueError(f"a note must begin with a pitch or rest, not with {_name(token)}")
        notes.append(Note(pitch_of(token, heading.tonic), _decode_duration(remaining)))
    return Melody(notes=tuple(notes), **{each.name: getattr(heading, each.name) for each in fields(Heading)})


def _encode_duration(quarters: Fraction) -> list[int]:
    if quarters in _DURATION_TOKENS:
        return [_DURATION_TOKENS[quarters]]
    numerator = [_DIGITS + int(digit) for digit in str(quarters.numerator)]
    denominator = [_DIGITS + int(digit) for digit in str(quarters.denominator)]
    return [ESCAPE, *numerator, _SLASH, *denominator, _END]


def _decode_duration(remaining: Iterator[int]) -> Fraction:
    token = next(remaining, -1)
    if PITCH_COUNT <= token < ESCAPE:
        return DURATIONS[token - PITCH_COUNT]
    if token != ESCAPE:
        raise ValueError(f"after a pitch comes a duration, not {_name(token)}")
    numerator, denominator = _decode_number(remaining, _SLASH), _decode_number(remaining, _END)
    if not numerator or not denominator:
        raise ValueError("a written-out duration must be above 0")
    return Fraction(numerator, denominator)


def _decode_number(remaining: Iterator[int], until: int) -> int:
    digits = ""
    for token in remaining:
        if token == until and digits:
            return int(digits)
        if not _DIGITS <= token < _SLASH:
            break
        digits += NAMES[token]
    raise ValueError("a written-out duration must be digits, /, digits, end")


def _name(token: int) -> str:
    return NAMES[token] if 0 <= token < len(NAMES) else f"token {token}" if token >= 0 else "the end"
