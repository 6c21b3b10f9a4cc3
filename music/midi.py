"""MIDI files in and out, by pretty_midi. Before: notes.py. After: exports, parsing."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from music import keys
from music.metres import Metre, Metres
from music.notes import MODES, Melody, Note, Score, Voice
from music.voices import chord_at, line_of

TICKS_PER_QUARTER = 10080
"""2⁵·3²·5·7: triplets, quintuplets, septuplets and 128ths are whole numbers of ticks."""
_FINEST_EXACT = 64
"""A tick whose quarter fraction has a larger denominator was played by hand: it is moved to a 24th of a quarter."""
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_END = "end"
_ACCENTS = (96, 84, 72)
"""Velocity on the bar, on a beat, between beats."""


def write_midi(score: Score) -> bytes:
    """A standard MIDI file: one track per voice, with tempo, metre, key, and the exact mode and title as text."""
    import pretty_midi

    melody = score.melody
    midi = pretty_midi.PrettyMIDI(resolution=TICKS_PER_QUARTER, initial_tempo=melody.tempo)
    second = 60.0 / melody.tempo
    beats, unit = melody.metre
    if melody.pickup:
        # The pickup is a first short bar: the metre proper begins with the second time signature.
        short = Fraction(melody.pickup, 4)
        signature = (short.numerator, short.denominator) if math.log2(short.denominator).is_integer() else (1, 4)
        midi.time_signature_changes.append(pretty_midi.TimeSignature(*signature, 0))
    midi.time_signature_changes.append(pretty_midi.TimeSignature(beats, unit, float(melody.pickup) * second))
    midi.key_signature_changes.append(pretty_midi.KeySignature(_key_number(melody), 0))
    midi.text_events.append(pretty_midi.containers.Text(f"key: {_NAMES[melody.tonic]} {melody.mode}", 0))
    midi.text_events.append(pretty_midi.containers.Text(f"title: {_latin(score.title)}", 0))
    if melody.odd_bars:
        odd = " ".join(f"{number}={length}" for number, length in melody.odd_bars)
        midi.text_events.append(pretty_midi.containers.Text(f"odd bars: {odd}", 0))
    for number, voice in enumerate(score.voices):
        instrument = pretty_midi.Instrument(program=voice.program, name=_latin(voice.name) or f"Voice {number + 1}")
        for start, note in voice.melody.onsets():
            if note.pitch is not None:
                end = start + note.quarters
                velocity = max(1, accent(start, voice.melody) - voice.softness)
                instrument.notes.append(pretty_midi.Note(velocity, note.pitch, float(start) * second, float(end) * second))
        midi.instruments.append(instrument)
    # MIDI ends with the last note: a rest after it is kept by an event where the music ends.
    midi.text_events.append(pretty_midi.containers.Text(_END, score.seconds))
    written = io.BytesIO()
    midi.write(written)
    return written.getvalue()


def read_midi(content: bytes, given_metre: Metre | None = None) -> Score:
    """The score of a MIDI file: one voice per instrument that is no drum, each reduced to one line.

    The given metre is for music that leaves its own open. Raises whatever pretty_midi raises on a broken file;
    `music.parsing` turns that into its own error."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(io.BytesIO(content))
    resolution = midi.resolution
    end = next(
        (_quarters(midi.time_to_tick(text.time), resolution) for text in midi.text_events if text.text == _END), Fraction(0)
    )
    voices = []
    for instrument in midi.instruments:
        if instrument.is_drum or not instrument.notes:
            continue
        events = [
            (
                _quarters(midi.time_to_tick(note.start), resolution),
                _quarters(midi.time_to_tick(note.end), resolution),
                note.pitch,
            )
            for note in instrument.notes
        ]
        lengths = [(start, max(end - start, Fraction(1, 24)), pitch) for start, end, pitch in events]
        voices.append((instrument.name, int(instrument.program), _legato(line_of(lengths, end)), chord_at(lengths)))
    if not voices:
        raise ValueError("it holds no notes")
    quarters = max(sum((note.quarters for note in notes), Fraction(0)) for _, _, notes, _ in voices)
    signs, pickup = _metre_signs(midi, resolution, quarters)
    metres = Metres.of(signs, given_metre)
    pickup = pickup if pickup < metres.longest_pickup else Fraction(0)
    tonic, mode = _key(midi, [note for _, _, notes, _ in voices for note in notes])
    _, tempi = midi.get_tempo_changes()
    tempo = _tempo(float(tempi[0])) if len(tempi) else 120.0
    title = next((text.text[7:] for text in midi.text_events if text.text.startswith("title: ")), "")
    frame = Melody(notes=(), metre=metres.metre, tonic=tonic, mode=mode, pickup=pickup, tempo=tempo, odd_bars=_odd_bars(midi))
    sung = tuple(
        Voice(name=name, program=program, chord_at=chord, melody=replace(frame, notes=notes))
        for name, program, notes, chord in voices
    )
    return Score(title=title, metre_doubt=metres.doubt(sung[0].melody), voices=sung)


