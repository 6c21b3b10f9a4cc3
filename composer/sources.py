"""The melody that a task starts from: a track, notes, ABC or a file. Before: pages, API. After: melody_tasks.py."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from composer.melody_tasks import FEWEST_NOTES, MOST_NOTES
from composer.steering import SHORTEST_NOTE, ImpossibleSteering, check_pitch, read_length
from music.keys import estimate_key
from music.metres import Metre
from music.notes import MODES, Melody, Note, Score, Voice
from music.parsing import SUFFIXES, Parsed, UnreadableMusic, read_file
from music.styles import PROGRAMS, style_of, usual_tempo
from recsys.models import Track

MOST_BYTES = 1024 * 1024
MOST_NOTES_READ = 4000
"""Rests included; more are refused before they are looked at."""
FIELDS = ("notes", "metre", "tonic", "mode", "tempo", "pickup")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A melody with what is known about it."""

    melody: Melody
    program: int = 0
    lyrics: tuple[str, ...] = ()
    """As in `music.notes.Voice`."""
    voices: tuple[Voice, ...] = ()
    """The others of a track."""
    voices_left_out: int = 0
    """The others of a file, where notes at once may be missing."""
    style: str = "song"
    title: str = ""
    track: Track | None = None

    def as_fields(self) -> dict[str, Any]:
        """As `MelodyTask.from_wish` takes it."""
        return {
            "melody": self.melody,
            "program": self.program,
            "lyrics": self.lyrics,
            "voices": self.voices,
            "voices_left_out": self.voices_left_out,
            "source_style": self.style,
            "source_title": self.title,
        }


def source_of_track(track: Track, voice_number: int | None = None) -> Source:
    """The melody of a track: its first voice, or the one of this number, from 1."""
    score = Score.from_json(track.score)
    voice = _voice(score, 1 if voice_number is None else voice_number)
    return Source(
        melody=voice.melody,
        program=voice.program,
        lyrics=voice.lyrics,
        voices=tuple(other for other in score.voices if other is not voice),
        style=track.style,
        title=track.title,
        track=track,
    )


def source_of_score(score: Score, style: str, voice: int | None = None, *, field: str = "file") -> Source:
    """One voice of a score, numbered from 1; it must be named where there are several, and be one line."""
    if voice is None and len(score.voices) > 1:
        names = ", ".join(map(_named, range(1, 9), score.voices))
        raise ImpossibleSteering(
            "voice", f"the music has {len(score.voices)} voices and one is needed: name it by its number ({names})"
        )
    chosen = _voice(score, 1 if voice is None else voice)
    if chosen.chord_at is not None:
        place = f"{float(chosen.chord_at):.4g} quarter notes from its beginning"
        raise ImpossibleSteering(field, f"it has several notes at once, first {place}; the melody must be of one voice")
    program, others = chosen.program or PROGRAMS.get(style, 0), len(score.voices) - 1
    return Source(melody=chosen.melody, program=program, voices_left_out=others, style=style, title=score.title)


def _named(number: int, voice: Voice) -> str:
    return f"{number} {voice.name}".strip() + ("" if voice.chord_at is None else " with chords")


def _voice(score: Score, number: int) -> Voice:
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(score.voices):
        raise ImpossibleSteering("voice", f"must be a whole number 1 … {len(score.voices)}; it is {number!r:.40}")
    return score.voices[number - 1]


LONGEST_READING_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 3.0
"""For one's turn; most files are read in less than one."""
RETRY_AFTER_SECONDS = 5
_reading = threading.BoundedSemaphore(1)
"""A request waits for the child that reads: one at a time, so that slow files can't occupy every thread of the site."""
_coming = threading.BoundedSemaphore(2)
"""Who reads and who is next, for the same reason; of a process with four threads (Procfile) two stay free."""


