"""When a piece is a copy of the catalogue. Before: the catalogue's melodies. After: judging.py, policy.py, evaluation.

Letters: N notes of a melody, S its steps from note to note, R its runs of `ORDER` notes, G runs of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody

ORDER = 10
"""Notes of the shortest run that is looked for."""
LONGEST_SHARED_NOTES = 18
"""A run longer than this that a tune of the catalogue has too is a copy, unless people of the style share longer ones."""
SHARED_SHARE = 0.05
"""Of the runs of `ORDER` notes may stand in the catalogue where people's tunes are too few to ask, or share less."""
FEWEST_TUNES = 30
"""Of a style, from which on its own 99th percentile and its own mean count."""
Hashes = NDArray[np.uint64]
# Odd constants with well mixed bits (Steele, Lea & Flood 2014, SplitMix64).
_INTERVAL, _NUMERATOR, _DENOMINATOR = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_BASE = 0xD6E8FEB86659FD93


@dataclass(frozen=True)
class CatalogueIndex:
    """Runs of notes of the catalogue: intervals and lengths of `ORDER` notes in a row, each as a hash of 64 bits.

    The same in every process, version and machine: a checkpoint carries it, so that a recipe gives the same piece."""

    runs_G: Hashes
    """Ascending."""

    @classmethod
    def of(cls, melodies: Iterable[Melody]) -> CatalogueIndex:
        """Of whole melodies."""
        found = [_runs(melody) for melody in melodies]
        return cls(np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.uint64))

    def longest_shared(self, melody: Melody, is_own_N: Sequence[bool] | None = None, apart_from: Melody | None = None) -> int:
        """Notes of the longest run whose every `ORDER` notes stand in the catalogue; 0 below `ORDER`.

        With `is_own_N`, one for each note and rest, only runs of notes that are all the piece's own count; runs of
        `apart_from`, the melody that the piece tells anew, don't."""
        is_shared_R = self._shared(melody, apart_from)
        if is_own_N is not None and len(is_shared_R):
            sounding = [own for note, own in zip(melody.notes, is_own_N, strict=True) if note.pitch is not None]
            is_shared_R &= np.lib.stride_tricks.sliding_window_view(np.array(sounding), ORDER).all(axis=1)
        ends = np.flatnonzero(np.concatenate([[True], ~is_shared_R, [True]]))
        longest = int(np.diff(ends).max()) - 1
        return longest + ORDER - 1 if longest else 0

    def shared_share(self, melody: Melody, apart_from: Melody | None = None) -> float:
        """Share of the melody's runs of `ORDER` notes that stand in the catalogue, as above; 0 where it has none."""
        is_shared_R = self._shared(melody, apart_from)
        return float(is_shared_R.mean()) if len(is_shared_R) else 0.0

    def _shared(self, melody: Melody, apart_from: Melody | None) -> NDArray[np.bool_]:
        """Whether each run of the melody stands in the catalogue and not in the other melody, R."""
        runs_R = _runs(melody)
        if not len(self.runs_G):
            return np.zeros(len(runs_R), dtype=bool)
        place_R = np.minimum(np.searchsorted(self.runs_G, runs_R), len(self.runs_G) - 1)
        is_shared_R: NDArray[np.bool_] = self.runs_G[place_R] == runs_R
        if apart_from is not None:
            is_shared_R &= ~np.isin(runs_R, _runs(apart_from))
        return is_shared_R


def _runs(melody: Melody) -> Hashes:
    """runs_R: polynomial hashes of its steps, rests left out."""
    notes = [note for note in melody.notes if note.pitch is not None]
    if len(notes) < ORDER:
        return np.zeros(0, dtype=np.uint64)
    pitch_N = np.array([note.pitch for note in notes], dtype=np.int64)
    numerator_S, denominator_S = np.array([note.quarters.as_integer_ratio() for note in notes[1:]], dtype=np.uint64).T
    step_S = np.diff(pitch_N).astype(np.uint64) * _INTERVAL ^ numerator_S * _NUMERATOR ^ denominator_S * _DENOMINATOR
    step_S ^= step_S >> np.uint64(31)
    powers = np.array([pow(_BASE, exponent, 2**64) for exponent in range(ORDER - 1)], dtype=np.uint64)
    hashes: Hashes = (np.lib.stride_tricks.sliding_window_view(step_S, ORDER - 1) * powers).sum(axis=1, dtype=np.uint64)
    return hashes


@dataclass(frozen=True, kw_only=True)
class Originality:
    """What of the catalogue a piece may share."""

    catalogue: CatalogueIndex
    limits: Mapping[str, int]
    """Style → notes, as `copy_limits` measures them."""

    def notes_too_many(
        self, melody: Melody, style: str, is_own_N: Sequence[bool] | None = None, apart_from: Melody | None = None
    ) -> int:
        """By how many notes its longest shared run is longer than its style allows; 0 for what is no copy."""
        limit = self.limits.get(style, LONGEST_SHARED_NOTES)
        return max(0, self.catalogue.longest_shared(melody, is_own_N, apart_from) - limit)


def copy_limits(unseen: Iterable[tuple[str, Melody]], catalogue: CatalogueIndex) -> dict[str, int]:
    """Style → the longest run of notes that is no copy: the 99th percentile of what people's unseen tunes share with the
    catalogue. Dance tunes are made of common turns: of reels one in a hundred shares thirty notes with another."""
    runs: defaultdict[str, list[int]] = defaultdict(list)
    for style, melody in unseen:
        runs[style].append(catalogue.longest_shared(melody))
    return {
        style: max(LONGEST_SHARED_NOTES, int(np.quantile(found, 0.99)))
        for style, found in runs.items()
        if len(found) >= FEWEST_TUNES
    }


def usual_shares(unseen: Iterable[tuple[str, Melody]], catalogue: CatalogueIndex) -> dict[str, float]:
    """Style → mean share of the runs of `ORDER` notes of people's unseen tunes that stand in the catalogue too; "" has that
    of all of them. Left out are styles, and all, of which there are fewer than FEWEST_TUNES."""
    shares: defaultdict[str, list[float]] = defaultdict(list)
    for style, melody in unseen:
        share = catalogue.shared_share(melody)
        for group in {"", style}:
            shares[group].append(share)
    return {group: float(np.mean(found)) for group, found in shares.items() if len(found) >= FEWEST_TUNES}


def mean_shared_share(melodies: Sequence[Melody], catalogue: CatalogueIndex) -> float:
    """Over the melodies, of which there must be one at least."""
    return float(np.mean([catalogue.shared_share(melody) for melody in melodies]))


def copied_share(melodies: Sequence[Melody], styles: Sequence[str], originality: Originality) -> float:
    """Share of the pieces that share a longer run with a tune than their style allows."""
    pairs = zip(melodies, styles, strict=True)
    return float(np.mean([originality.notes_too_many(melody, style) > 0 for melody, style in pairs]))
