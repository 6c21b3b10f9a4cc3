"""Chords as patterns below a melody: block, arpeggio, Alberti, waltz, boom-chuck, drone. After: accompany.py.

Each pattern is one function from a half bar to events of its voices; all of it follows from chords and metre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from composer.accompaniment.chords import CHORDS, Chord
from composer.accompaniment.half_bars import HalfBar, beat_quarters
from music.notes import Melody, Note, Voice
from music.voices import line_of

Event = tuple[Fraction, Fraction, int]
"""Start and length in quarter notes, MIDI pitch."""
LOWEST_BASS, HIGHEST_BASS = 36, 50
LOWEST_CHORD, HIGHEST_CHORD = 48, 69
ROOM_BELOW_MELODY = 1
"""Semitones that chords stay below the lowest note of the melody in their half bar, where there is room."""
SOFTNESS = 24
"""MIDI velocity by which a pattern stays behind the melody."""
PIANO, ACCORDION, GUITAR, REED_ORGAN = 0, 21, 24, 20


@dataclass(frozen=True, kw_only=True)
class Hand:
    """What the player holds in one half bar."""

    half: HalfBar
    upper: tuple[int, int, int]
    """Three notes in close position, low to high."""
    bass: int
    """The root."""
    fifth: int
    """The chord's fifth, near the bass."""
    beat: Fraction
    is_compound: bool


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """How a texture is played."""

    voices: tuple[str, ...]
    program: int
    play: Callable[[Hand], list[list[Event]]]
    """Events of each voice in one half bar."""


def realise(pattern: Pattern, melody: Melody, cut: Sequence[HalfBar], chords: Sequence[int]) -> tuple[Voice, ...]:
    """The voices of a pattern, each one line. A pickup has no accompaniment."""
    events: list[list[Event]] = [[] for _ in pattern.voices]
    for hand in _hands(melody, cut, [CHORDS[number] for number in chords]):
        for line, played in zip(events, pattern.play(hand), strict=True):
            line += played
    return tuple(
        Voice(name=name, program=pattern.program, melody=_line(melody, line), softness=SOFTNESS)
        for name, line in zip(pattern.voices, events, strict=True)
    )


def _line(melody: Melody, events: list[Event]) -> Melody:
    """One voice as long as the melody. It may rest."""
    notes = line_of(events, melody.quarters) or (Note(None, melody.quarters),)
    return replace(melody, notes=notes)


def _hands(melody: Melody, cut: Sequence[HalfBar], chords: Sequence[Chord]) -> list[Hand]:
    """Each half bar after the pickup; a chord that lasts a whole bar is one hand."""
    beat = beat_quarters(melody.metre)
    hands: list[Hand] = []
    upper, bass = (55, 60, 64), 43
    for half, chord in zip(cut, chords, strict=True):
        if half.bar < 0:
            continue
        upper = _close_position(chord, melody.tonic, upper, _ceiling(melody, half))
        bass = _nearest((melody.tonic + chord.root) % 12, bass, LOWEST_BASS, HIGHEST_BASS)
        fifth = _nearest((melody.tonic + chord.pitch_classes[2]) % 12, bass - 3, LOWEST_BASS - 2, HIGHEST_BASS + 2)
        hands.append(Hand(half=half, upper=upper, bass=bass, fifth=fifth, beat=beat, is_compound=beat.numerator % 3 == 0))
    return hands


def _ceiling(melody: Melody, half: HalfBar) -> int:
    """The highest note a chord may have under this half bar of the melody."""
    pitches = [
        note.pitch
        for start, note in melody.onsets()
        if note.pitch is not None and start < half.end and start + note.quarters > half.start
    ]
    return max(LOWEST_CHORD + 12, min([HIGHEST_CHORD, *(pitch - ROOM_BELOW_MELODY for pitch in pitches)]))


def _close_position(chord: Chord, tonic: int, before: tuple[int, int, int], ceiling: int) -> tuple[int, int, int]:
    """Three notes within a ninth that move least from the ones before. A seventh chord leaves its fifth to the listener."""
    steps = chord.pitch_classes if not chord.has_seventh else (chord.pitch_classes[i] for i in (0, 1, 3))
    wanted = [(tonic + step) % 12 for step in steps]
    rooms = [[pitch for pitch in range(LOWEST_CHORD, ceiling + 1) if pitch % 12 == one] for one in wanted]
    hands = [tuple(sorted(notes)) for notes in product(*rooms)]
    close = [notes for notes in hands if notes[2] - notes[0] <= 14 and min(notes[1] - notes[0], notes[2] - notes[1]) > 1]
    chosen = min(close or hands, key=lambda notes: (sum(abs(a - b) for a, b in zip(notes, before, strict=True)), notes))
    return chosen[0], chosen[1], chosen[2]


