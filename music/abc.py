"""ABC notation in, by music21's tokens, and out. Before: notes.py, bars.py. After: parsing, exports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from music import bars, keys
from music.abc_voices import FAR_OVERLAY, METRE, OVERLAY, PrintedVoice, metre_sign
from music.metres import Metre, Metres, metre_in_field
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
_METRE = re.compile(r"^M:([^%\n]*)", re.MULTILINE)
_FIELD = re.compile(r"[A-Za-z]:|%")
_REMARK = re.compile(r"^[mrsu]:.*$", re.MULTILINE)
"""Macros, remarks, and signs below the notes, whose letters music21 takes for notes."""
_INLINE = re.compile(r"\[([KLMQV]:[^\]]*)\]")
_WORDS = re.compile(r'"[^"]*"|![^!|\[\]:]*!')
"""Chord symbols, fingerings, and signs spelled out such as `!trill!`."""
_SIGNS = re.compile(r"[HLMOPRSTuv~.](?=[HLMOPRSTuv~.]*[\^_=]*[A-Ga-g\[])")
_BARS_PER_LINE = 4
_ABC_SIGNS = re.compile(r"[\s_*~|%\\]+")
"""What would mean something else in a line of words."""


@dataclass(frozen=True, kw_only=True)
class AbcTune:
    """One tune of an ABC file."""

    score: Score
    style: str
    number: str


def read_abc(text: str, name: str = "", metre: Metre | None = None) -> Iterator[AbcTune | ValueError]:
    """The tunes of an ABC file one after another; a tune that can't be read comes as a ValueError in its place.

    `metre` is for tunes that leave theirs open. Repeats are not expanded and grace notes are left out. Accidentals count to
    the end of their bar, as players read them."""
    from music21 import abcFormat

    for tune in _split(text, metre):
        try:
            if not re.search(r"^K:", tune, re.MULTILINE):
                raise ValueError("it has no K: line, which ends the head of every tune")
            handler = abcFormat.ABCFile(abcVersion=(2, 1, 0)).readstr("%abc-2.1\n" + _for_music21(tune))
            yield _tune(handler.tokens, _key_text(tune), name, metre)
        except Exception as error:  # music21 raises dozens of classes on bad input
            yield ValueError(f"tune {_number(tune)}: {error or type(error).__name__}")


def _split(text: str, metre: Metre | None) -> list[str]:
    """The text of each tune, from its `X:` to the next one; a text without any `X:` is one tune."""
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    if not starts:
        raise ValueError("no line begins with X:, which opens every tune")
    tunes = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    # Without a unit length the standard says sixteenths in metres below 3/4, else eighths; music21 would give up.
    unit = "1/16" if metre is not None and Fraction(*metre) < Fraction(3, 4) else "1/8"
    return [tune if _has_unit(tune) else tune.replace("\n", f"\nL:{unit}\n", 1) for tune in tunes]


def _has_unit(tune: str) -> bool:
    """Whether the head says how long a note without a number is, be it by a metre that can be read."""
    head, _, _ = tune.partition("\nK:")
    metre = _METRE.search(head)
    return "\nL:" in head or (metre is not None and metre_in_field(metre[1]) is not None)


def _number(tune: str) -> str:
    match = re.match(r"X:\s*(\S+)", tune)
    return match[1][:20] if match else "1"


def _for_music21(tune: str) -> str:
    """The tune without what music21 stumbles over: signs above notes (it loses the note after `H`), words, locrian keys,
    metres that can't be read."""
    head, key, body = _REMARK.sub("%", tune).partition("\nK:")
    plain = [line if _FIELD.match(line) else _SIGNS.sub("", line) for line in _lines(key + body)]
    return _METRE.sub(_readable_metre, _LOCRIAN.sub(_without_locrian, head + "\n" + "\n".join(plain)))


def _lines(body: str) -> Iterator[str]:
    """The lines of a tune from its key on. Fields among notes, such as `[K:G]`, get lines of their own: music21 passes over
    them where they stand. An overlay is marked so too."""
    for line in body.removeprefix("\n").split("\n"):
        if _FIELD.match(line) or not line.strip():
            yield line
        else:
            music, _, _ = _WORDS.sub("", line).partition("%")
            if "(&" in music:
                raise ValueError(FAR_OVERLAY)
            pieces = _INLINE.sub(r"\n\1\n", music).replace("&", f"\n{OVERLAY}\n").split("\n")
            yield from (piece for piece in pieces if piece.strip())


def _readable_metre(field: re.Match[str]) -> str:
    """The field itself, or a mark with what it says."""
    return field[0] if metre_in_field(field[1]) else METRE + field[1]


def _without_locrian(key: re.Match[str]) -> str:
    """The signature of a locrian key under a name that music21 knows."""
    signature = keys.fifths(keys.pitch_class_of(key[1]), "locrian")
    letter, alteration = keys.spell(keys.tonic_of_signature(signature, "major"), signature)
    return f"K:{letter}{'#' * alteration}{'b' * -alteration}"


def _key_text(tune: str) -> str:
    """What stands in the first `K:` line."""
    match = re.search(r"^K:\s*(.*)$", tune, re.MULTILINE)
    return match[1] if match else ""


def _tune(tokens: list[Any], key_text: str, file: str, given: Metre | None) -> AbcTune:
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
                continue
            sign = metre_sign(token)
            header.setdefault(*(token.tag, token.data.strip()) if sign is None else ("M", sign))
            if token.src == OVERLAY or sign is not None:
                voices.setdefault(voice, []).append(token)
        else:
            voices.setdefault(voice, []).append(token)
    printed = {voice: found for voice, tokens in voices.items() if (found := PrintedVoice(tokens)).sounds}
    if not printed:
        raise ValueError("it holds no notes")
    metres = _metres(header, next(iter(printed.values())), given)
    title = header.get("T", "")[:200]
    style = style_of(rhythm=header.get("R", ""), title=title, name=file, origin=header.get("O", ""), metre=metres.metre)
    tonic, mode = key_of_field(key_text, [note for found in printed.values() for line in found.lines for note in line.notes])
    tempo = _tempo(header.get("Q", "")) or usual_tempo(style, metres.metre)
    frame = Melody(notes=(), metre=metres.metre, tonic=tonic, mode=mode, tempo=tempo)
    program = PROGRAMS.get(style, 0)
    sung = tuple(v for name, found in printed.items() for v in found.voices(names.get(name, ""), frame, metres, program))
    return AbcTune(
        score=Score(title=title, metre_doubt=metres.doubt(sung[0].melody), voices=sung),
        style=style,
        number=header.get("X", "1")[:20],
    )


def _metres(header: dict[str, str], printed: PrintedVoice, given: Metre | None) -> Metres:
    signs = [(Fraction(0), header["M"])] if "M" in header else []
    return Metres.of(signs + [sign for sign in printed.metre_signs if sign[0] < printed.quarters], given)


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
