"""Reads one tune: notes, title, style, tempo, features. Before: corpus.py, a person's files. After: catalogue.py stores tracks.

Runs in worker processes and knows no Django, so that a worker starts fast."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from music.notes import Score, Voice
from music.styles import PROGRAMS, style_of
from recsys.corpus import BY_NAME, Tune


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What became of one tune: the fields of a track, or why there is none."""

    source: str
    fields: dict[str, Any] | None = None
    error: str = ""


def measure(score: Score) -> dict[str, Any]:
    """The fields of `recsys.models.Track` that follow from the notes alone."""
    from music.features import features

    melody = score.melody
    return {
        "tonic": melody.tonic,
        "mode": melody.mode,
        "metre": f"{melody.metre[0]}/{melody.metre[1]}",
        "tempo": float(melody.tempo),
        "bars": int(melody.bars),
        "duration_seconds": score.seconds,
        "note_count": sum(note.pitch is not None for note in melody.notes),
        "score": score.to_json(),
        "features": [float(value) for value in features(melody)],
        "content_hash": content_hash(score),
    }


def content_hash(score: Score) -> str:
    """The melody's hash: a tune printed twice in different keys, or once with and once without its bass, is one tune."""
    return score.melody.content_hash()


def read_tunes(tunes: list[Tune]) -> list[Read]:
    """Each tune of a trusted collection, in a process of its own pool; a bad one stops no other."""
    return [read_tune(tune) for tune in tunes]


def read_tune(tune: Tune) -> Read:
    """One tune of a trusted collection."""
    from music.parsing import UnreadableMusic, read_in_process

    try:
        parsed = read_in_process(tune.content, tune.suffix)
        if not parsed:
            return Read(source=tune.source, error="there is no tune in it")
        return Read(source=tune.source, fields=describe(tune, parsed[0].score, parsed[0].style or ""))
    except UnreadableMusic as error:
        return Read(source=tune.source, error=str(error))
    except Exception as error:
        # One tune in thirteen thousand that meets a fault of the reader must not end the import; it is listed with its error.
        return Read(source=tune.source, error=f"{type(error).__name__}: {error}")


def read_file(path: Path, *, folder: Path, collection: str, licence: str, style: str = "") -> list[Read]:
    """Every tune of a person's file, read in a child process with limits: the file may be broken or hostile."""
    from music.parsing import UnreadableMusic
    from music.parsing import read_file as parse_file

    name = str(path.relative_to(folder))
    try:
        content = path.read_bytes()
        parsed = parse_file(content, path.suffix.lower())
    except (UnreadableMusic, OSError) as error:
        return [Read(source=f"{collection}/{name}", error=str(error))]
    reads = []
    for place, each in enumerate(parsed, start=1):
        tune = Tune(
            collection=collection,
            source=f"{collection}/{name}:{each.number or place}",
            suffix=path.suffix.lower(),
            content=b"",
            licence=licence,
            style=style,
        )
        reads.append(Read(source=tune.source, fields=describe(tune, each.score, each.style or "")))
    return reads or [Read(source=f"{collection}/{name}", error="there is no tune in it")]


def describe(tune: Tune, score: Score, style_hint: str) -> dict[str, Any]:
    """The fields of the track: title and style for people, a tempo at which the style sounds natural, an instrument."""
    file_name = PurePosixPath(tune.source).name
    title, named_style = clean_title(_title_of(tune, score.title, file_name))
    header = _abc_header(tune)
    rhythm = style_hint or header.get("R", "")
    metre = score.melody.metre
    style = tune.style or track_style(tune.collection, file_name, rhythm, named_style or title, metre)
    tempo = tempo_written(header.get("Q", "")) or natural_tempo(style, metre, _notes_per_quarter(score))
    played = retuned(score, title=title, tempo=tempo, program=PROGRAMS.get(style, tune.program))
    return measure(played) | {
        "title": title[:200],
        "artist": ARTISTS.get(tune.collection, ""),
        "style": style[:40],
        "collection": tune.collection[:60],
        "source": tune.source[:300],
        "licence": tune.licence[:200],
    }


def retuned(score: Score, *, title: str, tempo: float, program: int) -> Score:
    """The same notes under this title, at this tempo, on this instrument (voices that have one of their own keep it)."""
    voices = tuple(
        Voice(name=v.name, melody=dataclasses.replace(v.melody, tempo=tempo), program=v.program or program)
        for v in score.voices
    )
    return Score(title=title, voices=voices)


def _abc_header(tune: Tune) -> dict[str, str]:
    if tune.suffix != ".abc":
        return {}
    head = tune.content.decode("utf-8", errors="replace").split("\nK:")[0]
    fields: dict[str, str] = {}
    for letter, text in re.findall(r"^([A-Z]):[ \t]*(.*)$", head, re.MULTILINE):
        fields.setdefault(letter, text.strip().strip("]").strip())
    return fields


def _title_of(tune: Tune, read_title: str, file_name: str) -> str:
    if tune.collection == "bach":
        return chorale_title(file_name.split(":")[0])
    title = _abc_header(tune).get("T", "") or read_title
    if not title or title.lower().endswith((".abc", ".mid", ".midi", ".xml", ".mxl", ".musicxml")):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", PurePosixPath(file_name.split(":")[0]).stem.replace("_", " "))
    return title


@cache
def _chorale_titles() -> dict[str, str]:
    from music21.corpus.chorales import ChoraleListRKBWV

    table: Any = ChoraleListRKBWV
    chorales = table()
    entries = [*chorales.byKalmus.values(), *chorales.byRiemenschneider.values()]
    return {str(entry["bwv"]): str(entry["title"]) for entry in entries}


