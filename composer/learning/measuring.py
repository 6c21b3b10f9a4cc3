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
from composer.measures import PROFILES, Measured, Row, compare, distinct_share, profile_overlap
from composer.steering import Steering
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
    steerings = unseen_steerings(policy, dataset)
    unseen = _measure_unseen(policy, steerings)
    notes = sum(len(melody.notes) for melody in melodies)
    return {
        "pieces": len(pieces),
        "people": len(theirs),
        "styles": list(dict.fromkeys(tune.style for tune in people)),
        "bars": BARS,
        "rows": _rows(compare(pieces, theirs), compare(unseen, theirs) if unseen else []),
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
        "unseen": [f"{steering.style} in {steering.metre[0]}/{steering.metre[1]}" for steering in steerings],
        "unseen_pieces": len(unseen) if unseen else 0,
    }


def people_of(dataset: MelodyDataset, styles: Sequence[str]) -> list[Tune]:
    """First bars of people's tunes, as many of each style as can be had up to a bound; those held out come first."""
    found: defaultdict[str, list[Tune]] = defaultdict(list)
    for tune in (*dataset.held_out, *dataset.training):
        if tune.style in styles and len(found[tune.style]) < TUNES_OF_STYLE and (cut := excerpt_of(tune.melody, BARS)):
            found[tune.style].append(Tune(melody=cut, style=tune.style, group=tune.group))
    # Turn by turn, so that every other one is half of each style.
    return [tunes[place] for place in range(TUNES_OF_STYLE) for tunes in found.values() if place < len(tunes)]


def unseen_steerings(policy: ComposerPolicy, dataset: MelodyDataset) -> list[Steering]:
    """Generalisation: the policy's styles in metres in which nobody in the catalogue wrote them."""
    seen = {(tune.style, tune.melody.metre) for tune in dataset.tunes}
    pairs = [(style, metre) for style in policy.styles[:STYLES] for metre in UNSEEN_METRES]
    return [Steering(style=style, metre=metre, bars=BARS) for style, metre in pairs if (style, metre) not in seen]


def _measure_unseen(policy: ComposerPolicy, steerings: Sequence[Steering]) -> Measured | None:
    if not steerings:
        return None
    asked = [steerings[number % len(steerings)] for number in range(UNSEEN_PIECES)]
    return Measured.of(_write(policy, asked), [steering.style for steering in asked])


def _rows(usual: Sequence[Row], unseen: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values, each with the middle and the share inside of pieces in metres never seen with their style."""
    beside = {row.name: row for row in unseen}
    rows = []
    for row in usual:
        other = beside.get(row.name)
        rows.append(asdict(row) | {"unseen": other.pieces if other else None, "unseen_inside": other.inside if other else None})
    return rows


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
    plans = [Plan(steering=steering) for steering in steerings]
    seeds = [SEED * 1_000_003 + number for number in range(len(plans))]
    return list(policy.write_original(plans, [None] * len(plans), seeds=seeds).melodies)


def _shares(counts: Any) -> list[float]:
    total = float(np.sum(counts)) or 1.0
    return [round(float(count) / total, 5) for count in counts]
