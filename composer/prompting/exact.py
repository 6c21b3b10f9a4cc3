"""What a text says exactly: key, mode, metre, bars, beats a minute, range. Before: a text. After: words.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from composer.accompaniment.symbols import DEGREE, SYMBOL
from music.keys import pitch_class_of

_MODES = {
    "major": "major|maj|dur|ionian|ionisch|大调",
    "minor": "minor|min|moll|aeolian|äolisch|小调",
    "dorian": "dorian|dorisch|多利亚调式|多利亚",
    "phrygian": "phrygian|phrygisch|弗里几亚调式|弗里几亚",
    "lydian": "lydian|lydisch|利底亚调式|利底亚",
    "mixolydian": "mixolydian|mixolydisch|混合利底亚调式|混合利底亚",
    "locrian": "locrian|lokrisch|洛克里亚调式|洛克里亚",
}
_MODE = f"(?:{'|'.join(_MODES.values())})"
_CHINESE_MODE = "|".join(re.findall("[一-龥]+", _MODE))
_GERMAN_TONICS = {"b": "Bb", "h": "B", "fis": "F#", "cis": "C#", "gis": "G#", "dis": "D#", "ais": "A#"} | {
    "es": "Eb", "as": "Ab", "des": "Db", "ges": "Gb", "ces": "Cb", "f": "F", "c": "C", "g": "G", "d": "D", "a": "A", "e": "E",
}  # fmt: skip
_ALTERATIONS = {"sharp": "#", "#": "#", "♯": "#", "flat": "b", "♭": "b", "b": "b", "": ""}
_NUMBERS = {
    "one two three four five six seven eight nine ten eleven twelve": 1,
    "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf": 1,
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty": 13,
    "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig": 13,
}
_WORDS_OF_NUMBERS = {word: first + place for words, first in _NUMBERS.items() for place, word in enumerate(words.split())} | {
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90,
    "dreißig": 30, "vierzig": 40, "fünfzig": 50, "sechzig": 60,
    "twenty-four": 24, "thirty-two": 32, "forty-eight": 48, "sixty-four": 64,
    "vierundzwanzig": 24, "zweiunddreißig": 32, "achtundvierzig": 48, "vierundsechzig": 64,
}  # fmt: skip
_DIGITS = "一二三四五六七八九"
_NUMBER = rf"(?:\d{{1,6}}|(?:{'|'.join(sorted(_WORDS_OF_NUMBERS, key=len, reverse=True))})|[{_DIGITS}两十]{{1,4}})"
_PITCH = r"([a-g])([#♯♭b]?)(-?\d)"
_GERMAN_NUMBERS = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf")
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"
_SHARP = r"(?:[\s-]?(sharp|flat)|([#♯♭b]))?"

_NAMED_METRES = {
    "common time": "4/4", "cut time": "2/2", "alla breve": "2/2", "triple time": "3/4", "triple metre": "3/4",
    "duple time": "2/4", "dreiertakt": "3/4", "zweiertakt": "2/4", "三拍子": "3/4", "二拍子": "2/4", "四拍子": "4/4",
}  # fmt: skip
_GERMAN_UNITS = {"halbe": 2, "viertel": 4, "achtel": 8, "sechzehntel": 16}
_GERMAN_KEY = rf"((?:[cdfga]is|[cdg]es|es|as|[a-h]))[\s-]?({'|'.join(re.findall('[a-zä]*isch|dur|moll', _MODE))})"
_TIME = "seconds?|secs?|minutes?|mins?|sekunden?|minuten?|秒钟?|分钟"
_PER_MINUTE = "bpm|beats per minute|beats a minute|schläge pro minute|schläge in der minute|拍每分钟|拍/分钟"
_CHORD = rf"(?:{SYMBOL}|{DEGREE})(?![\w#♯♭°ø'’])"
_BETWEEN = r"(?:\s*+[|,;、→–—-]++\s*+|\s++(?:and|und|then|dann)\s++|\s++)"
"""Possessive, so that a text of nothing but spaces is not tried in every way there is."""
_CHORDS = r"chord progression|chords?|progression|harmony|harmonies|akkordfolge|akkorden?|akkord|和弦"
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "chords",
        rf"(?:{_BEFORE}({_CHORDS})(?:\s++(?:of|are|is|von|sind)\b)?\s*+(?:[:=是]\s*+)?)?(?-i:(?:\|\s*+)?"
        rf"(?<![\w#♯♭])({_CHORD}(?:{_BETWEEN}{_CHORD})*)(?:\s*+\|)?)(\s++(?:{_CHORDS}){_AFTER})?",
    ),
    ("german key", rf"{_BEFORE}{_GERMAN_KEY}{_AFTER}"),
    ("chinese key", rf"([升降]?)([a-g])(?:自然|和声)?({_CHINESE_MODE})"),
    ("key", rf"{_BEFORE}([a-g]){_SHARP}[\s-]+({_MODE}){_AFTER}"),
    ("tonic", rf"{_BEFORE}(?-i:(?:in|In|key of|Key of|key:|tonic)\s+([A-G]){_SHARP})(?![^\W_]|['’♯♭#\d])"),
    ("short key", rf"{_BEFORE}(?-i:([A-G])([#♯♭b]?)(maj|min|m)){_AFTER}"),
    ("bare tonic", rf"{_BEFORE}(?-i:([A-G])(?:[\s-](sharp|flat)|([#♯♭b])))(?![^\W_]|[♯♭#])"),
    ("mode", rf"{_BEFORE}(?:{_MODE}){_AFTER}|{_CHINESE_MODE}"),
    ("bars", rf"({_NUMBER})[\s-]*(?:full\s+)?(?:bars?|measures?|takte?n?|小节){_AFTER}"),
    ("chinese metre", rf"([{_DIGITS}])([{_DIGITS}])拍"),
    ("german metre", rf"{_BEFORE}({'|'.join(_GERMAN_NUMBERS)})({'|'.join(_GERMAN_UNITS)})(?:-?takte?s?)?{_AFTER}"),
    ("metre", rf"{_BEFORE}(\d{{1,3}})\s?/\s?(\d{{1,3}})(?:[\s-]*(?:time|metre|meter|takt|拍子|拍)(?![a-z]))?(?!\d)"),
    ("named metre", "(三拍子|二拍子|四拍子)"),
    ("named metre", rf"{_BEFORE}({'|'.join(_NAMED_METRES)}){_AFTER}"),
    ("bpm", rf"(?<![\d.])(\d{{1,6}}(?:\.\d{{1,3}})?)[\s-]*(?:{_PER_MINUTE})"),
    ("bpm", rf"每分钟\s*(\d{{1,6}})\s*拍|{_BEFORE}(?:tempo|速度)\s*(?:of|von|=|:|为)?\s*(\d{{1,6}}){_AFTER}"),
    ("quarters", r"(?:♩|quarter(?: note)?s?|viertel|crotchets?)\s*=\s*(\d{1,6}(?:\.\d{1,3})?)"),
    ("quarters", r"(?<![\d.])(\d{1,6})\s*(?:quarter notes|crotchets|viertel) (?:a|per|pro|in der) minute"),
    ("seconds", rf"({_NUMBER}|{_BEFORE}(?:an?|eine|half a))[\s-]*({_TIME}){_AFTER}"),
    ("range", rf"{_BEFORE}{_PITCH}\s*(?:to|and|–|—|-|…|\.\.|bis|und|到|至)\s*{_PITCH}(?!\d)"),
)
_FINDERS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
ARTICLE = re.compile(r"(?:in|key of|of)\s+$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that stands in a text, with its place there."""

    field: str
    """Of a steering; `bpm` where beats are counted, whose length the metre says."""
    value: Any
    start: int
    end: int