def _quarters(tick: int, resolution: int) -> Fraction:
    exact = Fraction(int(tick), int(resolution))
    return exact if exact.denominator <= _FINEST_EXACT else Fraction(round(exact * 24), 24)


def _tempo(told: float) -> float:
    """The roundest tempo that is meant: MIDI keeps whole microseconds per quarter note, so that 241 comes as 241.0006."""
    rounder = (round(told, digits) for digits in range(3))
    return next((tempo for tempo in rounder if tempo and abs(6e7 / tempo - 6e7 / told) <= 1), round(told, 3))


def _legato(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Hand-played gaps of at most an eighth of a quarter note belong to the note before them."""
    joined: list[Note] = []
    for note in notes:
        is_gap = note.pitch is None and note.quarters <= Fraction(1, 12) and joined
        if is_gap and joined[-1].quarters.denominator > 16:
            joined[-1] = Note(joined[-1].pitch, joined[-1].quarters + note.quarters)
        else:
            joined.append(note)
    return tuple(joined)


def _metre_signs(midi: Any, resolution: int, end: Fraction) -> tuple[list[tuple[Fraction, str]], Fraction]:
    """The time signatures before the end, and the pickup: a first one that lasts less than a bar of the second one."""
    changes = sorted(midi.time_signature_changes, key=lambda change: change.time)
    signs = [(_quarters(midi.time_to_tick(sign.time), resolution), f"{sign.numerator}/{sign.denominator}") for sign in changes]
    if len(signs) > 1:
        start, second = signs[1][0], changes[1]
        if 0 < start < Fraction(4 * int(second.numerator), int(second.denominator)):
            return [sign for sign in signs[1:] if sign[0] < end], start
    return [sign for sign in signs if sign[0] < end], Fraction(0)


def _odd_bars(midi: Any) -> tuple[tuple[int, Fraction], ...]:
    """Bars of other lengths as our own files spell them out: MIDI knows signatures, no bar lines."""
    told = next((text.text[10:] for text in midi.text_events if text.text.startswith("odd bars: ")), "")
    found = re.findall(r"(\d{1,5})=(\d{1,5}(?:/[1-9]\d{0,4})?)(?= |$)", told)
    odd = tuple((int(number), Fraction(length)) for number, length in found)
    is_in_order = all(one < other for (one, _), (other, _) in pairwise(odd))
    return odd if is_in_order and all(length > 0 for _, length in odd) else ()


def _key(midi: Any, notes: list[Note]) -> tuple[int, str]:
    """The key as our own files spell it out, else from the signature and the notes."""
    for text in midi.text_events:
        words = text.text.removeprefix("key: ").split(" ")
        if text.text.startswith("key: ") and len(words) == 2 and words[0] in _NAMES and words[1] in MODES:
            return _NAMES.index(words[0]), words[1]
    if midi.key_signature_changes:
        number = int(midi.key_signature_changes[0].key_number)
        signature = keys.fifths(number % 12, "major" if number < 12 else "minor")
        return keys.estimate_key(notes, declared_tonic=number % 12, signature_fifths=signature)
    return keys.estimate_key(notes)


def _key_number(melody: Melody) -> int:
    """pretty_midi's number of the nearest major (0 … 11) or minor (12 … 23) key with the same signature."""
    signature = keys.fifths(melody.tonic, melody.mode)
    is_minor = melody.mode in ("minor", "dorian", "phrygian", "locrian")
    return keys.tonic_of_signature(signature, "minor") + 12 if is_minor else keys.tonic_of_signature(signature, "major")


def accent(start: Fraction, melody: Melody) -> int:
    """How hard a note is struck, by its place in the bar."""
    in_bar = melody.place_in_bar(start)
    beats, unit = melody.metre
    beat = Fraction(12 if beats > 3 and beats % 3 == 0 and unit >= 8 else 4, unit)
    return _ACCENTS[0] if in_bar == 0 else _ACCENTS[1] if in_bar % beat == 0 else _ACCENTS[2]


def _latin(text: str) -> str:
    """Text that MIDI's Latin-1 events can carry."""
    return text.encode("latin-1", "replace").decode("latin-1")
