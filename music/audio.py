"""Sound: a score rendered by a synthesiser, levelled, and packed as Opus, MP3 or WAV. Before: notes.py. After: exports."""

from __future__ import annotations

import io
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from music.midi import accent
from music.notes import Melody, Score
from music.ogg import with_fixed_serial

SAMPLE_RATE = 48_000
"""Hertz; what Opus works in."""
FORMATS = {"opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"), "wav": ("WAV", "PCM_16")}
"""The names soundfile gives to container and coding."""
MAX_SECONDS = 1200
"""Longer scores are cut here: a quarter of an hour of one line is no tune."""

_CEILING = 10 ** (-1 / 20)
"""−1 dBFS: no sample of a decoded file is higher."""
_PEAK = 10 ** (-3 / 20)
"""−3 dBFS before coding, because lossy coders overshoot."""
_LOUDNESS = 10 ** (-17 / 20)
"""Mean power of the sounding parts, about −15 LUFS for single lines in the middle of the range."""
_ARTICULATION = 0.94
"""Share of a note's length that sounds, so that repeated notes are heard as two."""
_TAIL_SECONDS = 1.0
_COMPRESSION = 0.9
"""Of 0 … 1: about 32 kbit/s Opus and 45 kbit/s MP3, variable. One channel at this rate is what fits into a second a minute."""
_BLOCK = SAMPLE_RATE
_one_at_a_time = threading.Lock()
"""The synthesiser is shared by the threads of a worker and keeps state while it renders."""


class UnplayableScore(ValueError):  # noqa: N818 – beside UnreadableMusic
    """A score without a note that could sound."""


def render(score: Score, format: str) -> bytes:
    """The score as audio bytes, `opus`, `mp3` or `wav`, one channel, 48 kHz. Takes under 1 s of CPU for a minute of music.

    Peaks stay below −1 dBFS. Raises UnplayableScore where nothing sounds, KeyError for an unknown format."""
    if format not in FORMATS:
        raise KeyError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    samples_T = levelled(synthesise(score))
    packed = _pack(samples_T, format)
    while (peak := _decoded_peak(packed)) > _CEILING:
        # Lossy coders overshoot: how much is known only after coding, and rarely too much.
        samples_T *= np.float32(0.97 * _CEILING / peak)
        packed = _pack(samples_T, format)
    return packed


def _pack(samples_T: NDArray[np.float32], format: str) -> bytes:
    import soundfile

    container, coding = FORMATS[format]
    compression = None if format == "wav" else _COMPRESSION
    packed = io.BytesIO()
    with soundfile.SoundFile(
        packed, "w", SAMPLE_RATE, 1, format=container, subtype=coding, compression_level=compression
    ) as file:
        # In blocks: libsndfile's Opus and Vorbis coders overflow their stack on minutes in one call.
        for start in range(0, len(samples_T), _BLOCK):
            file.write(samples_T[start : start + _BLOCK])
    return with_fixed_serial(packed.getvalue()) if format == "opus" else packed.getvalue()


def _decoded_peak(packed: bytes) -> float:
    """The highest sample that a player will get."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(packed)) as file:
        return max((float(np.abs(block).max()) for block in file.blocks(_BLOCK, dtype="float32")), default=0.0)


def synthesise(score: Score) -> NDArray[np.float32]:
    """The sound as float32 [time], one channel, not levelled."""
    import symusic

    # symusic's classes are unions over time units to type checkers; here all times are ticks.
    kinds: Any = symusic
    if not any(note.pitch is not None for voice in score.voices for note in voice.melody.notes):
        raise UnplayableScore("the score has no note that could sound")
    music = kinds.Score(1000, ttype="tick")
    # One tick is a millisecond: 60 quarters per minute at 1000 ticks per quarter.
    music.tempos.append(kinds.Tempo(0, 60.0))
    for voice in score.voices:
        track = kinds.Track(program=voice.program, is_drum=False, name="")
        for start, length, pitch, velocity in _milliseconds(voice.melody):
            track.notes.append(kinds.Note(start, length, pitch, max(1, velocity - voice.softness)))
        music.tracks.append(track)
    with _one_at_a_time:
        sound_CT = np.asarray(_synthesiser().render(music, stereo=False), dtype=np.float32)
    wanted = int((min(score.seconds, MAX_SECONDS) + _TAIL_SECONDS) * SAMPLE_RATE)
    samples_T = np.zeros(wanted, dtype=np.float32)
    sounding = sound_CT[0, :wanted]
    samples_T[: len(sounding)] = sounding
    return samples_T


def levelled(samples_T: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same sound at the house's loudness, never above the peak; a short fade ends it."""
    peak = float(np.abs(samples_T).max(initial=0.0))
    if peak < 1e-6:
        raise UnplayableScore("the notes lie where the instrument makes no sound")
    power = samples_T * samples_T
    loud = power[power > 1e-4 * peak * peak]
    gain = min(_LOUDNESS / float(np.sqrt(loud.mean(dtype=np.float64))), 4 * _PEAK / peak)
    limited = _limited(samples_T * np.float32(gain))
    fade = min(len(limited), SAMPLE_RATE // 4)
    limited[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return limited


def _limited(samples_T: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bends peaks smoothly below the ceiling; what is under half of it stays as it is."""
    ceiling, knee = np.float32(_PEAK), np.float32(_PEAK / 2)
    high = np.flatnonzero(np.abs(samples_T) > knee)
    peaks = samples_T[high]
    bent = knee + (ceiling - knee) * np.tanh((np.abs(peaks) - knee) / (ceiling - knee))
    samples_T[high] = np.sign(peaks) * bent
    return samples_T


def _milliseconds(melody: Melody) -> list[tuple[int, int, int, int]]:
    """Start, length, pitch and velocity of each note that begins in time."""
    millisecond = 60_000 / melody.tempo
    timed = []
    for start, note in melody.onsets():
        if note.pitch is None or float(start) * millisecond > MAX_SECONDS * 1000:
            continue
        length = max(20, round(float(note.quarters) * millisecond * _ARTICULATION))
        timed.append((round(float(start) * millisecond), length, note.pitch, accent(start, melody)))
    return timed


def sound_font() -> Path:
    """The General MIDI sound font that pretty_midi brings along (GPL-2: used where it lies, never copied)."""
    spec = find_spec("pretty_midi")
    if spec is None or not spec.origin:
        raise FileNotFoundError("the package pretty_midi, which brings the sound font, is not installed")
    return Path(spec.origin).parent / "TimGM6mb.sf2"


@cache
def _synthesiser() -> Any:
    import symusic

    return symusic.Synthesizer(sf_path=str(sound_font()), sample_rate=SAMPLE_RATE)