def _nearest(pitch_class: int, to: int, lowest: int, highest: int) -> int:
    """The pitch of this class within bounds that is nearest."""
    return min(
        (pitch for pitch in range(lowest, highest + 1) if pitch % 12 == pitch_class), key=lambda pitch: (abs(pitch - to), pitch)
    )


def _block(hand: Hand) -> list[list[Event]]:
    """The chord, held."""
    half = hand.half
    return [[(half.start, half.quarters, pitch)] for pitch in (*reversed(hand.upper), hand.bass)]


def _spread(hand: Hand, order: Sequence[int]) -> list[Event]:
    """These notes one after another in eighths (or what divides the beat), over and over while the half bar lasts."""
    step = hand.beat / (3 if hand.is_compound else 2)
    events, place = [], Fraction(0)
    while place < hand.half.quarters:
        pitch = order[int(place / step) % len(order)]
        events.append((hand.half.start + place, min(step, hand.half.quarters - place), pitch))
        place += step
    return events


def _arpeggio(hand: Hand) -> list[list[Event]]:
    """From the bass up and back."""
    low, middle, high = hand.upper
    if hand.is_compound:
        return [_spread(hand, (hand.bass, low, middle, high, middle, low))]
    return [_spread(hand, (hand.bass, low, middle, high))]


def _alberti(hand: Hand) -> list[list[Event]]:
    """Low, high, middle, high; in compound metres low, middle, high."""
    low, middle, high = hand.upper
    return [_spread(hand, (low, middle, high) if hand.is_compound else (low, high, middle, high))]


def _beats(hand: Hand) -> list[tuple[Fraction, Fraction]]:
    """Start and length of each beat of the half bar."""
    found, place = [], Fraction(0)
    while place < hand.half.quarters:
        found.append((hand.half.start + place, min(hand.beat, hand.half.quarters - place)))
        place += hand.beat
    return found


def _chuck(hand: Hand, places: Sequence[tuple[Fraction, Fraction]]) -> list[list[Event]]:
    """The three upper notes, short, at each of these places, highest voice first."""
    return [[(start, length / 2, pitch) for start, length in places] for pitch in reversed(hand.upper)]


def _waltz(hand: Hand) -> list[list[Event]]:
    """The bass on the bar, the chord on the other beats; in compound metres within each beat."""
    half = hand.half
    if hand.is_compound:
        third = hand.beat / 3
        beats = [(start + third * n, third) for start, length in _beats(hand) for n in range(int(length / third))]
        booms = [place for place in beats if (place[0] - half.start) % hand.beat == 0]
    else:
        beats = _beats(hand)
        booms = beats[:1] if half.is_strong else []
    bass = [(start, length, hand.bass) for start, length in booms]
    return [*_chuck(hand, [place for place in beats if place not in booms]), bass]


def _boom_chuck(hand: Hand) -> list[list[Event]]:
    """Root, chord, fifth, chord."""
    half = hand.half
    beats = _beats(hand)
    if len(beats) == 1:
        start, length = beats[0]
        first = length * Fraction(2, 3) if hand.is_compound else length / 2
        beats = [(start, first), (start + first, length - first)]
    bass = [(beats[0][0], beats[0][1], hand.bass if half.is_strong else hand.fifth)]
    return [*_chuck(hand, beats[1:]), bass]


def _drone(hand: Hand) -> list[list[Event]]:
    """The same two notes whatever the chord."""
    return [[(hand.half.start, hand.half.quarters, hand.fifth)], [(hand.half.start, hand.half.quarters, hand.bass)]]


_UPPER = ("Chord, high", "Chord, middle", "Chord, low")
PATTERNS: dict[str, Pattern] = {
    "block": Pattern(voices=(*_UPPER, "Bass"), program=PIANO, play=_block),
    "arpeggio": Pattern(voices=("Arpeggio",), program=PIANO, play=_arpeggio),
    "alberti": Pattern(voices=("Alberti bass",), program=PIANO, play=_alberti),
    "waltz": Pattern(voices=(*_UPPER, "Bass"), program=ACCORDION, play=_waltz),
    "boom-chuck": Pattern(voices=(*_UPPER, "Bass"), program=GUITAR, play=_boom_chuck),
    "drone": Pattern(voices=("Fifth", "Drone"), program=REED_ORGAN, play=_drone),
}
