"""The notes as bars over time, for the player's canvas. Before: notes.py. After: the track page and the API."""

from __future__ import annotations

from typing import Any

from music.notes import Score


def piano_roll(score: Score) -> dict[str, Any]:
    """Plain values: notes with start and end in seconds, MIDI pitch and voice number; the range and length; bar lines."""
    notes = []
    for number, voice in enumerate(score.voices):
        second = 60.0 / voice.melody.tempo
        for start, note in voice.melody.onsets():
            if note.pitch is not None:
                end = start + note.quarters
                notes.append(
                    {
                        "start_seconds": round(float(start) * second, 4),
                        "end_seconds": round(float(end) * second, 4),
                        "pitch": note.pitch,
                        "voice": number,
                    }
                )
    notes.sort(key=lambda note: (note["start_seconds"], note["voice"]))
    pitches = [note["pitch"] for note in notes]
    return {
        "seconds": round(score.seconds, 4),
        "lowest": min(pitches, default=60),
        "highest": max(pitches, default=72),
        "voices": [voice.name for voice in score.voices],
        "bar_lines_seconds": _bar_lines(score),
        "notes": notes,
    }


def _bar_lines(score: Score) -> list[float]:
    melody = score.melody
    second = 60.0 / melody.tempo
    return [round(float(start) * second, 4) for start in melody.bar_starts()]
