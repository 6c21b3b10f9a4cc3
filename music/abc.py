"""ABC notation in, by music21's tokens, and out. Before: notes.py, bars.py. After: parsing, exports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from music import bars, keys
from music.keys import join_rests, name_pitch
from music.notes import Melody, Note, Score, Voice
from music.styles import PROGRAMS, style_of, usual_tempo

_MODES = {
    "": "major", "maj": "major", "ion": "major", "m": "minor", "min": "minor", "aeo": "minor", "dor": "dorian",
    "phr": "phrygian", "lyd": "lydian", "mix": "mixolydian", "loc": "locrian",
}  # fmt: skip
_KEY_SUFFIXES = {
    "major": "maj", "minor": "min", "dorian": "dor", "phrygian": "phr", "lydian": "lyd", "mixolydian": "mix", "locrian": "loc",
}  # fmt: skip
_LOCRIAN = re.compile(r"^K:\s*([A-G][#b]?)\s*loc\w*", re.MULTILINE | re.IGNORECASE)
_FIELD = re.compile(r"[A-Za-z]:|%")
_REMARK = re.compile(r"^[mrsu]:.*$", re.MULTILINE)
"""Macros, remarks, and signs below the notes, whose letters music21 takes for notes."""
_INLINE = re.compile(r"\[([KLMQV]:[^\]]*)\]")
_OVERLAY = "N:&"
"""For the sign `&`, which goes back to the bar line and which music21 passes over; it keeps an annotation where it stands."""
_WORDS = re.compile(r'"[^"]*"|![^!|\[\]:]*!')
"""Chord symbols, fingerings, and signs spelled out such as `!trill!`."""
_SIGNS = re.compile(r"[HLMOPRSTuv~.](?=[HLMOPRSTuv~.]*[\^_=]*[A-Ga-g\[])")
_FAR_OVERLAY = "it has an overlay (&) over several bars; only one behind the notes of its own bar is read"
_BARS_PER_LINE = 4
_ABC_SIGNS = re.compile(r"[\s_*~|%\\]+")
"""What would mean something else in a line of words."""
_METRES = {"C": (4, 4), "C|": (2, 2)}


@dataclass(frozen=True, kw_only=True)
class AbcTune:
    """One tune of an ABC file."""

    score: Score
    style: str
    number: str


def read_abc(text: str, name: str = "") -> Iterator[AbcTune | ValueError]:
    """The tunes of an ABC file one after another; a tune that can't be read comes as a ValueError in its place.

    Repeats are not expanded and grace notes are left out. Accidentals count to the end of their bar, as players read them."""
    from music21 import abcFormat

    for tune in _split(text):
        try:
            if not re.search(r"^K:", tune, re.MULTILINE):
                raise ValueError("it has no K: line, which ends the head of every tune")
            handler = abcFormat.ABCFile(abcVersion=(2, 1, 0)).readstr("%abc-2.1\n" + _for_music21(tune))
            yield _tune(handler.tokens, _key_text(tune), name)
        except Exception as error:  # music21 raises dozens of classes on bad input
            yield ValueError(f"tune {_number(tune)}: {error or type(error).__name__}")


def _split(text: str) -> list[str]:
    """The text of each tune, from its `X:` to the next one; a text without any `X:` is one tune."""
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    if not starts:
        raise ValueError("no line begins with X:, which opens every tune")
    tunes = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    # Without a unit length and a metre the standard says eighths; music21 would give up.
    return [tune if re.search(r"^[LM]:", tune, re.MULTILINE) else tune.replace("\n", "\nL:1/8\n", 1) for tune in tunes]


def _number(tune: str) -> str:
    match = re.match(r"X:\s*(\S+)", tune)
    return match[1][:20] if match else "1"


def _for_music21(tune: str) -> str:
    """The tune without what music21 stumbles over: signs above notes (it loses the note after `H`), words, locrian keys."""
    head, key, body = _REMARK.sub("%", tune).partition("\nK:")
    plain = [line if _FIELD.match(line) else _SIGNS.sub("", line) for line in _lines(key + body)]
    return _LOCRIAN.sub(_without_locrian, head + "\n" + "\n".join(plain))


def _lines(body: str) -> Iterator[str]:
    """The lines of a tune from its key on. Fields among notes, such as `[K:G]`, get lines of their own: music21 passes over
    them where they stand. An overlay is marked so too."""
    for line in body.removeprefix("\n").split("\n"):
        if _FIELD.match(line) or not line.strip():
            yield line
        else:
            music, _, _ = _WORDS.sub("", line).partition("%")
            if "(&" in music:
                raise ValueError(_FAR_OVERLAY)
            pieces = _INLINE.sub(r"\n\1\n", music).replace("&", f"\n{_OVERLAY}\n").split("\n")
            yield from (piece for piece in pieces if piece.strip())


def _without_locrian(key: re.Match[str]) -> str:
    """The signature of a locrian key under a name that music21 knows."""
    signature = keys.fifths(keys.pitch_class_of(key[1]), "locrian")
    letter, alteration = keys.spell(keys.tonic_of_signature(signature, "major"), signature)
    return f"K:{letter}{'#' * alteration}{'b' * -alteration}"


def _key_text(tune: str) -> str:
    """What stands in the first `K:` line."""
    match = re.search(r"^K:\s*(.*)$", tune, re.MULTILINE)
    return match[1] if match else ""


def _tune(tokens: list[Any], key_text: str, file: str) -> AbcTune:
    from music21 import abcFormat

    header: dict[str, str] = {}
    names: dict[str, str] = {}
    voices: dict[str, list[Any]] = {}
    voice = "1"
    for token in tokens:
        if isinstance(token, abcFormat.ABCMetadata):
            if token.tag == "V" and token.data:
                voice = token.data.split()[0]
                named = re.search(r'name="([^"]*)"', token.data)
                names[voice] = named[1] if named else names.get(voice, "")
            elif token.src == _OVERLAY:
                voices.setdefault(voice, []).append(token)
            else:
                header.setdefault(token.tag, token.data.strip())
        else:
            voices.setdefault(voice, []).append(token)
    metre = metre_of_field(header.get("M", ""))
    lines = [
        (line, names.get(voice, ""))
        for voice, found in voices.items()
        for line in _lines_of_voice(found, Fraction(4 * metre[0], metre[1]))
        if any(note.pitch is not None for note in line.notes)
    ]
    if not lines:
        raise ValueError("it holds no notes")
    title = header.get("T", "")[:200]
    style = style_of(rhythm=header.get("R", ""), title=title, name=file, origin=header.get("O", ""), metre=metre)
    tonic, mode = key_of_field(key_text, [note for line, _ in lines for note in line.notes])
    tempo = _tempo(header.get("Q", "")) or usual_tempo(style, metre)
    return AbcTune(
        score=Score(
            title=title,
            has_metre=metre_in_field(header.get("M", "")) is not None,
            voices=tuple(_voice(line, name, metre, tonic, mode, tempo, PROGRAMS.get(style, 0)) for line, name in lines),
        ),
        style=style,
        number=header.get("X", "1")[:20],
    )


def _voice(line: _Line, name: str, metre: tuple[int, int], tonic: int, mode: str, tempo: float, program: int) -> Voice:
    melody = Melody(
        notes=line.notes, metre=metre, tonic=tonic, mode=mode, pickup=line.pickup, tempo=tempo, odd_bars=line.odd_bars
    )
    if line.is_overlay:
        begin = next(start for start, note in melody.onsets() if note.pitch is not None)
        name = f"{name} overlay from bar {melody.bar_at(begin)}".strip()
    return Voice(name=name, program=program, chord_at=line.chord_at, melody=melody)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line as it is printed: a voice, or what overlays it."""

    notes: tuple[Note, ...]
    pickup: Fraction
    """What sounds before the first bar line, where that is less than a bar."""
    odd_bars: tuple[tuple[int, Fraction], ...]
    chord_at: Fraction | None
    is_overlay: bool


