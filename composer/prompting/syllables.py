"""Words into syllables with their stress or tone. Before: lyrics. After: lyrics.py, underlay.py.

English by the CMU Pronouncing Dictionary, Chinese by pypinyin; what they don't know is counted by its vowels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

_WORD = re.compile(r"([^\W\d_]+(?:['’ʼ][^\W\d_]+)*)([,.;:!?…]*)")
_RUN = re.compile(r"[\u3400-\u9fff]+|[\u3040-\u30ff]+|[\uac00-\ud7a3]+|[^\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")
_UNSTRESSED = frozenset(
    {
        *("a", "an", "the", "and", "or", "but", "nor", "of", "to", "in", "on", "at", "by", "for", "from", "with", "as", "than"),
        *("is", "am", "are", "was", "were", "be", "been", "do", "does", "did", "has", "have", "had", "so", "if", "no", "not"),
        *("it", "its", "he", "him", "his", "she", "her", "they", "them", "their", "we", "us", "our", "you", "your", "i", "me"),
        *("my", "that", "this", "can", "could", "shall", "should", "will", "would", "must", "may", "might", "there", "'tis"),
        *("der", "die", "das", "den", "dem", "des", "ein", "und", "im", "am", "zu", "von", "mit", "ist"),
    }
)
"""Words of one syllable that verse leaves unstressed."""
_VOWELS = frozenset("aeiouyœæøаеёиоуыэюяіїєαεηιουωϊϋ")
_SEPARATE_VOWELS = frozenset("аеёиоуыэюяіїє")
"""Each of these is a syllable of its own."""
_KEPT_TOGETHER = (
    *("sch", "th", "sh", "ch", "ph", "wh", "gh", "qu"),
    *("bl", "br", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "kl", "kr", "pl", "pr", "tr"),
)
_CLOSING = ("ng", "ck")
_SMALL_KANA = frozenset("ゃゅょぁぃぅぇぉゎャュョァィゥェォヮ")
HEIGHT_OF_TONE = {1: 0.9, 2: 0.65, 3: 0.15, 4: 0.55, 5: 0.4}
"""Mean height of the five Mandarin tones within the voice: 55, 35, 214, 51 and neutral on Chao's scale of 1 … 5."""


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable as it is sung."""

    text: str
    is_stressed: bool = False
    goes_on: bool = False
    """The word goes on with the next syllable."""
    tone: int = 0
    """Of Mandarin, as it is spoken in this phrase: 1 … 4, 5 neutral; 0 where there is none."""
    is_known: bool = True
    """A dictionary knows the word; otherwise its vowels were counted."""

    @property
    def height(self) -> float | None:
        """0 low … 1 high, where there is a tone."""
        return HEIGHT_OF_TONE.get(self.tone)


def syllables_of(line: str) -> tuple[list[Syllable], list[str]]:
    """The syllables of one line, and the words in which none can be counted."""
    found: list[Syllable] = []
    strange: list[str] = []
    for match in _WORD.finditer(line):
        for word in _by_script(match[1]):
            sung = list(_of_word(word))
            found += sung
            if not sung:
                strange.append(word)
        if found and match[2]:
            found[-1] = replace(found[-1], text=found[-1].text + match[2])
    return found, [*strange, *re.findall(r"\d+", line)]


def _by_script(word: str) -> Iterator[str]:
    """Runs of one kind of letters: a Chinese line is written without spaces."""
    yield from (match[0] for match in _RUN.finditer(word))


def _of_word(word: str) -> Iterator[Syllable]:
    first = word[0]
    if "\u3400" <= first <= "\u9fff":
        yield from _chinese(word)
    elif "\uac00" <= first <= "\ud7a3":
        yield from (Syllable(letter, goes_on=place < len(word)) for place, letter in enumerate(word, start=1))
    elif "\u3040" <= first <= "\u30ff":
        yield from _japanese(word)
    else:
        yield from _alphabetic(word)


def _chinese(word: str) -> Iterator[Syllable]:
    """One syllable a character, with its tone as it is changed by its neighbours: 你好 is spoken ní hǎo."""
    from pypinyin import Style, lazy_pinyin

    sounds = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True, errors=cast(Any, list))
    for letter, sound in zip(word, sounds, strict=True):
        tone = int(sound[-1]) if sound[-1] in "12345" else 0
        yield Syllable(letter, tone=tone, is_known=tone > 0)


def _japanese(word: str) -> Iterator[Syllable]:
    """One syllable a mora."""
    morae: list[str] = []
    for letter in word:
        if letter in _SMALL_KANA and morae:
            morae[-1] += letter
        else:
            morae.append(letter)
    yield from (Syllable(mora, goes_on=place < len(morae)) for place, mora in enumerate(morae, start=1))


def _alphabetic(word: str) -> Iterator[Syllable]:
    plain = word.lower().replace("’", "'").replace("ʼ", "'")
    stresses = _stresses(plain)
    nuclei = _nuclei(plain)
    if not stresses and not nuclei:
        return
    count = len(stresses) or len(_sounding(plain, nuclei))
    parts = split(word, count)
    if len(stresses) != len(parts):
        stresses = "1" + "0" * (len(parts) - 1)
        is_known = False
    else:
        is_known = True
    for place, (part, stress) in enumerate(zip(parts, stresses, strict=True), start=1):
        is_stressed = stress != "0" and not (len(parts) == 1 and plain in _UNSTRESSED)
        yield Syllable(part, is_stressed, place < len(parts), is_known=is_known)


def _stresses(word: str) -> str:
    """Stress of each syllable by the dictionary: 0 none, 1 main, 2 secondary; empty where it doesn't know the word."""
    import pronouncing

    known = pronouncing.phones_for_word(word) or pronouncing.phones_for_word(word.removesuffix("'s"))
    return str(pronouncing.stresses(known[0])) if known else ""


