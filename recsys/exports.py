"""A track as sound, notation and files, kept once made. Before: music/ writes each format. After: views, player, downloads."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from music.notes import Score
from recsys.models import Track

CACHED_BYTES = 2 * 1024**3
"""Beyond this the files that were not asked for longest are removed."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form in which a track leaves."""

    name: str
    """Last part of its address."""
    media_type: str
    suffix: str
    write: Callable[[Score], bytes]
    is_file: bool = False
    """Offered as a download instead of being shown or played."""


def _opus(score: Score) -> bytes:
    from music.audio import render

    return render(score, "opus")


def _mp3(score: Score) -> bytes:
    from music.audio import render

    return render(score, "mp3")


def _midi(score: Score) -> bytes:
    from music.midi import write_midi

    return write_midi(score)


def _musicxml(score: Score) -> bytes:
    from music.musicxml import write_musicxml

    return write_musicxml(score)


def _abc(score: Score) -> bytes:
    from music.abc import write_abc

    return write_abc(score).encode()


def _svg(score: Score) -> bytes:
    from music.notation import svg

    return svg(score)[0].encode()


def _time_map(score: Score) -> bytes:
    from music.notation import svg

    return json.dumps(svg(score)[1]).encode()


def _piano_roll(score: Score) -> bytes:
    from music.piano_roll import piano_roll

    return json.dumps(piano_roll(score)).encode()


FORMATS = {
    each.name: each
    for each in (
        Format(name="audio.opus", media_type="audio/ogg; codecs=opus", suffix=".opus", write=_opus),
        Format(name="audio.mp3", media_type="audio/mpeg", suffix=".mp3", write=_mp3),
        Format(name="midi", media_type="audio/midi", suffix=".mid", write=_midi, is_file=True),
        Format(
            name="musicxml",
            media_type="application/vnd.recordare.musicxml+xml",
            suffix=".musicxml",
            write=_musicxml,
            is_file=True,
        ),
        Format(name="abc", media_type="text/vnd.abc; charset=utf-8", suffix=".abc", write=_abc, is_file=True),
        Format(name="score.svg", media_type="image/svg+xml", suffix=".svg", write=_svg),
        Format(name="score.json", media_type="application/json", suffix=".score.json", write=_time_map),
        Format(name="piano-roll.json", media_type="application/json", suffix=".roll.json", write=_piano_roll),
    )
}


def export_key(track: Track, form: Format, voice: int | None = None) -> str:
    """Names content and program: another score, title or release makes another file and another ETag."""
    whole = [settings.ENCORE_VERSION, form.name, track.score]
    plain = json.dumps(whole if voice is None else [*whole, voice], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:40]


def exported(track: Track, form: Format, voice: int | None = None) -> Path:
    """The file of this track, or of one voice of it alone (numbered from 1), in this form; made at the first call.

    Two calls at once both make it; each writes beside and renames, so that nobody reads half a file.
    """
    path = _place(track, form, voice)
    if path.exists():
        os.utime(path)  # asked for just now: stays longest
        return path
    score = Score.from_json(track.score)
    content = form.write(score if voice is None else replace(score, voices=(score.voices[voice - 1],)))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def remove_exports_of(track: Track) -> None:
    """Removes every file made of this track, because its listener is erased."""
    for form in FORMATS.values():
        for voice in (None, *range(1, len(track.score["voices"]) + 1)):
            _place(track, form, voice).unlink(missing_ok=True)


def _place(track: Track, form: Format, voice: int | None = None) -> Path:
    key = export_key(track, form, voice)
    return Path(settings.ENCORE_VAR) / "audio" / key[:2] / f"{key}{form.suffix}"


def remove_old_exports(most_bytes: int = CACHED_BYTES) -> int:
    """Removes the files that were not asked for longest until the rest fits; gives how many."""
    folder = Path(settings.ENCORE_VAR) / "audio"
    files = sorted(((path.stat(), path) for path in folder.glob("*/*") if path.is_file()), key=lambda pair: -pair[0].st_mtime)
    total, removed = 0, 0
    for facts, path in files:
        total += facts.st_size
        if total > most_bytes:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