def find_exact(text: str) -> Iterator[Said]:
    """What is said exactly, each place of the text at most once."""
    taken: list[tuple[int, int]] = []
    for kind, finder in _FINDERS:
        for match in finder.finditer(text):
            start, end = match.span()
            if start == end or any(start < other_end and end > other_start for other_start, other_end in taken):
                continue
            values = _read(kind, match, text)
            if values:
                taken.append((start, end))
            for field, value in values.items():
                yield Said(field=field, value=value, start=start, end=end)


def _read(kind: str, match: re.Match[str], text: str) -> dict[str, Any]:
    if kind in ("german key", "chinese key", "key", "tonic", "short key", "bare tonic", "mode"):
        return _read_key(kind, match, text)
    if kind == "chords":
        return _read_chords(match)
    if kind == "bars":
        return {"bars": number_of(match[1])}
    if kind == "seconds":
        number = {"a": 1.0, "an": 1.0, "eine": 1.0, "half a": 0.5}.get(match[1].lower()) or float(number_of(match[1]))
        return {"seconds": number * (60 if match[2].lower()[0] in "m分" else 1)}
    if kind == "chinese metre":
        # 四三拍 is read downwards: quarters, three of them.
        return {"metre": f"{number_of(match[2])}/{number_of(match[1])}"}
    if kind == "german metre":
        return {"metre": f"{number_of(match[1])}/{_GERMAN_UNITS[match[2].lower()]}"}
    if kind == "metre":
        return {"metre": f"{int(match[1])}/{int(match[2])}"}
    if kind == "named metre":
        return {"metre": _NAMED_METRES[match[1].lower()]}
    if kind == "range":
        return {"lowest": _midi(match[1], match[2], match[3]), "highest": _midi(match[4], match[5], match[6])}
    return {"bpm" if kind == "bpm" else "tempo": float(next(group for group in match.groups() if group))}


