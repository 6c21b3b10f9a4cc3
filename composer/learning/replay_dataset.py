"""The catalogue's melodies as training reads them. Before: tracks. After: training.py, evaluation.py."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.copies import CatalogueIndex
from composer.learning.blind_answers import BlindAnswers, read_answers
from composer.learning.features import MAXIMUM_STYLES, observe_melodies
from music.notes import Melody
from training.slots import NotEnoughToLearnFrom, RunContext

LONGEST_NOTES = 320
"""Longer tunes are learned from their beginning: 99.5 % are shorter."""
HELD_OUT_SHARE = 0.08
"""Of the tunes, by group of variants: never trained on, so that figures are honest."""
BUCKET = 256
FEWEST_TUNES = 100
"""In all, below which nothing is learned; and of a style, below which the log says that little of it is."""
FEWEST_NOTES = 4


@dataclass(frozen=True, kw_only=True)
class Tune:
    """One melody of the catalogue."""

    melody: Melody
    style: str
    group: str
    """Equal for variants of one tune: they are held out together."""

    @property
    def is_held_out(self) -> bool:
        """Whether the tune is kept for measuring; the same answer in every run."""
        return int(hashlib.sha256(self.group.encode()).hexdigest()[:8], 16) < HELD_OUT_SHARE * 2**32


def group_of(melody: Melody) -> str:
    """Variants of a tune mostly begin alike: the first nine intervals name the group."""
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    return ",".join(str(after - before) for before, after in pairwise(pitches[:10]))


@dataclass(frozen=True)
class MelodyDataset:
    """Tunes with their fingerprint."""

    tunes: tuple[Tune, ...]
    description: dict[str, Any] = field(default_factory=dict)
    answers: tuple[BlindAnswers, ...] = ()
    """What listeners said of blind pairs of a version on trial: nothing is learned from it here, the gate judges by it."""
    kept_aside: tuple[Tune, ...] | None = None
    """Tunes to measure on where a benchmark splits them itself: then all of `tunes` may be learned from."""

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the tunes in order, and over the answers."""
        total = hashlib.sha256()
        for tune in self.tunes:
            total.update(f"{tune.style}\0{tune.melody.content_hash()}\n".encode())
        for answers in self.answers:
            total.update(f"{answers}\n".encode())
        return total.hexdigest()

    @cached_property
    def training(self) -> tuple[Tune, ...]:
        """The tunes that may be learned from."""
        return tuple(tune for tune in self.tunes if self.kept_aside is not None or not tune.is_held_out)

    @cached_property
    def held_out(self) -> tuple[Tune, ...]:
        """The tunes kept for measuring."""
        return tuple(tune for tune in self.tunes if tune.is_held_out) if self.kept_aside is None else self.kept_aside

    @cached_property
    def taught_runs(self) -> CatalogueIndex:
        """Runs of notes of the tunes that may be learned from, by which one knows what is new."""
        return CatalogueIndex.of(tune.melody for tune in self.training)

    @cached_property
    def styles(self) -> tuple[str, ...]:
        """Styles with an input of their own, the commonest first."""
        counts: dict[str, int] = {}
        for tune in self.training:
            counts[tune.style] = counts.get(tune.style, 0) + 1
        return tuple(sorted(counts, key=lambda style: (-counts[style], style))[: MAXIMUM_STYLES - 1])


def style_number(style: str, styles: Sequence[str]) -> int:
    """Input of a style; 0 for one never seen."""
    return styles.index(style) + 1 if style in styles else 0


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Melodies of similar length, as inputs: BNF and BN."""

    index: NDArray[np.int16]
    pitch: NDArray[np.int64]
    duration: NDArray[np.int64]
    valid: NDArray[np.bool_]


def observe_tunes(tunes: Sequence[Tune], styles: Sequence[str]) -> Iterator[Observed]:
    """All tunes, in buckets of similar length, so that little is padding."""
    for chunk in sorted_chunks(tunes):
        melodies = [_shortened(tune.melody) for tune in chunk]
        yield Observed(**observe_melodies(melodies, [style_number(tune.style, styles) for tune in chunk]))


def sorted_chunks(tunes: Sequence[Tune]) -> Iterator[Sequence[Tune]]:
    """Tunes in buckets by length; tunes without notes have nothing to say."""
    ordered = sorted((tune for tune in tunes if tune.melody.notes), key=lambda tune: len(tune.melody.notes))
    for start in range(0, len(ordered), BUCKET):
        yield ordered[start : start + BUCKET]


def _shortened(melody: Melody) -> Melody:
    if len(melody.notes) <= LONGEST_NOTES:
        return melody
    return Melody(
        notes=melody.notes[:LONGEST_NOTES],
        metre=melody.metre,
        tonic=melody.tonic,
        mode=melody.mode,
        pickup=melody.pickup,
        tempo=melody.tempo,
    )


def build_replay_dataset(context: RunContext) -> MelodyDataset:
    """The melodies of the catalogue; NotEnoughToLearnFrom where there are too few."""
    from recsys.models import Track

    rows = Track.objects.filter(owner__isnull=True).order_by("id").values_list("score", "style").iterator(chunk_size=500)
    tunes = []
    for score, style in rows:
        melody = Melody.from_json(score["voices"][0]["melody"])
        if sum(note.pitch is not None for note in melody.notes) >= FEWEST_NOTES:
            tunes.append(Tune(melody=melody, style=style, group=group_of(melody)))
    if len(tunes) < FEWEST_TUNES:
        raise NotEnoughToLearnFrom(f"The catalogue has {len(tunes)} melodies; the composer needs at least {FEWEST_TUNES}.")
    context.log(f"Learns from {len(tunes)} melodies of the catalogue.")
    styles = Counter(tune.style for tune in tunes).most_common()
    small = ", ".join(f"{style} ({count})" for style, count in styles if count < FEWEST_TUNES)
    if small:
        context.log(f"Too few to be learned well, since a style needs about {FEWEST_TUNES} melodies: {small}.")
    description = {"tunes": len(tunes), "notes": sum(len(tune.melody.notes) for tune in tunes)}
    return MelodyDataset(tuple(tunes), description, read_answers(context.folder))