class ReaderIsBusy(Exception):  # noqa: N818 – an answer, not an accident
    """Other people's melodies are being read; the message says what to do."""

    def __init__(self) -> None:
        super().__init__("Other melodies are being read. Nothing is wrong with yours: send it again in a few seconds.")


def source_of_file(content: bytes, name: str, voice: int | None = None, metre: object = None, *, field: str = "file") -> Source:
    """A melody from an uploaded file. It is read in a child process with limits: it may be broken or hostile.

    `metre` is that of a file which names none, or several."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    if suffix not in SUFFIXES:
        raise ImpossibleSteering("file", f"must end in {', '.join(SUFFIXES)}; it is named {name[-40:]!r}")
    if len(content) > MOST_BYTES:
        raise ImpossibleSteering(field, f"has {len(content) / 2**20:.1f} MiB; at most {MOST_BYTES // 2**20} are taken")
    given = None if metre is None else _metre(metre)
    tunes = read_tunes(content, suffix, field, given)
    if len(tunes) > 1:
        raise ImpossibleSteering(field, f"it holds {len(tunes)} tunes and one is needed: send that one alone")
    _check_metre(tunes[0].score, given)
    source = source_of_score(tunes[0].score, tunes[0].style, voice, field=field)
    return source if source.title else Source(**{**vars(source), "title": name.rpartition(".")[0][:80]})


def _check_metre(score: Score, given: Metre | None) -> None:
    """Refuses a metre beside the one that the music names, and music that leaves its own open without one that was given."""
    if score.metre_doubt and given is None:
        how = "give the one for all of it, such as 6/8; in ABC by a line such as M:4/4"
        raise ImpossibleSteering("metre", f"{score.metre_doubt}: {how}")
    if given is not None and not score.metre_doubt:
        beats, unit = score.melody.metre
        raise ImpossibleSteering("metre", f"the music names its own, {beats}/{unit}; leave it out")


def read_tunes(content: bytes, suffix: str, field: str, metre: Metre | None = None) -> list[Parsed]:
    """The tunes of a file, read in a child process; the field is named where they can't be read. ReaderIsBusy where others
    are being read for longer than one can wait."""
    with _turn():
        try:
            return read_file(content, suffix, seconds=LONGEST_READING_SECONDS, metre=metre)
        except UnreadableMusic as refusal:
            raise ImpossibleSteering(field, str(refusal)) from None


@contextmanager
def _turn() -> Iterator[None]:
    if not _coming.acquire(blocking=False):
        raise ReaderIsBusy
    try:
        if not _reading.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise ReaderIsBusy
        try:
            yield
        finally:
            _reading.release()
    finally:
        _coming.release()


def source_of_abc(text: object, voice: int | None = None, metre: object = None) -> Source:
    """A melody from ABC text."""
    if not isinstance(text, str) or not text.strip():
        raise ImpossibleSteering("abc", "must be a tune in ABC")
    plain = text.strip()
    if not re.search(r"^K:", plain, re.MULTILINE):
        raise ImpossibleSteering("abc", "it has no key: add a line such as K:G before the notes")
    if not plain.startswith("X:"):
        plain = f"X:1\n{plain}"
    return source_of_file((plain + "\n").encode(), "Melody.abc", voice, metre, field="abc")


def source_of_notes(values: object) -> Source:
    """A melody from plain values: notes as [pitch or null, quarter notes], metre, and what else is known of it."""
    if not isinstance(values, Mapping):
        raise ImpossibleSteering("melody", f"must be an object of {', '.join(FIELDS)}")
    for name in values:
        if name not in FIELDS:
            raise ImpossibleSteering("melody", f"has no field {str(name)[:40]!r}; there are {', '.join(FIELDS)}")
    notes = _notes(values.get("notes"))
    metre = _metre(values.get("metre"))
    tonic, mode = _key(values, notes)
    tempo = values.get("tempo", usual_tempo("song", metre))
    if isinstance(tempo, bool) or not isinstance(tempo, int | float) or not 10 <= tempo <= 1000:
        raise ImpossibleSteering("tempo", f"must be a number 10 … 1000; it is {tempo!r:.40}")
    pickup = _length("pickup", values["pickup"], may_be_zero=True) if "pickup" in values else Fraction(0)
    bar = Fraction(4 * metre[0], metre[1])
    if pickup >= min(bar, sum((note.quarters for note in notes), Fraction(0))):
        raise ImpossibleSteering("pickup", f"must be shorter than a bar, which lasts {bar} quarter notes, and than the melody")
    melody = Melody(notes=notes, metre=metre, tonic=tonic, mode=mode, pickup=pickup, tempo=float(tempo))
    return Source(melody=melody, style=style_of(metre=metre), title="Melody")


def _notes(value: object) -> tuple[Note, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not 1 <= len(value) <= MOST_NOTES_READ:
        found = f"; there are {len(value)}" if isinstance(value, Sequence) and not isinstance(value, str) else ""
        raise ImpossibleSteering("notes", f"must be {FEWEST_NOTES} … {MOST_NOTES} notes [pitch or null, quarter notes]{found}")
    notes = []
    for number, pair in enumerate(value, start=1):
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ImpossibleSteering("notes", f"note {number} must be [pitch, quarter notes]")
        pitch = pair[0]
        if isinstance(pitch, Sequence) and not isinstance(pitch, str):
            raise ImpossibleSteering("notes", f"note {number} has several pitches; the melody must be of one voice")
        if pitch is not None:
            check_pitch("notes", pitch, f"note {number} ", " or null, a rest")
        notes.append(Note(pitch, _length("notes", pair[1], number=number)))
    return tuple(notes)


def _length(field: str, value: object, *, number: int = 0, may_be_zero: bool = False) -> Fraction:
    which = f"note {number} " if number else ""
    length = read_length(field, value, which)
    if length is None or not (SHORTEST_NOTE <= length <= 64 or (may_be_zero and length == 0)):
        raise ImpossibleSteering(
            field, f'{which}must last {SHORTEST_NOTE} … 64 quarter notes, such as 0.5 or "3/2"; it is {value!r:.40}'
        )
    return length


def _metre(value: object) -> Metre:
    if value is None:
        raise ImpossibleSteering("metre", 'is missing: name it, such as "4/4" or [6, 8]')
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,2}/[0-9]{1,2}", value):
        value = [int(part) for part in value.split("/")]
    parts = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(parts) != 2 or not all(isinstance(part, int) and not isinstance(part, bool) for part in parts):
        raise ImpossibleSteering("metre", f"must be two numbers such as 6/8; it is {value!r:.40}")
    beats, unit = parts
    if not 1 <= beats <= 16 or unit not in (2, 4, 8, 16) or not 1 <= Fraction(4 * beats, unit) <= 8:
        bounds = "1 … 16 over 2, 4, 8 or 16 and last 1 … 8 quarter notes"
        raise ImpossibleSteering("metre", f"must be {bounds}; it is {beats}/{unit}")
    return beats, unit


def _key(values: Mapping[str, Any], notes: tuple[Note, ...]) -> tuple[int, str]:
    """The key as named; estimated where it is not."""
    tonic, mode = values.get("tonic"), values.get("mode")
    if tonic is not None and (isinstance(tonic, bool) or not isinstance(tonic, int) or not 0 <= tonic <= 11):
        raise ImpossibleSteering("tonic", f"must be a whole number 0 … 11; it is {tonic!r:.40}")
    if mode is not None and mode not in MODES:
        raise ImpossibleSteering("mode", f"must be one of {', '.join(MODES)}; it is {mode!r:.40}")
    guessed_tonic, guessed_mode = estimate_key(notes, declared_tonic=tonic)
    if tonic is None:
        return guessed_tonic, mode or guessed_mode
    return tonic, mode or (guessed_mode if guessed_tonic == tonic else "major")