def _nuclei(word: str) -> list[tuple[int, int]]:
    """Where the groups of vowels begin and end."""
    bare = "".join(letter if letter == "й" else unicodedata.normalize("NFD", letter)[0] for letter in word)
    found: list[tuple[int, int]] = []
    for place, letter in enumerate(bare):
        is_consonant = (
            letter == "y"
            and place + 1 < len(bare)
            and bare[place + 1] in _VOWELS
            and (place == 0 or bare[place - 1] not in _VOWELS)
        )
        if letter not in _VOWELS or is_consonant or (letter == "u" and bare[place - 1 : place] == "q"):
            continue
        if found and found[-1][1] == place and letter not in _SEPARATE_VOWELS:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def _sounding(word: str, nuclei: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same without a silent e at the end."""
    is_silent = len(nuclei) > 1 and re.search(r"[^aeiouyl]e$", word) is not None
    return nuclei[:-1] if is_silent else nuclei


def split(word: str, count: int) -> list[str]:
    """A word cut into so many parts, or as many as it has letters."""
    count = max(1, min(count, len(word)))
    nuclei = _nuclei(word.lower()) if len(word.lower()) == len(word) else []
    while len(nuclei) > count:
        lone = [place for place, (start, end) in enumerate(nuclei) if place and word[start:end].lower() == "e"]
        nuclei.pop(lone[-1] if lone else -1)
    while 0 < len(nuclei) < count and (wide := [place for place, (start, end) in enumerate(nuclei) if end - start > 1]):
        start, end = nuclei.pop(wide[-1])
        nuclei[wide[-1] : wide[-1]] = [(start, start + 1), (start + 1, end)]
    if len(nuclei) == count:
        cuts = [0, *(_cut(word.lower(), left[1], right[0]) for left, right in pairwise(nuclei)), len(word)]
    else:
        cuts = [round(part * len(word) / count) for part in range(count + 1)]
    return [word[start:end] for start, end in pairwise(cuts)]


def _cut(word: str, start: int, end: int) -> int:
    """Where consonants between two vowels are divided: one goes to the next syllable, several are shared."""
    between = word[start:end]
    cut = len(between) // 2
    for pair in _KEPT_TOGETHER:
        place = between.find(pair)
        if 0 <= place < cut < place + len(pair):
            cut = place
    if between in _CLOSING:
        cut = len(between)
    return start + cut
