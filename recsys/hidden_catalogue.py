"""What simulated listeners hear in tracks, and no policy sees. Before: the catalogue. After: simulation.py.

Letters: T tracks, B buckets of patterns, D hidden characters of a track."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from music.features import NAMES
from music.notes import Score

BUCKETS = 96
CHARACTERS = 8
"""Hidden dimensions of a track: projections of its interval and rhythm patterns, which φ does not count."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class HiddenCatalogue:
    """What simulated listeners hear in the tracks."""

    row_of_track: Mapping[int, int]
    character_TD: Floats
    quality_T: Floats
    """What everybody hears alike."""
    style_T: NDArray[np.int64]
    styles: tuple[str, ...]
    duration_seconds_T: Floats
    catchy_T: Floats
    """Simple, repetitive tunes, within ±2: they please at once and wear out."""

    @classmethod
    def of_tracks(cls, tracks: Sequence[Any], seed: int) -> HiddenCatalogue:
        """From (id, score as JSON, style, duration_seconds, features φ)."""
        generator = np.random.default_rng([seed, 1])
        patterns_TB = np.stack([pattern_counts(Score.from_json(track[1])) for track in tracks])
        patterns_TB = _standardised(np.sqrt(patterns_TB))
        character_TD = _standardised(patterns_TB @ generator.normal(size=(BUCKETS, CHARACTERS)))
        # Interactions: what is liked in a slow winding tune need not be liked in a fast one.
        mixed_TD = character_TD + 0.5 * character_TD * np.roll(character_TD, 1, axis=1)
        character_TD = _standardised(mixed_TD)
        quality_T = _standardised(character_TD @ generator.normal(size=CHARACTERS) + 2.0 * generator.normal(size=len(tracks)))
        styles = tuple(sorted({track[2] for track in tracks}))
        return cls(
            row_of_track={track[0]: row for row, track in enumerate(tracks)},
            character_TD=character_TD,
            quality_T=quality_T,
            style_T=np.array([styles.index(track[2]) for track in tracks], dtype=np.int64),
            styles=styles,
            duration_seconds_T=np.array([track[3] for track in tracks], dtype=np.float64),
            catchy_T=_catchy([track[4] for track in tracks]),
        )


def pattern_counts(score: Score) -> Floats:
    """Shares of hashed patterns of three notes: directions and rough sizes of two intervals, and how lengths change."""
    counts = np.zeros(BUCKETS)
    notes = [note for note in score.melody.notes if note.pitch is not None]
    for a, b, c in zip(notes, notes[1:], notes[2:], strict=False):
        first, second = (b.pitch or 0) - (a.pitch or 0), (c.pitch or 0) - (b.pitch or 0)
        pattern = (
            int(np.sign(first)) * min(3, abs(first) // 2),
            int(np.sign(second)) * min(3, abs(second) // 2),
            (a.quarters > b.quarters) - (a.quarters < b.quarters),
            (b.quarters > c.quarters) - (b.quarters < c.quarters),
        )
        counts[zlib.crc32(repr(pattern).encode()) % BUCKETS] += 1
    shares: Floats = counts / max(1.0, float(counts.sum()))
    return shares


_CATCHY = ("share_of_repeated_bars", "share_of_bars_with_repeated_rhythm", "interval_entropy_over_log2_25")


def _catchy(features: Sequence[Sequence[float]]) -> Floats:
    """Repeated bars and rhythms, and few different intervals."""
    shares_TD = np.zeros((len(features), len(NAMES)))
    for row, values in enumerate(features):
        shares_TD[row, : len(values)] = values[: len(NAMES)]
    repeated_T, rhythm_T, varied_T = _standardised(shares_TD)[:, [NAMES.index(name) for name in _CATCHY]].T
    return np.clip(_standardised(repeated_T + rhythm_T - varied_T), -2.0, 2.0)


def _standardised(values: Floats) -> Floats:
    spread = values.std(axis=0)
    centred: Floats = (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return centred