class _Growing:
    """One line while it is read."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.quarters = Fraction(0)
        self.chord_at: Fraction | None = None
        self._is_tied = False

    def rest_until(self, quarters: Fraction) -> None:
        if quarters < self.quarters:
            raise ValueError("it has an overlay (&) that is longer than its bar")
        if quarters > self.quarters:
            self.notes.append(Note(None, quarters - self.quarters))
            self.quarters, self._is_tied = quarters, False

    def add(self, token: Any) -> None:
        pitch, length = _pitch(token), Fraction(token.quarterLength).limit_denominator(1024)
        if token.activeTuplet is not None:
            length *= Fraction(token.activeTuplet.numberNotesNormal, token.activeTuplet.numberNotesActual)
        if length <= 0:
            return
        if self.chord_at is None and len(getattr(token, "subTokens", ())) > 1:
            self.chord_at = self.quarters
        if self._is_tied and self.notes and pitch is not None and self.notes[-1].pitch == pitch:
            self.notes[-1] = Note(pitch, self.notes[-1].quarters + length)
        else:
            self.notes.append(Note(pitch, length))
        self.quarters += length
        self._is_tied = token.tie in ("start", "continue")


def _lines_of_voice(tokens: list[Any], bar_quarters: Fraction) -> Iterator[_Line]:
    """The notes of one voice with their bar lines; then each overlay as a line of its own, silent in bars without it."""
    from music21 import abcFormat

    lines, at = [_Growing()], 0
    voice = lines[0]
    bar_lines: list[Fraction] = []
    for token in tokens:
        if isinstance(token, abcFormat.ABCBar):
            at = 0
            if voice.notes:
                bar_lines.append(voice.quarters)
        elif isinstance(token, abcFormat.ABCMetadata):
            bar_start = bar_lines[-1] if bar_lines else Fraction(0)
            if voice.quarters == bar_start:
                raise ValueError(_FAR_OVERLAY)
            at += 1
            if at == len(lines):
                lines.append(_Growing())
            lines[at].rest_until(bar_start)
        elif isinstance(token, abcFormat.ABCNote) and not token.inGrace:
            lines[at].add(token)
    is_short = bool(bar_lines) and bar_lines[0] < bar_quarters and bar_lines[0] < voice.quarters
    pickup = bar_lines[0] if is_short else Fraction(0)
    lengths = [end - start for start, end in pairwise([pickup, *(line for line in bar_lines if line > pickup), voice.quarters])]
    odd = bars.odd_bars(lengths, bar_quarters)
    for line in lines:
        line.rest_until(voice.quarters)
        yield _Line(join_rests(line.notes), pickup, odd, line.chord_at, is_overlay=line is not voice)


def _pitch(token: Any) -> int | None:
    """MIDI number of a note token, the highest one of a chord, None of a rest."""
    if hasattr(token, "subTokens"):
        pitches = [_midi_number(part.pitchName) for part in token.subTokens if getattr(part, "pitchName", None)]
        return max(pitches) if pitches else None
    return None if token.isRest else _midi_number(token.pitchName)


def _midi_number(name: str) -> int:
    """MIDI number of music21's name, for example `B-4` or `En5`."""
    match = re.fullmatch(r"([A-G])([#\-n]*)(-?\d+)", name)
    if match is None:
        raise ValueError(f"{name!r} is no pitch")
    number = 12 * (int(match[3]) + 1) + keys.pitch_class_of(match[1]) + match[2].count("#") - match[2].count("-")
    if not 0 <= number <= 127:
        raise ValueError(f"pitch {name} is outside MIDI's {name_pitch(0)} … {name_pitch(127)}")
    return number


