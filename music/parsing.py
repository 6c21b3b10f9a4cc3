"""Music files into scores, hostile ones included. Before: uploads, the catalogue's folders. After: features, tracks.

`read_file` reads in a child process with limits; `read_in_process` reads here: only for files one trusts, or in a child."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from music.metres import Metre
from music.notes import Melody, Score

SUFFIXES = (".mid", ".midi", ".abc", ".xml", ".musicxml", ".mxl")
MAX_BYTES = 8 * 1024 * 1024
MAX_MEMORY_BYTES = 2 * 1024**3
MAX_CPU_SECONDS = 30
MAX_SECONDS = 90
"""Wall clock: a busy machine gives the child its CPU seconds late."""
MAX_NOTES = 50_000
MAX_VOICES = 64


class UnreadableMusic(ValueError):  # noqa: N818 – the name every part agreed on
    """A file that can't be read as music; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One tune of a file."""

    score: Score
    style: str
    number: str = "1"
    """Its number in a collection: `X:` of ABC."""


def read_file(
    content: bytes, suffix: str, name: str = "", seconds: float | None = None, metre: Metre | None = None
) -> list[Parsed]:
    """The tunes of a file, read in a child process with limits on memory, CPU, time and size.

    ``suffix`` is one of SUFFIXES; ``name`` (folder and file) helps to tell the style; after `seconds` the child is ended;
    ``metre`` is for music that leaves its own open (`Score.metre_doubt`). Raises UnreadableMusic."""
    _check_size(content)
    seconds = MAX_SECONDS if seconds is None else seconds
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "music.parsing", suffix, name, *map(str, metre or ())],
            input=content,
            capture_output=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableMusic(f"reading it took more than {seconds:g} seconds") from None
    if child.returncode == 0:
        return [_from_child(tune) for tune in json.loads(child.stdout)]
    if child.returncode == 3:
        raise UnreadableMusic(child.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    raise UnreadableMusic(
        f"reading it needed more than {MAX_CPU_SECONDS} seconds of CPU or {MAX_MEMORY_BYTES // 2**20} MiB of memory"
    )


def _from_child(tune: dict[str, Any]) -> Parsed:
    score = Score.from_json(tune["score"])
    chords = [None if place is None else Fraction(place) for place in tune["chords"]]
    voices = tuple(replace(voice, chord_at=place) for voice, place in zip(score.voices, chords, strict=True))
    score = replace(score, voices=voices, metre_doubt=tune["metre_doubt"])
    return Parsed(score=score, style=tune["style"], number=tune["number"])


def _for_parent(tune: Parsed) -> dict[str, Any]:
    """What `_from_child` reads; a score as it is stored leaves out what its file had and it has not."""
    chords = [None if voice.chord_at is None else str(voice.chord_at) for voice in tune.score.voices]
    own = {"score": tune.score.to_json(), "style": tune.style, "number": tune.number}
    return own | {"chords": chords, "metre_doubt": tune.score.metre_doubt}


def read_in_process(content: bytes, suffix: str, name: str = "", metre: Metre | None = None) -> list[Parsed]:
    """As `read_file`, without a child. A collection of tunes is read as far as it can be; one bad tune stops nothing."""
    _check_size(content)
    try:
        parsed = _read(content, suffix.lower(), name, metre)
    except UnreadableMusic:
        raise
    except MemoryError:
        raise UnreadableMusic("reading it needs too much memory") from None
    except Exception as error:  # the parsers raise dozens of classes on bad input
        raise UnreadableMusic(f"it can't be read as {suffix}: {_first_line(error)}") from error
    for tune in parsed:
        _check_sound(tune.score)
    return parsed


def _read(content: bytes, suffix: str, name: str, metre: Metre | None) -> list[Parsed]:
    if suffix in (".mid", ".midi"):
        return _read_midi(content, name, metre)
    if suffix == ".abc":
        return _read_abc(content, name, metre)
    if suffix in (".xml", ".musicxml", ".mxl"):
        from music.musicxml import read_musicxml, unpack_mxl

        text = unpack_mxl(content).encode() if suffix == ".mxl" else content
        score, style = read_musicxml(text, name, metre)
        return [Parsed(score=score, style=style)]
    raise UnreadableMusic(f"{suffix!r} is no known kind of music file; there are {', '.join(SUFFIXES)}")


def _read_midi(content: bytes, name: str, metre: Metre | None) -> list[Parsed]:
    from music.midi import read_midi
    from music.styles import style_of

    if content[:4] != b"MThd":
        raise UnreadableMusic("it is no MIDI file: it does not begin with MThd")
    score = read_midi(content, metre)
    return [Parsed(score=score, style=style_of(title=score.title, name=name, metre=score.melody.metre))]


def _read_abc(content: bytes, name: str, metre: Metre | None) -> list[Parsed]:
    from music.abc import read_abc

    if b"\0" in content:
        raise UnreadableMusic("it is no ABC text: it holds zero bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    parsed, failure = [], "it holds no tune"
    for tune in read_abc(text.replace("\r\n", "\n").replace("\r", "\n"), name, metre):
        if isinstance(tune, ValueError):
            failure = str(tune)
        else:
            parsed.append(Parsed(score=tune.score, style=tune.style, number=tune.number))
    if not parsed:
        raise UnreadableMusic(f"it can't be read as .abc: {failure}")
    return parsed


def _check_size(content: bytes) -> None:
    if not content:
        raise UnreadableMusic("it is empty")
    if len(content) > MAX_BYTES:
        raise UnreadableMusic(f"it has {len(content) / 2**20:.1f} MiB; at most {MAX_BYTES // 2**20} MiB are read")


def _check_sound(score: Score) -> None:
    """Refuses what no page could show and no player could play."""
    if len(score.voices) > MAX_VOICES or sum(len(voice.melody.notes) for voice in score.voices) > MAX_NOTES:
        raise UnreadableMusic(f"it has more than {MAX_VOICES} voices or {MAX_NOTES} notes")
    for voice in score.voices:
        _check_melody(voice.melody)


def _check_melody(melody: Melody) -> None:
    if not 10 <= melody.tempo <= 1000:
        raise UnreadableMusic(f"its tempo is {melody.tempo:g} quarter notes per minute; it must be 10 … 1000")
    if melody.seconds > 3 * 3600:
        raise UnreadableMusic(f"it lasts {melody.seconds / 3600:.1f} hours; at most 3 are read")
    if any(note.quarters > Fraction(4096) for note in melody.notes):
        raise UnreadableMusic("one of its notes lasts more than 4096 quarter notes")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def main() -> None:
    """The child: reads standard input under limits, writes JSON; exit 3 with the reason on standard error."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        suffix, name, *metre = sys.argv[1:]
        given = (int(metre[0]), int(metre[1])) if metre else None
        parsed = read_in_process(sys.stdin.buffer.read(), suffix, name, given)
    except ValueError as error:
        sys.stderr.write(f"\n{_first_line(error)}\n")
        raise SystemExit(3) from None
    sys.stdout.write(json.dumps([_for_parent(tune) for tune in parsed]))


if __name__ == "__main__":
    main()
