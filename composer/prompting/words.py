"""A text such as “a slow waltz in D minor” → a steering. Before: phrases.py, exact.py. After: reading.py.

What was said exactly comes first, then dances, tempo, and the words that go by degree; moods decide what nobody named."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from composer.accompaniment.symbols import key_of
from composer.prompting.exact import find_exact
from composer.prompting.phrases import MIDDLE_TEMPO, Word, bent, bent_level, bent_tempo, words_of
from composer.prompting.reading import Reading, check_text, default_style, reading_of
from composer.steering import GRADED, HABITS, ImpossibleSteering
from music.styles import usual_tempo

MOST_CHARACTERS = 2000
EXAMPLE = "“a slow, sad waltz in D minor, 16 bars”"
CONTRADICTS = 0.35
"""Two levels on either side of the middle, both further from it than this, contradict each other."""
SLOW = 0.2
"""A pace further below the middle than this makes an air of what has no style."""
_DENIED = re.compile(
    r"(?<![^\W_])(?:not|no|never|without|nicht|kein\w*|ohne)\s+(?:(?:in|a|an|the|einem?|der|die|das)\s+)*$|(?:不要|不是|不|别)$",
    re.IGNORECASE,
)
"""What before an exact wish says that it is none."""


@dataclass
class _Found:
    """What has been understood so far; each thing ends with the words that said it."""

    fields: dict[str, Any] = field(default_factory=dict)
    because: dict[str, list[str]] = field(default_factory=dict)
    levels: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Quality → levels −1 … 1."""
    styles: list[tuple[str, bool, str]] = field(default_factory=list)
    """Style, and whether it gives way to another one."""
    dances: list[tuple[str, float, str]] = field(default_factory=list)
    """Metre and usual tempo."""
    terms: list[tuple[float, str]] = field(default_factory=list)
    """Quarter notes per minute of Italian words."""
    beats: list[tuple[float, str]] = field(default_factory=list)
    """Beats per minute."""
    lengths: list[tuple[int, str]] = field(default_factory=list)
    """Bars of short and long."""
    seconds: list[tuple[float, str]] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    """The words of the lexicon, whether they count in the end or not."""
    not_understood: list[str] = field(default_factory=list)

    def set(self, name: str, value: Any, words: str) -> None:
        """An exact field; two different values contradict each other."""
        if self.fields.setdefault(name, value) != value:
            refuse(name, self.because[name][0], words)
        self.because.setdefault(name, []).append(words)

    def left_aside(self) -> list[str]:
        """Words nobody knows, and known ones that nothing came of because others said more."""
        used = {words for why in self.because.values() for words in why}
        named = [words.partition(" (")[0] for words in self.not_understood]
        outdone = [words for words in self.understood if words not in used and words not in named]
        return self.not_understood + [f"{words} (other words said more)" for words in outdone]


def refuse(name: str, first: str, second: str) -> NoReturn:
    """Says which words contradict each other."""
    raise ImpossibleSteering(name, f"“{first}” and “{second}” contradict each other; keep one of them")


def read_text(text: object, styles: Collection[str] = ()) -> Reading:
    """The steering that a text asks for; ImpossibleSteering where it is no text or asks for what no piece can be.

    `styles` are those of the catalogue; without any, every style of the lexicon is taken."""
    plain = check_text("text", text, MOST_CHARACTERS, EXAMPLE)
    found = _Found()
    for word in bent(words_of(_take_exact(plain, found))):
        _take(word, found)
    _choose_key(found)
    _choose_style(found, styles)
    _choose_tempo(found, default_style(styles))
    _choose_bars(found, default_style(styles))
    _choose_mode_and_grades(found)
    because = {name: ", ".join(dict.fromkeys(words)) for name, words in found.because.items()}
    return reading_of(found.fields, because, found.left_aside(), styles)


def _take_exact(text: str, found: _Found) -> str:
    """Notes what is said exactly; the text without it."""
    rest = text
    for said in find_exact(text):
        words = " ".join(text[said.start : said.end].split())
        rest = rest[: said.start] + "\n" * (said.end - said.start) + rest[said.end :]
        if denial := _DENIED.search(text[: said.start]):
            found.not_understood.append(f"{denial[0].strip()} {words}")
        elif said.field == "bpm":
            found.beats.append((said.value, words))
        elif said.field == "seconds":
            found.seconds.append((said.value, words))
        else:
            found.set(said.field, said.value, words)
    return rest


