"""Tunes of the starter collections by their split, so that variants never straddle. Before: the split's file. After: benches.

Columns of the file: id, collection, split (train, valid, test), group … Without a file tunes are split by their opening."""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import SHARED_FILES, say

if TYPE_CHECKING:
    from music.notes import Score

SPLIT = SHARED_FILES / "music21_split.csv.gz"
_NAMES = {"bachChorales": "bach"}


@dataclass(frozen=True, kw_only=True)
class SplitTune:
    """One tune and where it belongs."""

    source: str
    """`collection/file:number`."""
    style: str
    split: str
    score: Score


def add_split_option(parser: argparse.ArgumentParser) -> None:
    """Where the split lies."""
    parser.add_argument("--split", type=Path, default=SPLIT, help="csv(.gz) of id, collection, split; without it by hash")


def add_part_option(parser: argparse.ArgumentParser) -> None:
    """Which tunes stand for those that nobody has seen."""
    parser.add_argument("--part", choices=("valid", "test"), default="test", help="valid to tune by, test for the last word")


def read_split(path: Path, column: str = "split") -> dict[str, str]:
    """`collection/file:number` → train, valid or test, or what stands in another column; empty where there is no file."""
    if not path.exists():
        say(f"{path} is not here: tunes are split by a hash of their opening")
        return {}
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return {_source(row["id"]): row.get(column) or "" for row in csv.DictReader(file)}


def _source(identity: str) -> str:
    collection, _, rest = identity.partition("/")
    return f"{_NAMES.get(collection, collection)}/{rest if ':' in rest else rest + ':1'}"


def split_of(source: str, split: dict[str, str]) -> str | None:
    """The split calls the only tune of a file 0, the corpus by the number that stands in the file."""
    return split.get(source) or split.get(f"{source.rpartition(':')[0]}:0")


def read_tunes(
    split: dict[str, str], collections: tuple[str, ...], is_wanted: Callable[[int], bool] = lambda number: True
) -> Iterator[SplitTune]:
    """Tunes of these collections, those whose place in them is wanted; what can't be read is left out."""
    from composer.learning.replay_dataset import group_of
    from music.notes import Score
    from recsys import corpus
    from recsys.tunes import read_tune

    for name in collections:
        for number, found in enumerate(corpus.tunes_of(corpus.BY_NAME[name])):
            if not is_wanted(number) or (split and split_of(found.source, split) is None):
                continue
            fields = read_tune(found).fields
            if fields is None:
                continue
            score = Score.from_json(fields["score"])
            part = split_of(found.source, split) or _part(group_of(score.melody))
            yield SplitTune(source=found.source, style=fields["style"], split=part, score=score)


def _part(group: str) -> str:
    share = int(hashlib.sha256(group.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.8 else "valid" if share < 0.9 else "test"
