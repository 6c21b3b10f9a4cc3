"""MusicXML in, `.mxl` included, by music21, and out. Before: notes.py, bars.py. After: parsing, notation, exports."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any
from xml.sax.saxutils import escape

from music import bars, keys
from music.metres import Metre, Metres
from music.notes import Melody, Note, Score, Voice
from music.styles import PROGRAMS, style_of, usual_tempo
from music.voices import Event, chord_at, line_of

MAX_UNPACKED_BYTES = 20 * 1024 * 1024
MAX_ENTRIES = 200
_SYMBOLS = ("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th", "512th", "1024th")
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}


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


def read_musicxml(content: bytes, name: str = "", given_metre: Metre | None = None) -> tuple[Score, str]:
    """The score and style of a MusicXML text; the given metre is for music that leaves its own open.

    Raises ValueError, or whatever music21 raises on a broken text."""
    text = _decoded(content)
    if "<!ENTITY" in text:
        raise ValueError("it defines XML entities, which no score needs")
    if "<score-partwise" not in text and "<score-timewise" not in text:
        raise ValueError("it is XML, but no MusicXML score")
    from music21 import converter

    stream = converter.parseData(text, format="musicxml")
    parts = list(getattr(stream, "parts", [])) or [stream]
    lines = [(part, *_line(part)) for part in parts]
    lines = [line for line in lines if any(note.pitch is not None for note in line[1])]
    if not lines:
        raise ValueError("it holds no notes")
    # The melody comes first: in a chorale with horns above the choir it is the soprano's.
    lines.sort(key=lambda line: not re.search(r"soprano|melody|discant", str(line[0].partName or ""), re.IGNORECASE))
    first = lines[0][0]
    metres = Metres.of(_metre_signs(first), given_metre)
    metre, pickup = metres.metre, _pickup(first, metres)
    odd_bars = _odd_bars(first, metres, pickup)
    tonic, mode = _key(first, [note for _, notes, _ in lines for note in notes])
    metadata = stream.metadata
    title = str((metadata.movementName or metadata.title or "") if metadata else "")[:200]
    title = "" if title.endswith((".mxl", ".xml", ".musicxml")) else title
    style = style_of(title=title, name=name, metre=metre)
    frame = Melody(
        notes=(),
        metre=metre,
        tonic=tonic,
        mode=mode,
        pickup=pickup,
        tempo=_tempo(first) or usual_tempo(style, metre),
        odd_bars=odd_bars,
    )
    voices = tuple(
        Voice(
            name=str(part.partName or "")[:60],
            program=_program(part, style),
            chord_at=chord,
            melody=replace(frame, notes=notes),
        )
        for part, notes, chord in lines
    )
    return Score(title=title, metre_doubt=metres.doubt(voices[0].melody), voices=voices), style


def _line(part: Any) -> tuple[tuple[Note, ...], Fraction | None]:
    """The top line of a part, and where it first has several notes at once; chord symbols and grace notes are left out, ties
    are joined."""
    events: list[Event] = []
    chords: list[Fraction] = []
    tied: tuple[Fraction, int] | None = None
    """Where the last event ends and its pitch, while it is tied to what follows."""
    for element in part.flatten().notes:
        pitches = [pitch.midi for pitch in getattr(element, "pitches", ())]
        if element.duration.isGrace or "ChordSymbol" in element.classes or not pitches or not 0 <= max(pitches) <= 127:
            continue
        start, length, pitch = _fraction(element.offset), _fraction(element.quarterLength), max(pitches)
        if len(set(pitches)) > 1:
            chords.append(start)
        if tied == (start, pitch):
            begun, so_far, _ = events.pop()
            events.append((begun, so_far + length, pitch))
        else:
            events.append((start, length, pitch))
        tie = element.tie or next((note.tie for note in getattr(element, "notes", ()) if note.tie), None)
        tied = (start + length, pitch) if tie is not None and tie.type in ("start", "continue") else None
    overlap = chord_at(events)
    return line_of(events, _fraction(part.highestTime)), min([*chords, *([] if overlap is None else [overlap])], default=None)


def _fraction(quarters: Any) -> Fraction:
    return Fraction(quarters).limit_denominator(1024)


def _metre_signs(part: Any) -> list[tuple[Fraction, str]]:
    """The time signatures before the end, with their places."""
    from music21 import meter

    end = _fraction(part.highestTime)
    signatures = part.flatten().getElementsByClass(meter.TimeSignature)
    signs = [(_fraction(sign.offset), f"{sign.numerator}/{sign.denominator}") for sign in signatures]
    return [(place, text) for place, text in signs if place < end]


def _pickup(part: Any, metres: Metres) -> Fraction:
    """A first measure that is shorter than its bar."""
    from music21 import stream

    measures = list(part.getElementsByClass(stream.Measure))
    first = _fraction(measures[0].duration.quarterLength) if measures else Fraction(0)
    has_metre = metres.first is not None or metres.given is not None
    return first if has_metre and len(measures) > 1 and first < metres.longest_pickup else Fraction(0)


def _odd_bars(part: Any, metres: Metres, pickup: Fraction) -> tuple[tuple[int, Fraction], ...]:
    """Measures whose length is not the metre's."""
    from music21 import stream

    starts = [_fraction(measure.offset) for measure in part.getElementsByClass(stream.Measure)]
    lines = sorted({pickup, *(start for start in starts if start > pickup), _fraction(part.highestTime)})
    return bars.odd_bars([end - start for start, end in pairwise(lines)], metres.bar_quarters)


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
            return round(float(quarters), 3)
    return None