def _take(word: Word, found: _Found) -> None:
    """Notes what one word means."""
    meaning = word.meaning
    is_denied = word.bend in ("not", "no", "not too", "few")
    if meaning is None or (is_denied and meaning.kind in ("style", "dance", "range", "bars")):
        found.not_understood.append(word.said)
        return
    found.understood.append(word.said)
    if meaning.kind == "style":
        found.styles.append((meaning.values["style"], "is_weak" in meaning.values, word.said))
    elif meaning.kind == "dance":
        found.dances.append((meaning.values["metre"], meaning.values["tempo"], word.said))
    elif meaning.kind == "range":
        for name, pitch in meaning.values.items():
            found.set(name, pitch, word.said)
    elif meaning.kind == "tempo":
        found.terms.append((bent_tempo(meaning.values["tempo"], word), word.said))
    elif meaning.kind == "bars":
        found.lengths.append((meaning.values["bars"], word.said))
    else:
        for name, level in meaning.values.items():
            found.levels.setdefault(name, []).append((bent_level(level, word), word.said))


def _choose_key(found: _Found) -> None:
    """What was not said of the key is that of the chords, if there are any."""
    if "chords" not in found.fields:
        return
    tonic, mode = key_of(found.fields["chords"], found.fields.get("tonic"), found.fields.get("mode"))
    for name, value in (("tonic", tonic), ("mode", mode)):
        if value is not None and name not in found.fields:
            found.fields[name], found.because[name] = value, list(found.because["chords"])


def _choose_style(found: _Found, styles: Collection[str]) -> None:
    """The style by its name; where none is named, by metre and pace. It is one of the catalogue's, where that has any."""
    is_weak = all(weak for _, weak, _ in found.styles)
    named = [(style, words) for style, weak, words in found.styles if weak == is_weak]
    for style, _, words in found.styles:
        if (style, words) not in named:
            found.not_understood.append(f"{words} (beside {named[0][1]})")
        elif style != named[0][0]:
            refuse("style", named[0][1], words)
    if named and styles and named[0][0] not in styles:
        style, words = named[0]
        found.not_understood.append(f"{words} (no style of this catalogue)")
        found.dances.insert(0, (*_habit(style), words))
    elif named:
        found.set("style", *named[0])
        found.dances = [(*_habit(named[0][0]), named[0][1])]
    for metre, _, words in found.dances[:1]:
        if "metre" not in found.fields:
            found.set("metre", metre, words)
    if "style" not in found.fields:
        fitting = ((style, why) for style, why in _styles_without_a_name(found) if style in styles or not styles)
        for style, why in list(fitting)[:1]:
            found.fields["style"], found.because["style"] = style, why


def _styles_without_a_name(found: _Found) -> Iterator[tuple[str, list[str]]]:
    """Styles that suit what else was said, the most telling first."""
    pace = found.levels.get("pace", []) or found.levels.get("energy", [])
    is_slow = (_mean(pace) or 0.0) <= -SLOW
    slow = [words for level, words in pace if is_slow and level < 0] or [words for tempo, words in found.terms if tempo < 90]
    if slow and not found.dances:
        yield "air", slow
    by_metre = {"3/4": "waltz", "6/8": "jig", "9/8": "slip jig", "12/8": "slide", "2/4": "polka"}
    if (metre := found.fields.get("metre")) in by_metre:
        yield by_metre[metre], found.because["metre"]


def _habit(style: str) -> tuple[str, float]:
    """Metre and tempo that people expect of a style, of the catalogue or not."""
    known = {"slide": (12, 8), "minuet": (3, 4)}.get(style, (4, 4))
    (beats, unit), tempo = HABITS.get(style, (known, usual_tempo(style, known)))
    return f"{beats}/{unit}", tempo


