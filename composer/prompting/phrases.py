"""A text as words with a meaning, each with what stands before it. Before: lexicon.toml. After: words.py."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from composer.accompaniment.symbols import SYMBOL

LEXICON = Path(__file__).parent / "lexicon.toml"
LANGUAGES = ("en", "de", "zh")
KINDS = (
    *("modifier", "afterthought", "conjunction"),
    *("style", "dance", "tempo", "graded", "scene", "bars", "range", "filler"),
)
"""The tables of the lexicon; of a word in two the first one counts."""
MIDDLE_TEMPO = 110.0
"""Quarter notes per minute that are neither slow nor fast."""
BENDS = {"somewhat": 0.5, "not too": -0.2, "not": -0.45, "no": -1.2, "few": -0.9, "many": 1.0}
"""What the level of a word is multiplied by; `very` goes three fifths of the way to the end."""
_GERMAN_ENDINGS = ("en", "er", "es", "em", "e")


@dataclass(frozen=True)
class Meaning:
    """What one word of the lexicon stands for."""

    kind: str
    """One of KINDS, or `mark` for a comma and its like."""
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Word:
    """One word of the text as it was understood; without a meaning where it was not."""

    text: str
    meaning: Meaning | None
    bend: str = ""
    """The modifier before it."""
    said: str = ""
    """The word with its modifier, as it stands there."""
    is_softened: bool = False
    """`non troppo` follows."""


_MARK = Meaning("mark", {"carries": ()})
_BEGINS = re.compile(r"(?:^|[.!?\n])\s*$")


def words_of(text: str) -> Iterator[Word]:
    """The words of a text and the marks between them, with their meanings."""
    for match in _finder().finditer(text):
        # “Am” begins German sentences; anywhere else it is a chord that nobody could place.
        is_first = match[0] == "Am" and _BEGINS.search(text[: match.start()]) is not None
        is_known = match.lastgroup == "known" or is_first
        yield Word(match[0], meaning_of(match[0]) if is_known else _MARK if match.lastgroup == "mark" else None)


def bent(words: Iterable[Word]) -> Iterator[Word]:
    """The same words without modifiers and fillers, each knowing what stood before and behind it."""
    before: list[str] = []
    bend, last, held = "", "", None
    for word in words:
        kind = word.meaning.kind if word.meaning else ""
        if kind == "modifier":
            assert word.meaning is not None
            bend = word.meaning.values["bend"]
            before.append(word.text)
        elif kind in ("conjunction", "mark"):
            assert word.meaning is not None
            before, bend = [], last if last in word.meaning.values["carries"] else ""
        elif kind == "afterthought" and held is not None:
            held = replace(held, said=f"{held.said} {word.text}", is_softened=True)
        elif kind not in ("afterthought", "filler"):
            if held is not None:
                yield held
            held = replace(word, bend=bend, said=_joined([*before, word.text]))
            # Past a word nobody knows a denial goes on: “without strange leaps” asks for none.
            before, last, bend = [], bend, bend if word.meaning is None and bend in ("no", "not") else ""
    if held is not None:
        yield held


def _joined(parts: list[str]) -> str:
    glue = "" if all(_is_han(part[0]) for part in parts) else " "
    return glue.join(" ".join(part.split()) for part in parts)


def bent_level(level: float, word: Word) -> float:
    """The level of a word after its modifier, still −1 … 1."""
    if word.bend == "very":
        level += 0.6 * ((1.0 if level > 0 else -1.0) - level)
    else:
        level = max(-1.0, min(1.0, level * BENDS.get(word.bend, 1.0)))
    return level / 2 if word.is_softened else level


def bent_tempo(tempo: float, word: Word) -> float:
    """A named tempo after its modifier: further from the middle, or nearer."""
    power = 1.2 if word.bend == "very" else max(BENDS.get(word.bend, 1.0), -0.5)
    return float(MIDDLE_TEMPO * (tempo / MIDDLE_TEMPO) ** (power / 2 if word.is_softened else power))


@lru_cache(maxsize=1)
def _meanings() -> dict[str, Meaning]:
    """Every word of the lexicon in small letters, spaces in place of hyphens; the first row that has a word counts."""
    lexicon = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    found: dict[str, Meaning] = {}
    for kind in KINDS:
        for row in lexicon[kind]:
            meaning = Meaning(kind, {name: value for name, value in row.items() if name not in LANGUAGES})
            for word in ",".join(row.get(language, "") for language in LANGUAGES).split(","):
                found.setdefault(_plain(word), meaning)
    return {word: meaning for word, meaning in found.items() if word}


def meaning_of(word: str) -> Meaning | None:
    """What a word stands for, German endings aside."""
    plain = _plain(word)
    stems = (plain.removesuffix(ending) for ending in ("", *_GERMAN_ENDINGS) if plain.endswith(ending))
    return next((_meanings()[stem] for stem in stems if stem in _meanings()), None)


def _plain(word: str) -> str:
    return " ".join(word.casefold().replace("-", " ").split())


@lru_cache(maxsize=1)
def _finder() -> re.Pattern[str]:
    """Finds the longest known word at each place, then any other word, number or sign."""
    words = sorted(_meanings(), key=len, reverse=True)
    written = [re.escape(word).replace(r"\ ", r"[\s-]+").replace("ss", "(?:ss|ß)") for word in words if not _is_han(word[0])]
    han = "|".join(re.escape(word) for word in words if _is_han(word[0]))
    letters = r"[^\W\d_\u3400-\u9fff]"
    known = rf"(?:(?<!{letters})(?:{'|'.join(written)})(?:e[nrsm]?)?(?!{letters}))|(?:{han})"
    other = rf"[\u3400-\u9fff]|{letters}+(?:['’-]{letters}+)*(?:[\d#♯♭°ø]+{letters}*\d*)?|\d[\d.:/]*"
    chord = rf"(?<!\w)(?-i:(?=[A-G][^\s,.;:!?])(?:{SYMBOL}|[A-G][#♯b♭]?\d\w*))(?![\w#♯♭°ø])"
    marks = "[,.;:!?，。；：！？、\n]"
    return re.compile(rf"(?P<chord>{chord})|(?P<known>{known})|(?P<other>{other})|(?P<mark>{marks})", re.IGNORECASE)


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff"