def metre_of_field(text: str) -> tuple[int, int]:
    """The metre of an `M:` field; 4/4 where it names none."""
    return metre_in_field(text) or (4, 4)


def metre_in_field(text: str) -> tuple[int, int] | None:
    """The metre that an `M:` field such as `6/8`, `C` or `C|` names, if it does."""
    match = re.search(r"(\d{1,2})\s*/\s*(\d{1,2})", text)
    if match and int(match[1]) and int(match[2]) in (1, 2, 4, 8, 16, 32):
        return int(match[1]), int(match[2])
    return _METRES.get(text.strip())


def key_of_field(text: str, notes: Sequence[Note]) -> tuple[int, str]:
    """Tonic and mode of a `K:` field such as `Em`, `Ador` or `B- major`.

    A bare letter is often a key signature only: then the notes decide about the mode."""
    match = re.match(r"([A-Ga-g])([#b-]?)\s*([A-Za-z]*)", text)
    if match is None:
        return keys.estimate_key(notes)
    tonic = keys.pitch_class_of(match[1].upper() + match[2])
    word = match[3].lower()
    mode = _MODES.get(word if word in ("", "m") else word[:3])
    if word and mode:
        return tonic, mode
    return keys.estimate_key(notes, declared_tonic=tonic, signature_fifths=keys.fifths(tonic, "major"))


def _tempo(text: str) -> float | None:
    """Quarter notes per minute of a `Q:` field such as `3/8=120`; None where it names none."""
    match = re.search(r"(\d{1,2})/(\d{1,2})\s*=\s*(\d{1,4}(?:\.\d{1,4})?)", text)
    if not match or not int(match[2]):
        return None
    tempo = float(match[3]) * 4 * int(match[1]) / int(match[2])
    return tempo if 20 <= tempo <= 600 else None