def _read_chords(match: re.Match[str]) -> dict[str, Any]:
    """Chords that are called so, but “chords I like”; of others at least three that are neither all letters nor a count."""
    chords = " ".join(re.sub(r"[^|\w#♯♭°ø]|\b(?:and|und|then|dann)\b", " ", match[2]).split())
    names = chords.replace("|", " ").split()
    if match[1] or match[3]:
        return {} if names == ["I"] else {"chords": chords}
    is_doubtful = len(names) < 3 or all(len(name) == 1 for name in names) or set("".join(names)) == {"I"}
    return {} if is_doubtful else {"chords": chords}


def _read_key(kind: str, match: re.Match[str], text: str) -> dict[str, Any]:
    if kind == "mode":
        return {"mode": _mode_of(match[0])}
    if kind == "short key":
        # “in Am” is a key; “Am Abend” is German for an evening.
        if match[3] == "m" and not match[2] and not ARTICLE.search(text[: match.start()]):
            return {}
        return {"tonic": _tonic(match[1], match[2], ""), "mode": "major" if match[3] == "maj" else "minor"}
    if kind in ("tonic", "bare tonic"):
        return {"tonic": _tonic(match[1], match[2], match[3])}
    if kind == "german key":
        return {"tonic": pitch_class_of(_GERMAN_TONICS[match[1].lower()]), "mode": _mode_of(match[2])}
    if kind == "chinese key":
        return {"tonic": _tonic(match[2], {"升": "#", "降": "b", "": ""}[match[1]], ""), "mode": _mode_of(match[3])}
    mode = {"mode": _mode_of(match[4])}
    # “a minor tune” is no tune in A; “in a minor” and “A minor, 3/4” are.
    is_article = match[1] in "aA" and not match[2] and not match[3] and re.match(r"[\s-]+[^\W\d]", text[match.end() :])
    if is_article and not ARTICLE.search(text[: match.start()]):
        return mode
    return mode | {"tonic": _tonic(match[1], match[2], match[3])}


def _tonic(letter: str, word: str | None, sign: str | None) -> int:
    return pitch_class_of(letter.upper() + _ALTERATIONS[(word or sign or "").lower()])


def _mode_of(word: str) -> str:
    return next(mode for mode, words in _MODES.items() if word.lower() in words.split("|"))


def _midi(letter: str, sign: str, octave: str) -> int:
    return 12 * (int(octave) + 1) + "C D EF G A B".index(letter.upper()) + {"": 0, "#": 1}.get(_ALTERATIONS[sign.lower()], -1)


def number_of(text: str) -> int:
    """A number in digits, in English or German words, or in Chinese up to 99."""
    plain = text.lower()
    if plain.isdecimal():
        return int(plain)
    if plain in _WORDS_OF_NUMBERS:
        return _WORDS_OF_NUMBERS[plain]
    tens, ten, ones = plain.replace("两", "二").rpartition("十")
    worth = (_DIGITS.find(tens[-1:]) + 1 if tens else 1) * 10 if ten else 0
    return worth + (_DIGITS.find(ones[-1:]) + 1 if ones else 0)
