"""Measures a version's pieces beside people's tunes, for the dashboard. Before: measures.py. After: training.py keeps it.

What is compared is alike: eight bars, the same styles in equal numbers. People's are tunes held out where there are enough."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from composer.constraints import Plan
from composer.copies import CatalogueIndex
from composer.excerpts import excerpt_of
from composer.learning.evaluation import BARS, bits_per_note, typical_steerings
from composer.learning.policy import ComposerPolicy
from composer.learning.replay_dataset import MelodyDataset, Tune
from composer.measures import MEASURES, PROFILES, Measured, compare, distinct_share, profile_overlap
from composer.steering import ImpossibleSteering, Steering
from music.notes import Melody

STYLES = 8
TUNES_OF_STYLE = 40
PIECES = 96
UNSEEN_PIECES = 32
UNSEEN_METRES = ((4, 4), (3, 4), (6, 8), (2, 4))
SEED = 7


def measure_version(policy: ComposerPolicy, dataset: MelodyDataset) -> dict[str, Any]:
    """All measures as plain values; empty where the catalogue has no tunes to stand beside."""
    people = people_of(dataset, policy.styles[:STYLES])
    if len(people) < 2:
        return {}
    asked = typical_steerings(policy.styles, PIECES)
    started = time.perf_counter()
    melodies = _write(policy, asked)
    seconds = time.perf_counter() - started
    pieces = Measured.of(melodies, [steering.style for steering in asked])
    theirs = Measured.of([tune.melody for tune in people], [tune.style for tune in people])
    notes = sum(len(melody.notes) for melody in melodies)
    return {
        "pieces": len(pieces),
        "people": len(theirs),
        "styles": list(dict.fromkeys(tune.style for tune in people)),
        "bars": BARS,
        "rows": [asdict(row) for row in compare(pieces, theirs)],
        "profiles": [
            {
                "name": name,
                "title": each.title,
                "labels": list(each.labels),
                "pieces": _shares(pieces.profiles[name]),
                "people": _shares(theirs.profiles[name]),
                "overlap": profile_overlap(pieces.profiles[name], theirs.profiles[name]),
            }
            for name, each in PROFILES.items()
        ],
        "figures": _figures(policy, dataset, melodies, [steering.style for steering in asked], people),
        "notes_per_second": notes / seconds,
        "generalisation": generalisation(policy, dataset, pieces),
    }


def people_of(dataset: MelodyDataset, styles: Sequence[str]) -> list[Tune]:
    """First bars of people's tunes, as many of each style as can be had up to a bound; those held out come first."""
    found: defaultdict[str, list[Tune]] = defaultdict(list)
    for tune in (*dataset.held_out, *dataset.training):
        if tune.style in styles and len(found[tune.style]) < TUNES_OF_STYLE and (cut := excerpt_of(tune.melody, BARS)):
            found[tune.style].append(Tune(melody=cut, style=tune.style, group=tune.group))
    # Turn by turn, so that every other one is half of each style.
    return [tunes[place] for place in range(TUNES_OF_STYLE) for tunes in found.values() if place < len(tunes)]


def generalisation(policy: ComposerPolicy, dataset: MelodyDataset, typical: Measured) -> dict[str, Any]:
    """The same measures of pieces in metres in which nobody ever wrote the style, beside those of usual ones."""
    seen = {(tune.style, tune.melody.metre) for tune in dataset.tunes}
    steerings = []
    for style in policy.styles[:STYLES]:
        for metre in UNSEEN_METRES:
            if (style, metre) not in seen:
                try:
                    steerings.append(Steering(style=style, metre=metre, bars=BARS))
                except ImpossibleSteering:
                    continue
    if not steerings:
        return {}
    asked = [steerings[number % len(steerings)] for number in range(UNSEEN_PIECES)]
    unseen = Measured.of(_write(policy, asked), [steering.style for steering in asked])
    return {
        "asked": [f"{steering.style} in {steering.metre[0]}/{steering.metre[1]}" for steering in steerings],
        "pieces": len(unseen),
        "rows": [
            {
                "name": name,
                "title": each.title,
                "usual": float(typical.values[name].mean()),
                "unseen": float(unseen.values[name].mean()),
            }
            for name, each in MEASURES.items()
        ],
    }


def _figures(
    policy: ComposerPolicy, dataset: MelodyDataset, melodies: Sequence[Melody], styles: Sequence[str], people: Sequence[Tune]
) -> list[dict[str, Any]]:
    """Figures of whole groups: likelihood under the prior, novelty, variety; each of the pieces and of people's."""
    own = [Tune(melody=melody, style=style, group="") for melody, style in zip(melodies, styles, strict=True)]
    index = CatalogueIndex.of(tune.melody for tune in dataset.training)
    # Tunes that taught are in the index themselves: only those held out can be new.
    unseen = [cut for tune in dataset.held_out if (cut := excerpt_of(tune.melody, BARS))][: len(melodies)]

    def bits(tunes: Sequence[Tune]) -> float:
        bits_n, notes_n = bits_per_note(policy.writer.prior, tunes, policy.styles)
        return float(bits_n.sum() / notes_n.sum())

    def novelty(group: Sequence[Melody]) -> tuple[float | None, float | None]:
        if not group:
            return None, None
        longest = np.percentile([index.longest_shared(melody) for melody in group], 90)
        return float(longest), float(np.mean([index.shared_share(melody) for melody in group]))

    (run, share), (their_run, their_share) = novelty(melodies), novelty(unseen)
    return [
        {"title": "bits per note under the prior", "pieces": bits(own), "people": bits(people)},
        {"title": "longest run shared with a tune, notes (90th percentile)", "pieces": run, "people": their_run},
        {"title": "runs of ten notes that a tune has too", "pieces": share, "people": their_share},
        {
            "title": "different from each other",
            "pieces": distinct_share(melodies),
            "people": distinct_share([tune.melody for tune in people]),
        },
    ]


def _write(policy: ComposerPolicy, steerings: Sequence[Steering]) -> list[Melody]:
    seeds = [SEED * 1_000_003 + number for number in range(len(steerings))]
    return list(
        policy.write_original([Plan(steering=steering) for steering in steerings], [None] * len(steerings), seeds=seeds).melodies
    )


def _shares(counts: Any) -> list[float]:
    total = float(np.sum(counts)) or 1.0
    return [round(float(count) / total, 5) for count in counts]