def _program(part: Any, style: str) -> int:
    """The instrument the file asks for, else the style's."""
    from music21 import instrument

    for found in part.recurse().getElementsByClass(instrument.Instrument):
        if found.midiProgram is not None and 0 < found.midiProgram < 128:
            return int(found.midiProgram)
    return PROGRAMS.get(style, 0)


def write_musicxml(score: Score) -> bytes:
    """The score as MusicXML 4.0 in UTF-8, with ties, dots, tuplets, beams and visible accidentals. Needs no music21."""
    parts = "".join(
        f'<score-part id="P{number}"><part-name>{_text(voice.name)}</part-name>'
        f'<score-instrument id="P{number}-I1"><instrument-name>{_text(voice.name) or "Voice"}</instrument-name>'
        "</score-instrument>"
        f'<midi-instrument id="P{number}-I1"><midi-channel>{_channel(number)}</midi-channel>'
        f"<midi-program>{voice.program + 1}</midi-program></midi-instrument></score-part>"
        for number, voice in enumerate(score.voices, start=1)
    )
    bodies = "".join(
        f'<part id="P{number}">{"".join(_measures(voice, is_first=number == 1))}</part>'
        for number, voice in enumerate(score.voices, start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd">\n'
        f'<score-partwise version="4.0"><work><work-title>{_text(score.title)}</work-title></work>'
        f"<part-list>{parts}</part-list>{bodies}</score-partwise>\n"
    ).encode()


def _channel(part_number: int) -> int:
    """A MIDI channel for each part, leaving out 10, which is for drums."""
    channel = (part_number - 1) % 15 + 1
    return channel + 1 if channel >= 10 else channel


def _measures(voice: Voice, *, is_first: bool) -> list[str]:
    melody = voice.melody
    printed = bars.bars(melody)
    lyrics = iter(_lyrics(voice.lyrics))
    divisions = lcm(*(symbol.quarters.denominator for bar in printed for symbol in bar))
    signature = keys.fifths(melody.tonic, melody.mode)
    measures = []
    for index, bar in enumerate(printed):
        is_pickup = index == 0 and melody.pickup > 0
        number = index if melody.pickup > 0 else index + 1
        head = _attributes(melody, divisions, signature) + (_tempo_mark(melody) if is_first else "") if index == 0 else ""
        implicit = ' implicit="yes"' if is_pickup else ""
        offset = melody.bar_quarters - melody.pickup if is_pickup else Fraction(0)
        notes = "".join(_notes(bar, melody, divisions, signature, offset, lyrics))
        end = '<barline location="right"><bar-style>light-heavy</bar-style></barline>' if index == len(printed) - 1 else ""
        measures.append(f'<measure number="{number}"{implicit}>{head}{notes}{end}</measure>')
    return measures


def _attributes(melody: Melody, divisions: int, signature: int) -> str:
    pitches = [note.pitch for note in melody.notes if note.pitch is not None] or [72]
    sign, line = ("F", 4) if sum(pitches) / len(pitches) < 57 else ("G", 2)
    return (
        f"<attributes><divisions>{divisions}</divisions><key><fifths>{signature}</fifths><mode>{melody.mode}</mode></key>"
        f"<time><beats>{melody.metre[0]}</beats><beat-type>{melody.metre[1]}</beat-type></time>"
        f"<clef><sign>{sign}</sign><line>{line}</line></clef></attributes>"
    )


def _tempo_mark(melody: Melody) -> str:
    return (
        '<direction placement="above"><direction-type><metronome><beat-unit>quarter</beat-unit>'
        f"<per-minute>{melody.tempo:.10g}</per-minute></metronome></direction-type>"
        f'<sound tempo="{melody.tempo:.10g}"/></direction>'
    )


def _lyrics(syllables: Iterable[str]) -> Iterator[str]:
    """The lyric element of each note that sounds."""
    is_within = False
    for syllable in syllables:
        if not syllable:
            yield ""
            continue
        goes_on = syllable.endswith("-")
        syllabic = ("middle" if goes_on else "end") if is_within else ("begin" if goes_on else "single")
        is_within = goes_on
        yield f'<lyric number="1"><syllabic>{syllabic}</syllabic><text>{_text(syllable.removesuffix("-"))}</text></lyric>'


def _notes(
    bar: list[bars.Printed], melody: Melody, divisions: int, signature: int, offset: Fraction, lyrics: Iterator[str]
) -> list[str]:
    """The note elements of one bar. A syllable stands under the first of tied notes."""
    shown: dict[tuple[str, int], int] = {}
    beams = _beams(bar, melody, offset)
    written = []
    for symbol, beam in zip(bar, beams, strict=True):
        parts = []
        accidental = ""
        if symbol.pitch is None:
            parts.append("<rest/>")
        else:
            letter, alteration = keys.spell(symbol.pitch % 12, signature)
            octave = (symbol.pitch - alteration) // 12 - 1
            alter = f"<alter>{alteration}</alter>" if alteration else ""
            parts.append(f"<pitch><step>{letter}</step>{alter}<octave>{octave}</octave></pitch>")
            valid = shown.get((letter, octave), _in_signature(letter, signature))
            if alteration != valid and not symbol.is_tied_back:
                shown[letter, octave] = alteration
                accidental = f"<accidental>{_ACCIDENTALS[alteration]}</accidental>"
        parts.append(f"<duration>{symbol.quarters * divisions}</duration>")
        parts += ['<tie type="stop"/>'] * symbol.is_tied_back + ['<tie type="start"/>'] * symbol.is_tied_on
        parts.append(
            f"<voice>1</voice><type>{_SYMBOLS[3 - _exponent(symbol.plain)]}</type>{'<dot/>' * symbol.dots}{accidental}"
        )
        if symbol.actual > 1:
            parts.append(
                f"<time-modification><actual-notes>{symbol.actual}</actual-notes>"
                f"<normal-notes>{symbol.normal}</normal-notes></time-modification>"
            )
        parts.append(f'<beam number="1">{beam}</beam>' if beam else "")
        parts.append(_notations(symbol))
        if symbol.pitch is not None and not symbol.is_tied_back:
            parts.append(next(lyrics, ""))
        written.append(f"<note>{''.join(parts)}</note>")
    return written


def _notations(symbol: bars.Printed) -> str:
    inner = '<tied type="stop"/>' * symbol.is_tied_back + '<tied type="start"/>' * symbol.is_tied_on
    inner += '<tuplet type="start" bracket="yes"/>' * bool(symbol.begins_tuplet) + '<tuplet type="stop"/>' * symbol.ends_tuplet
    return f"<notations>{inner}</notations>" if inner else ""


def _beams(bar: list[bars.Printed], melody: Melody, offset: Fraction) -> list[str]:
    """`begin`, `continue`, `end` or nothing for each symbol: neighbours shorter than a quarter within one beat are joined."""
    beats, unit = melody.metre
    beat = max(Fraction(12 if beats % 3 == 0 and unit >= 8 else 4, unit), Fraction(1))
    groups = [None if symbol.pitch is None or symbol.plain >= 1 else (symbol.place + offset) // beat for symbol in bar]
    beams = []
    for index, group in enumerate(groups):
        before = index > 0 and group is not None and groups[index - 1] == group
        after = index + 1 < len(groups) and group is not None and groups[index + 1] == group
        beams.append("continue" if before and after else "end" if before else "begin" if after else "")
    return beams


def _in_signature(letter: str, signature: int) -> int:
    """Alteration of a letter by the key signature."""
    position = "FCGDAEB".index(letter)
    return 1 if position < signature else -1 if 6 - position < -signature else 0


def _exponent(plain: Fraction) -> int:
    """The exponent of two of an undotted length in quarter notes."""
    return plain.numerator.bit_length() - plain.denominator.bit_length()


def _text(text: str) -> str:
    """Text that XML can carry: control characters are left out."""
    return escape(
        "".join(
            letter for letter in text if letter >= " " and letter not in "\ufffe\uffff" and not "\ud800" <= letter <= "\udfff"
        )
    )
