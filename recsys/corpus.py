"""The starter collections inside the music21 package, as single tunes. After: tunes.py reads each one, catalogue.py stores it.

Looks at files only and never imports music21."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One collection of the corpus."""

    name: str
    title: str
    licence: str
    is_non_commercial: bool = False
    program: int = 0
    """General MIDI program that suits it where the style says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tune:
    """One tune as it lies in a file, not yet read."""

    collection: str
    source: str
    """`collection/file:number`: stays the same from import to import."""
    suffix: str
    content: bytes
    licence: str
    program: int = 0
    style: str = ""
    """Given by who imports it; empty: it is found from the tune."""


_PERMITTED = "tune in the public domain; transcription distributed with music21 by permission of its encoders"
_ESSEN = "non-commercial distribution and use only: Essen folksong database (H. Schaffrath, E. Dahlig-Turek; ABC by S. Schlien)"

COLLECTIONS: tuple[Collection, ...] = (
    Collection(name="oneills1850", title="O'Neill's Music of Ireland", licence=_PERMITTED, program=40),
    Collection(name="ryansMammoth", title="Ryan's Mammoth Collection", licence=_PERMITTED, program=40),
    Collection(name="airdsAirs", title="Aird's Selection of Airs", licence=_PERMITTED, program=73),
    Collection(name="essenFolksong", title="Essen folksongs", licence=_ESSEN, is_non_commercial=True),
    Collection(name="bach", title="Chorales of J. S. Bach", licence=_PERMITTED, program=19),
    Collection(name="miscFolk", title="Fife and Northumbrian tunes", licence=_PERMITTED, program=72),
)
"""What `ENCORE_COLLECTIONS` may name, in the order in which it is imported."""
BY_NAME = {collection.name: collection for collection in COLLECTIONS}


def chosen(names: list[str] | tuple[str, ...]) -> tuple[Collection, ...]:
    """The collections of these names, all of them for no names; ValueError names one that does not exist."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise ValueError(f"there is no collection {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    return tuple(collection for collection in COLLECTIONS if not names or collection.name in names)


@cache
def corpus_folder() -> Path:
    """Where the corpus lies; found without importing music21, which takes seconds."""
    spec = importlib.util.find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package music21 is not installed: the starter catalogue comes with it")
    return Path(next(iter(spec.submodule_search_locations))) / "corpus"


def tunes_of(collection: Collection) -> Iterator[Tune]:
    """Every tune of a collection, file by file."""
    folder = corpus_folder() / collection.name
    if collection.name == "bach":
        for path in sorted(folder.glob("bwv*.mxl")) + sorted(folder.glob("bwv*.xml")):
            if path.stem != "bwv846":  # a prelude for the keyboard
                yield _tune(collection, path, "1", path.read_bytes())
        return
    for path in sorted(folder.glob("*.abc")):
        if not path.name.startswith("test"):  # copies for trying programs
            for number, text in split_abc(read_text(path)):
                yield _tune(collection, path, number, text.encode())


def _tune(collection: Collection, path: Path, number: str, content: bytes) -> Tune:
    return Tune(
        collection=collection.name,
        source=f"{collection.name}/{path.stem}:{number}",
        suffix=path.suffix,
        content=content,
        licence=collection.licence,
        program=collection.program,
    )


def read_text(path: Path) -> str:
    """The file as text: older transcriptions are Latin-1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


_TUNE_START = re.compile(r"^X:\s*(\S*)", re.MULTILINE)


def split_abc(text: str) -> Iterator[tuple[str, str]]:
    """(number, text) of each tune of an ABC file; a number used twice in the file gets a letter, so that sources differ."""
    starts = [*_TUNE_START.finditer(text.replace("\r\n", "\n"))]
    text = text.replace("\r\n", "\n")
    seen: dict[str, int] = {}
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        number = start.group(1).lstrip("0") or "0"
        seen[number] = seen.get(number, 0) + 1
        name = number if seen[number] == 1 else f"{number}-{seen[number]}"
        yield name, text[start.start() : following.start() if following else len(text)].rstrip() + "\n"


def spread(tunes: list[Tune], count: int) -> list[Tune]:
    """`count` tunes at even distances, so that a few of them show the whole collection."""
    if count >= len(tunes):
        return tunes
    return [tunes[(index * len(tunes)) // count] for index in range(count)]


def mixture(by_collection: dict[str, list[Tune]], count: int) -> list[Tune]:
    """`count` tunes of all collections in turn: the square root of a collection's size is its share, so that none drowns."""
    shares = {name: len(tunes) ** 0.5 for name, tunes in by_collection.items() if tunes}
    total = sum(shares.values())
    columns = [spread(by_collection[name], max(1, round(count * share / total))) for name, share in shares.items()]
    ordered = [(place / len(column), tune) for column in columns for place, tune in enumerate(column)]
    return [tune for _, tune in sorted(ordered, key=lambda pair: pair[0])][:count]