def write_abc(score: Score) -> str:
    """The score in ABC 2.1. Accidentals are written wherever readers could differ about how far an earlier one reaches."""
    melody = score.melody
    lines = [
        "%abc-2.1",
        "X:1",
        f"T:{_plain(score.title)}",
        f"M:{melody.metre[0]}/{melody.metre[1]}",
        "L:1/8",
        f"Q:1/4={melody.tempo:.10g}",
        f"K:{key_field(melody.tonic, melody.mode)}",
    ]
    for number, voice in enumerate(score.voices, start=1):
        if len(score.voices) > 1:
            lines.append(f'V:{number} name="{_plain(voice.name)}"')
        lines.append(f"%%MIDI program {voice.program}")
        lines += _body(voice)
    return "\n".join(lines) + "\n"


def key_field(tonic: int, mode: str) -> str:
    """What a `K:` field says of this key, such as `F#min`."""
    letter, alteration = keys.spell(tonic, keys.fifths(tonic, mode))
    return letter + "#" * alteration + "b" * -alteration + _KEY_SUFFIXES[mode]


def write_bars(melody: Melody) -> str:
    """The notes alone, in eighths, with a bar line between bars."""
    signature = keys.fifths(melody.tonic, melody.mode)
    return " | ".join(_write_bar(bar, signature) for bar in bars.bars(melody))


def _body(voice: Voice) -> list[str]:
    """The notes, four bars to a line, each with its words below."""
    melody = voice.melody
    printed = bars.bars(melody)
    lyrics = iter(voice.lyrics)
    lines = []
    for start in range(0, len(printed), _BARS_PER_LINE):
        row = printed[start : start + _BARS_PER_LINE]
        end = "|]" if start + _BARS_PER_LINE >= len(printed) else "|"
        lines.append(" | ".join(_write_bar(bar, keys.fifths(melody.tonic, melody.mode)) for bar in row) + f" {end}")
        if voice.lyrics:
            lines.append(_write_words([symbol for bar in row for symbol in bar if symbol.pitch is not None], lyrics))
    return lines


def _write_words(symbols: list[bars.Printed], lyrics: Iterator[str]) -> str:
    """A `w:` line: one sign for each printed note, `_` where the syllable before it is held, `*` where there is none: before
    the first one, and behind the end of the lyrics."""
    written, is_held = "w:", False
    for symbol in symbols:
        sung = "" if symbol.is_tied_back else next(lyrics, None)
        syllable = _ABC_SIGNS.sub("", sung or "")
        is_held = bool(syllable) or (is_held and sung is not None)
        if syllable:
            written += ("" if written.endswith("-") else " ") + syllable.removesuffix("-").replace("-", "\\-")
            written += "-" * syllable.endswith("-")
        else:
            written += "_" if is_held else " *"
    return written


def _write_bar(bar: list[bars.Printed], signature_fifths: int) -> str:
    in_signature = dict(keys.spell(pitch_class, signature_fifths) for pitch_class in _scale(signature_fifths))
    altered: set[str] = set()
    words: list[str] = []
    for symbol in bar:
        word = f"({symbol.actual}:{symbol.normal}:{symbol.begins_tuplet}" if symbol.begins_tuplet else ""
        if symbol.pitch is None:
            word += "z"
        else:
            letter, alteration = keys.spell(symbol.pitch % 12, signature_fifths)
            if alteration != in_signature[letter] or letter in altered:
                altered.add(letter)
                word += {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}[alteration]
            word += _letter(letter, (symbol.pitch - alteration) // 12 - 1)
        word += _length(symbol.symbol_quarters * 2) + ("-" if symbol.is_tied_on else "")
        words.append(word)
    return " ".join(words)


def _scale(signature_fifths: int) -> list[int]:
    """The seven pitch classes of a key signature."""
    tonic = keys.tonic_of_signature(signature_fifths, "major")
    return [(tonic + step) % 12 for step in keys.SCALE_STEPS["major"]]


def _letter(letter: str, octave: int) -> str:
    """`C` is the C of octave 4, `c` the one above."""
    return letter.lower() + "'" * (octave - 5) if octave >= 5 else letter + "," * (4 - octave)


def _length(eighths: Fraction) -> str:
    if eighths.denominator == 1:
        return "" if eighths == 1 else str(eighths)
    return ("" if eighths.numerator == 1 else str(eighths.numerator)) + f"/{eighths.denominator}"


def _plain(text: str) -> str:
    """Text on one line, without what ABC would read as a comment or the end of a name."""
    return " ".join(text.replace("%", " ").replace('"', "'").replace("\\", " ").split())
