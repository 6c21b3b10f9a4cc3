"""MusicXML in, `.mxl` included, by music21. Before: files. After: parsing. Its writer is engraving.py."""

from __future__ import annotations

import io
import re
import zipfile
from fractions import Fraction
from typing import Any

from music import keys
from music.notes import Melody, Note, Score, Voice
from music.styles import PROGRAMS, style_of, usual_tempo
from music.voices import line_of

MAX_UNPACKED_BYTES = 20 * 1024 * 1024
MAX_ENTRIES = 200
_READABLE_METRES = (1, 2, 4, 8, 16, 32)


def unpack_mxl(content: bytes) -> str:
    """The MusicXML inside an `.mxl` archive; ValueError where it is a bomb or holds no score."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB or {MAX_ENTRIES} files")
            names = [entry.filename for entry in entries if not entry.filename.startswith("META-INF/")]
            root = _root_name(archive, names)
            with archive.open(root) as file:
                # The sizes in the directory may lie: read no more than allowed.
                unpacked = file.read(MAX_UNPACKED_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"it is no readable .mxl archive ({error})") from None
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB")
    return _decoded(unpacked)


def _root_name(archive: zipfile.ZipFile, names: list[str]) -> str:
    if "META-INF/container.xml" in archive.namelist():
        with archive.open("META-INF/container.xml") as file:
            match = re.search(rb'full-path="([^"]+)"', file.read(65536))
        if match and match[1].decode("utf-8", "replace") in names:
            return match[1].decode("utf-8", "replace")
    scores = [name for name in names if name.endswith((".xml", ".musicxml"))]
    if not scores:
        raise ValueError("the archive holds no MusicXML")
    return scores[0]


def _decoded(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def read_musicxml(content: bytes, name: str = "") -> tuple[Score, str]:
    """The score and style of a MusicXML text; raises ValueError, or whatever music21 raises on a broken one."""
    text = _decoded(content)
    if "<!ENTITY" in text:
        raise ValueError("it defines XML entities, which no score needs")
    if "<score-partwise" not in text and "<score-timewise" not in text:
        raise ValueError("it is XML, but no MusicXML score")
    from music21 import converter

    stream = converter.parseData(text, format="musicxml")
    parts = list(getattr(stream, "parts", [])) or [stream]
    lines = [(part, _line(part)) for part in parts]
    lines = [(part, notes) for part, notes in lines if any(note.pitch is not None for note in notes)]
    if not lines:
        raise ValueError("it holds no notes")
    # The melody comes first: in a chorale with horns above the choir it is the soprano's.
    lines.sort(key=lambda line: not re.search(r"soprano|melody|discant", str(line[0].partName or ""), re.IGNORECASE))
    first = lines[0][0]
    metre, pickup = _metre(first)
    tonic, mode = _key(first, [note for _, notes in lines for note in notes])
    metadata = stream.metadata
    title = str((metadata.movementName or metadata.title or "") if metadata else "")[:200]
    title = "" if title.endswith((".mxl", ".xml", ".musicxml")) else title
    style = style_of(title=title, name=name, metre=metre)
    tempo = _tempo(first) or usual_tempo(style, metre)
    return (
        Score(
            title=title,
            voices=tuple(
                Voice(
                    name=str(part.partName or "")[:60],
                    program=_program(part, style),
                    melody=Melody(notes=notes, metre=metre, tonic=tonic, mode=mode, pickup=pickup, tempo=tempo),
                )
                for part, notes in lines
            ),
        ),
        style,
    )


def _line(part: Any) -> tuple[Note, ...]:
    """The top line of a part; chord symbols and grace notes are left out, ties are joined."""
    events = []
    for element in part.stripTies().flatten().notes:
        if element.duration.isGrace or "Harmony" in element.classes or "ChordSymbol" in element.classes:
            continue
        pitches = [pitch.midi for pitch in getattr(element, "pitches", ())]
        if pitches and 0 <= max(pitches) <= 127:
            events.append((_fraction(element.offset), _fraction(element.quarterLength), max(pitches)))
    return line_of(events)


def _fraction(quarters: Any) -> Fraction:
    return Fraction(quarters).limit_denominator(1024)


def _metre(part: Any) -> tuple[tuple[int, int], Fraction]:
    """The first metre, and the pickup: a first measure that is shorter than its bar."""
    from music21 import meter, stream

    signature = next(iter(part.recurse().getElementsByClass(meter.TimeSignature)), None)
    if signature is None or signature.denominator not in _READABLE_METRES or signature.numerator < 1:
        return (4, 4), Fraction(0)
    metre = (signature.numerator, signature.denominator)
    measure = next(iter(part.getElementsByClass(stream.Measure)), None)
    pickup = _fraction(measure.duration.quarterLength) if measure is not None else Fraction(0)
    has_more = len(part.getElementsByClass(stream.Measure)) > 1
    return metre, pickup if has_more and pickup < Fraction(4 * metre[0], metre[1]) else Fraction(0)


def _key(part: Any, notes: list[Note]) -> tuple[int, str]:
    """The key as the file names it; where it names only a signature, or merely `major` by habit, the notes decide."""
    from music21 import key

    named = next(iter(part.recurse().getElementsByClass(key.KeySignature)), None)
    if named is None:
        return keys.estimate_key(notes)
    signature = named.sharps if named.sharps is not None else 0
    mode = {"ionian": "major", "aeolian": "minor"}.get(str(getattr(named, "mode", "")), str(getattr(named, "mode", "")))
    if mode in keys.SCALE_STEPS:
        return keys.tonic_of_signature(signature, mode), mode
    return keys.estimate_key(notes, signature_fifths=signature)


def _tempo(part: Any) -> float | None:
    from music21 import tempo

    for mark in part.recurse().getElementsByClass(tempo.MetronomeMark):
        quarters = mark.getQuarterBPM()
        if quarters and 20 <= quarters <= 600:
            return float(quarters)
    return None


def _program(part: Any, style: str) -> int:
    """The instrument the file asks for, else the style's."""
    from music21 import instrument

    for found in part.recurse().getElementsByClass(instrument.Instrument):
        if found.midiProgram is not None and 0 < found.midiProgram < 128:
            return int(found.midiProgram)
    return PROGRAMS.get(style, 0)
