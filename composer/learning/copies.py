"""When a piece is a copy of the catalogue. Before: the catalogue's runs of notes. After: the gate, a run's figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from composer.judging import CatalogueIndex
from music.notes import Melody

LONGEST_SHARED_NOTES = 18
"""A run longer than this that a tune of the catalogue has too is a copy, unless people of the style share longer ones."""
FEWEST_TUNES = 30
"""Of a style, from which on its own 99th percentile counts."""


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


def copied_share(
    melodies: Sequence[Melody], styles: Sequence[str], catalogue: CatalogueIndex, limits: Mapping[str, int]
) -> float:
    """Share of the pieces that share a longer run with a tune than their style allows."""
    pairs = zip(melodies, styles, strict=True)
    copies = [catalogue.longest_shared(melody) > limits.get(style, LONGEST_SHARED_NOTES) for melody, style in pairs]
    return float(np.mean(copies))