def chorale_title(stem: str) -> str:
    """“Wie schön leuchtet der Morgenstern (BWV 1.6)” for `bwv1.6`."""
    number = stem.removeprefix("bwv")
    title = _chorale_titles().get(number) or _chorale_titles().get(number.split("-")[0])
    return f"{title} (BWV {number})" if title else f"Chorale BWV {number}"


_STYLE_AT_END = re.compile(r"\s+--?\s*([A-Za-z' ]+)\.?$")


def clean_title(title: str) -> tuple[str, str]:
    """(“Abitha Muggins' Favorite”, “reel”) of “Abitha Muggins' Favorite -- Reel”; articles come first, capitals are calmed."""
    title = re.sub(r"\s+", " ", title).strip().rstrip(".").strip()
    named = ""
    found = _STYLE_AT_END.search(title)
    if found and style_of(rhythm=found.group(1)) != "song":
        title, named = title[: found.start()], found.group(1)
    article = re.fullmatch(r"(.+), (The|A|An|Der|Die|Das)", title, re.IGNORECASE)
    if article:
        title = f"{article.group(2)} {article.group(1)}"
    if title.isupper() and len(title) > 3:
        title = re.sub(r"[A-ZÀ-Þ][A-ZÀ-Þ'’]*", lambda word: word.group().capitalize(), title)
    return title[:1].upper() + title[1:] or "Untitled", named


ESSEN_STYLES: tuple[tuple[str, str], ...] = (
    ("han", "chinese folk"),
    ("lot", "lorraine folk"),
    ("lux", "luxembourg folk"),
    ("irl", "irish folk"),
    ("kinder", "children's song"),
    ("ballad", "ballad"),
    ("", "german folk"),
)
"""Styles of the Essen folksongs by the beginning of the file's name: its R: field names the subject, not a dance."""


def track_style(collection: str, file_name: str, rhythm: str, title: str, metre: tuple[int, int]) -> str:
    """The style: from the field R:, then the title, then the file's name, then the metre."""
    if collection == "bach":
        return "chorale"
    if collection == "essenFolksong":
        return next(style for start, style in ESSEN_STYLES if file_name.startswith(start))
    if collection not in BY_NAME:
        return style_of(rhythm=rhythm, title=title, name=file_name, metre=metre)
    # Nothing named: a tune of these books in compound time is a jig, another one an air – not every 3/4 is a waltz.
    style = style_of(rhythm=rhythm, title=title, name=file_name)
    return {(9, 8): "slip jig", (6, 8): "jig"}.get(metre, "air") if style == "song" else style


BEATS_PER_MINUTE: dict[str, float] = {
    "reel": 104.0,
    "jig": 112.0,
    "slip jig": 116.0,
    "slide": 126.0,
    "hornpipe": 80.0,
    "strathspey": 66.0,
    "polka": 126.0,
    "march": 92.0,
    "minuet": 120.0,
    "gavotte": 70.0,
    "waltz": 150.0,
    "air": 66.0,
    "chorale": 72.0,
    "chinese folk": 84.0,
}
"""Beats a minute at which a style is danced or sung; a beat is a dotted quarter in 6/8, a half in fast 4/4, else a quarter."""
SUNG_BEATS_PER_MINUTE = 92.0
HALF_NOTE_BEATS = frozenset({"reel", "hornpipe", "strathspey", "march", "gavotte"})
"""Styles whose beat is a half note when written in 4/4 or 2/2."""
SLOWEST, FASTEST = 40.0, 260.0
MOST_NOTES_PER_SECOND = 8.5
FEWEST_NOTES_PER_SECOND = 1.2


def natural_tempo(style: str, metre: tuple[int, int], notes_per_quarter: float) -> float:
    """Quarter notes per minute at which a tune of this style sounds natural, however it was written down."""
    beats, unit = metre
    beat_quarters = 4.0 / unit
    if unit >= 8 and beats % 3 == 0:
        beat_quarters *= 3
    elif unit == 8:
        beat_quarters *= 2
    elif style in HALF_NOTE_BEATS and metre in {(4, 4), (2, 2)}:
        beat_quarters = 2.0
    tempo = BEATS_PER_MINUTE.get(style, SUNG_BEATS_PER_MINUTE) * beat_quarters
    per_second = notes_per_quarter * tempo / 60.0
    if per_second > 0:
        tempo *= min(1.0, MOST_NOTES_PER_SECOND / per_second) * max(1.0, FEWEST_NOTES_PER_SECOND / per_second)
    return round(min(FASTEST, max(SLOWEST, tempo)), 1)


def tempo_written(text: str) -> float | None:
    """Quarter notes per minute of an ABC field `1/2=112` or `112`, None where it names no number."""
    found = re.fullmatch(r'(?:"[^"]*"\s*)?(?:C?(\d+/\d+)\s*=\s*)?(\d+(?:\.\d+)?)\s*(?:"[^"]*")?', text.strip())
    if not found:
        return None
    tempo = float(found.group(2)) * float(Fraction(found.group(1) or "1/4") * 4)
    return tempo if SLOWEST <= tempo <= FASTEST else None


def _notes_per_quarter(score: Score) -> float:
    melody = score.melody
    return len(melody.notes) / max(1.0, float(melody.quarters))


ARTISTS = {"bach": "Johann Sebastian Bach"}
