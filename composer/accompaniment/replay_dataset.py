"""Chorales with their chords, and melodies of other styles. Before: catalogue. After: training.py, evaluation.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import NUMBERS, Chord
from composer.accompaniment.half_bars import half_bars
from composer.accompaniment.labels import label
from composer.accompaniment.state import Task, observe
from music.keys import pitch_class_profile
from music.notes import Melody, Score
from training.slots import NotEnoughToLearnFrom, RunContext

FEWEST_CHORALES = 40
FEWEST_VOICES = 4
LONGEST_HALF_BARS = 64
MOST_FOLK_MELODIES = 1200
HELD_OUT_SHARE = 0.12


@dataclass(frozen=True, kw_only=True)
class Chorale:
    """A piece in four or more voices with the chord of each half bar."""

    name: str
    score: Score
    task: Task
    chords_T: NDArray[np.int64]

    @property
    def is_held_out(self) -> bool:
        """Whether it is kept for measuring; the same answer in every run."""
        return int(hashlib.sha256(self.score.melody.content_hash().encode()).hexdigest()[:8], 16) < HELD_OUT_SHARE * 2**32


@dataclass(frozen=True)
class ChoraleDataset:
    """What the accompanist learns from."""

    chorales: tuple[Chorale, ...]
    melodies: tuple[Melody, ...] = ()
    """Of other styles, to practise on."""
    description: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over everything in order."""
        total = hashlib.sha256()
        for chorale in self.chorales:
            total.update(chorale.score.melody.content_hash().encode() + np.ascontiguousarray(chorale.chords_T).tobytes())
        for melody in self.melodies:
            total.update(melody.content_hash().encode())
        return total.hexdigest()

    @cached_property
    def training(self) -> tuple[Chorale, ...]:
        """Those that may be learned from."""
        return tuple(chorale for chorale in self.chorales if not chorale.is_held_out)

    @cached_property
    def held_out(self) -> tuple[Chorale, ...]:
        """Those kept for measuring."""
        return tuple(chorale for chorale in self.chorales if chorale.is_held_out)


def chorale_of(name: str, score: Score) -> Chorale:
    """A piece in several voices with its chords, in the key in which it ends."""
    score = settled(score)
    task = observe(score.melody)
    return Chorale(name=name, score=score, task=task, chords_T=label(score, list(task.cut)))


def settled(score: Score) -> Score:
    """The same score in the key of its last chord, where that is a plain triad: signatures of chorales are often modal."""
    notes = [note for note in score.voices[-1].melody.notes if note.pitch is not None]
    if not notes or notes[-1].pitch is None:
        return score
    tonic = notes[-1].pitch % 12
    moved = _in_key(score, tonic, score.melody.mode)
    last = label(moved, half_bars(moved.melody))[-1]
    if last not in (NUMBERS[Chord(0, "major")], NUMBERS[Chord(0, "minor")]):
        return score
    profile = np.roll(pitch_class_profile([note for voice in score.voices for note in voice.melody.notes]), -tonic)
    return _in_key(score, tonic, "minor" if profile[3] > profile[4] else "major")


def _in_key(score: Score, tonic: int, mode: str) -> Score:
    voices = tuple(replace(v, melody=replace(v.melody, tonic=tonic, mode=mode)) for v in score.voices)
    return replace(score, voices=voices)


def dataset_of(scores: Iterable[tuple[str, Score]], melodies: Sequence[Melody] = ()) -> ChoraleDataset:
    """The dataset of pieces in several voices; those too long to be a chorale are left out."""
    chorales = [chorale_of(name, score) for name, score in scores if score.melody.bars <= 4 * LONGEST_HALF_BARS]
    if len(chorales) < FEWEST_CHORALES:
        raise NotEnoughToLearnFrom(
            f"The catalogue has {len(chorales)} pieces in four voices; the accompanist needs at least {FEWEST_CHORALES}."
        )
    description = {"chorales": len(chorales), "melodies": len(melodies)}
    return ChoraleDataset(tuple(chorales), tuple(melodies), description)


def build_replay_dataset(context: RunContext) -> ChoraleDataset:
    """The catalogue's pieces in four voices, and melodies of other styles; NotEnoughToLearnFrom where there are too few."""
    from recsys.models import Track

    tracks = Track.objects.filter(owner__isnull=True).order_by("id")
    scores = [
        (source, Score.from_json(score))
        for source, score in tracks.filter(**_has_voices()).values_list("source", "score").iterator(chunk_size=200)
    ]
    others = tracks.exclude(**_has_voices()).values_list("pk", flat=True)
    chosen = list(others)[:: max(1, others.count() // MOST_FOLK_MELODIES)][:MOST_FOLK_MELODIES]
    rows = tracks.filter(pk__in=chosen).values_list("score", flat=True).iterator(chunk_size=500)
    melodies = [Melody.from_json(score["voices"][0]["melody"]) for score in rows]
    dataset = dataset_of(scores, [melody for melody in melodies if 4 <= melody.bars <= LONGEST_HALF_BARS])
    dataset = replace(dataset, description=dataset.description | {"tracks": tracks.count()})
    context.log(f"Learns from {len(dataset.chorales)} pieces in four voices; practises on {len(dataset.melodies)} melodies.")
    return dataset


def _has_voices() -> dict[str, bool]:
    """The catalogue's pieces with at least four voices: the fourth one is there."""
    return {f"score__voices__{FEWEST_VOICES - 1}__isnull": False}