def _choose_tempo(found: _Found, style: str) -> None:
    """The tempo: by number, by its Italian name, by slow and fast, by mood, by the dance – the first that was said."""
    usual = found.dances[0][1] if found.dances else _habit(found.fields.get("style", style))[1]
    dance = [found.dances[0][2]] if found.dances else []
    for value, words in found.beats:
        quarters, remark = _beat(found.fields.get("metre", "4/4"))
        found.set("tempo", value * quarters, words + remark)
    level, pace = settled("tempo", found.levels.pop("pace", []))
    low = [words for tempo, words in found.terms if tempo < MIDDLE_TEMPO] + pace * (level is not None and level < -CONTRADICTS)
    high = [words for tempo, words in found.terms if tempo > MIDDLE_TEMPO] + pace * (level is not None and level > CONTRADICTS)
    if low and high:
        refuse("tempo", low[0], high[0])
    energy = _mean(found.levels.get("energy", []))
    if "tempo" in found.fields:
        return
    if found.terms:
        _set_tempo(found, _mean(found.terms) or usual, [words for _, words in found.terms] + pace)
    elif level is not None:
        _set_tempo(found, paced(usual, level), pace + dance)
    elif energy is not None and abs(energy) >= CONTRADICTS:
        _set_tempo(found, paced(usual, energy / 2), [words for _, words in found.levels["energy"]] + dance)
    elif found.dances:
        _set_tempo(found, usual, dance)


def _set_tempo(found: _Found, tempo: float, words: list[str]) -> None:
    found.fields["tempo"], found.because["tempo"] = float(5 * round(tempo / 5)), words


def paced(usual: float, level: float) -> float:
    """A usual tempo made slower (level −1: half of it) or faster (1: two fifths more). No style leaves 40 … 280."""
    return float(usual * (2.0 if level < 0 else 1.4) ** level)


def _beat(metre: str) -> tuple[float, str]:
    """Quarter notes of one beat, and what to say where it isn't one."""
    beats, unit = (int(part) for part in metre.split("/"))
    if unit >= 8 and beats > 3 and beats % 3 == 0:
        return 12 / unit, " (beats of three)"
    return (4 / unit, f" (beats of 1/{unit})") if unit in (2, 8, 16) else (1.0, "")


def settled(name: str, levels: list[tuple[float, str]]) -> tuple[float | None, list[str]]:
    """The mean of what was asked of one quality; opposite wishes are refused."""
    low = [words for level, words in levels if level <= -CONTRADICTS]
    high = [words for level, words in levels if level >= CONTRADICTS]
    if low and high:
        refuse(name, low[0], high[0])
    return _mean(levels), [words for _, words in levels]


def _mean(levels: list[tuple[float, str]]) -> float | None:
    return sum(level for level, _ in levels) / len(levels) if levels else None


def _choose_bars(found: _Found, style: str) -> None:
    """The bars: by number, by seconds at the tempo, by short and long."""
    for seconds, words in found.seconds:
        if "bars" in found.fields:
            found.not_understood.append(f"{words} (beside {found.because['bars'][0]})")
            continue
        metre, tempo = _habit(found.fields.get("style", style))
        beats, unit = (int(part) for part in found.fields.get("metre", metre).split("/"))
        quarters = seconds * found.fields.get("tempo", tempo) / 60
        found.set("bars", round(quarters * unit / (4 * beats)) if beats else 0, words)
    if "bars" not in found.fields:
        for bars, words in found.lengths:
            found.set("bars", bars, words)


def _choose_mode_and_grades(found: _Found) -> None:
    """Graded wishes as said; mode, density and register by mood where nothing was said of them."""
    moods = [words for name in ("valence", "energy") for _, words in found.levels.get(name, [])]
    valence, energy = _mean(found.levels.pop("valence", [])), _mean(found.levels.pop("energy", []))
    for name in (*GRADED, "taste_strength"):
        level, why = settled(name, found.levels.get(name, []))
        if level is not None:
            found.fields[name] = round(0.5 + level / 2, 2)
            found.because[name] = why
    if "mode" not in found.fields and valence is not None and abs(valence) > 0.15:
        found.fields["mode"], found.because["mode"] = "major" if valence > 0 else "minor", list(moods)
    if "density" not in found.fields and energy is not None and abs(energy) >= CONTRADICTS:
        found.fields["density"], found.because["density"] = round(0.5 + 0.2 * energy, 2), list(moods)
