"""Measures a version's pieces beside people's tunes, for the dashboard. Before: comparison.py. After: training.py keeps it.

What is compared is alike: eight bars, the same styles in equal numbers. People's are tunes held out where there are enough."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import numpy as np

from composer.comparison import Row, StyleRow, compare, compare_styles, mean_overlap
from composer.constraints import Plan
from composer.copies import CatalogueIndex, mean_shared_share
from composer.excerpts import excerpt_of
from composer.learning.evaluation import BARS, bits_per_note, typical_steerings
from composer.learning.policy import ComposerPolicy
from composer.learning.replay_dataset import MelodyDataset, Tune
from composer.measures import BANDED, FORM, PROFILES, Floats, Measured, distinct_share, form_of
from composer.steering import Steering
from music.notes import Melody

STYLES = 8
TUNES_OF_STYLE = 40
PIECES = 192
"""As many of each style as half of people's, so that overlaps with theirs and between their halves are counted alike."""
FORM_BARS = 16
"""Of the pieces and tunes whose form is told: two parts of eight, of which the second ends as the first or not."""
UNSEEN_PIECES = 96
UNSEEN_METRES = ((4, 4), (3, 4), (6, 8), (2, 4))
UNSEEN_MODES = ("major", "minor", "dorian", "mixolydian")
FIGURES = {
    "bits_per_note": "bits per note under the prior",
    "longest_shared_run_p90": "longest run shared with a tune, notes (90th percentile)",
    "shared_runs_of_ten": "runs of ten notes that a tune has too",
    "distinct": "different from each other",
    **{name: f"{each.title}, in sixteen bars" for name, each in FORM.items()},
}
"""Of whole groups: name and words."""
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
    new = _write(policy, steerings) if steerings else []
    unseen = Measured.of(new, [steering.style for steering in steerings]) if new else None
    notes = sum(len(melody.notes) for melody in melodies)
    of_styles = compare_styles(pieces, theirs)
    long_asked = [replace(steering, bars=FORM_BARS) for steering in asked]
    long = _tunes(_write(policy, long_asked), long_asked), people_of(dataset, policy.styles[:STYLES], FORM_BARS)
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
                "overlap": mean_overlap(of_styles, name),
                "people_overlap": mean_overlap(of_styles, name, of_people=True),
            }
            for name, each in PROFILES.items()
        ],
        "by_style": _style_rows(of_styles, compare_styles(unseen, theirs) if unseen else [], *long),
        "form": [each.title for each in FORM.values()],
        "figures": _figures(policy, dataset, _tunes(melodies, asked), _tunes(new, steerings), people, *long),
        "notes_per_second": notes / seconds,
        "unseen": list(dict.fromkeys(f"{s.style} in {s.metre[0]}/{s.metre[1]} {s.mode}" for s in steerings)),
        "unseen_pieces": len(unseen) if unseen else 0,
    }


def people_of(dataset: MelodyDataset, styles: Sequence[str], bars: int = BARS) -> list[Tune]:
    """First bars of people's tunes, as many of each style as can be had up to a bound; those held out come first."""
    found: defaultdict[str, list[Tune]] = defaultdict(list)
    for tune in (*dataset.held_out, *dataset.training):
        if tune.style in styles and len(found[tune.style]) < TUNES_OF_STYLE and (cut := excerpt_of(tune.melody, bars)):
            found[tune.style].append(Tune(melody=cut, style=tune.style, group=tune.group))
    # Turn by turn, so that every other one is half of each style.
    return [tunes[place] for place in range(TUNES_OF_STYLE) for tunes in found.values() if place < len(tunes)]


def unseen_steerings(policy: ComposerPolicy, dataset: MelodyDataset) -> list[Steering]:
    """Generalisation: styles in a metre and mode in which nobody in the catalogue wrote them, one for each piece."""
    seen = {(tune.style, tune.melody.metre, tune.melody.mode) for tune in dataset.tunes}
    together = product(policy.styles[:STYLES], UNSEEN_METRES, UNSEEN_MODES)
    new = [Steering(style=s, metre=metre, mode=mode, bars=BARS) for s, metre, mode in together if (s, metre, mode) not in seen]
    # Evenly over all of them, whether they are more than the pieces or fewer.
    return [new[number * len(new) // UNSEEN_PIECES] for number in range(UNSEEN_PIECES)] if new else []


def _style_rows(
    usual: Sequence[StyleRow], unseen: Sequence[StyleRow], long: Sequence[Tune], people_long: Sequence[Tune]
) -> list[dict[str, Any]]:
    """Overlaps within each style as plain values: mean over the measures, and of each profile. Then the form of long pieces
    and of people's, and how many pieces of what was never seen together are inside, of which a style has too few for an
    overlap."""
    new = {row.style: row for row in unseen}

    def shown(overlaps: Mapping[str, float]) -> list[float]:
        return [float(np.mean([overlaps[name] for name in BANDED])), *(overlaps[name] for name in PROFILES)]

    named = {row.style for row in usual}

    def form(tunes: Sequence[Tune], style: str, *, of_all: bool = False) -> list[float | None]:
        means = form_of([tune.melody for tune in tunes if of_all or (tune.style if tune.style in named else "") == style])
        return [means.get(name) for name in FORM]

    return [
        {
            "style": row.style,
            "pieces": row.pieces,
            "inside": row.inside,
            "overlaps": list(zip(shown(row.overlaps), shown(row.people_overlaps), strict=True)),
            "form": list(zip(form(long, row.style), form(people_long, row.style, of_all=not row.style), strict=True)),
            "unseen_pieces": new[row.style].pieces if row.style in new else 0,
            "unseen_inside": new[row.style].inside if row.style in new else None,
        }
        for row in usual
    ]


def _tunes(melodies: Sequence[Melody], steerings: Sequence[Steering]) -> list[Tune]:
    return [Tune(melody=melody, style=asked.style, group="") for melody, asked in zip(melodies, steerings, strict=True)]


def _rows(usual: Sequence[Row], unseen: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values, each with the middle and the share inside of pieces of what was never seen together."""
    beside = {row.name: row for row in unseen}
    rows = []
    for row in usual:
        other = beside.get(row.name)
        rows.append(asdict(row) | {"unseen": other.pieces if other else None, "unseen_inside": other.inside if other else None})
    return rows


def _figures(
    policy: ComposerPolicy,
    dataset: MelodyDataset,
    own: Sequence[Tune],
    new: Sequence[Tune],
    people: Sequence[Tune],
    long: Sequence[Tune],
    people_long: Sequence[Tune],
) -> list[dict[str, Any]]:
    """Figures of whole groups: of the pieces, of those of what was never seen together, and of people's; form is told of
    long ones."""
    index = dataset.taught_runs
    # Tunes that taught are in the index themselves: only those held out can be new.
    unheard = [cut for tune in dataset.held_out if (cut := excerpt_of(tune.melody, BARS))][: len(own)]
    groups = {
        "pieces": _likelihood_and_variety(policy, own) | _novelty(index, [tune.melody for tune in own]),
        "unseen": _likelihood_and_variety(policy, new) | _novelty(index, [tune.melody for tune in new]),
        "people": _likelihood_and_variety(policy, people) | _novelty(index, unheard),
    }
    groups["pieces"] |= form_of([tune.melody for tune in long])
    groups["people"] |= form_of([tune.melody for tune in people_long])
    return [
        {"name": name, "title": title} | {group: figures.get(name) for group, figures in groups.items()}
        for name, title in FIGURES.items()
    ]


def _likelihood_and_variety(policy: ComposerPolicy, tunes: Sequence[Tune]) -> dict[str, float]:
    if not tunes:
        return {}
    bits_n, notes_n = bits_per_note(policy.writer.prior, tunes, policy.styles)
    return {"bits_per_note": float(bits_n.sum() / notes_n.sum()), "distinct": distinct_share([tune.melody for tune in tunes])}


def _novelty(index: CatalogueIndex, melodies: Sequence[Melody]) -> dict[str, float]:
    if not melodies:
        return {}
    longest = np.percentile([index.longest_shared(melody) for melody in melodies], 90)
    return {"longest_shared_run_p90": float(longest), "shared_runs_of_ten": mean_shared_share(melodies, index)}


def _write(policy: ComposerPolicy, steerings: Sequence[Steering]) -> list[Melody]:
    plans = [Plan(steering=steering) for steering in steerings]
    seeds = [SEED * 1_000_003 + number for number in range(len(plans))]
    return list(policy.write_original(plans, [None] * len(plans), seeds=seeds).melodies)


def _shares(counts_nk: Floats) -> list[float]:
    """Of each class of a profile, over all melodies."""
    summed = counts_nk.sum(axis=0)
    return [round(float(count) / (float(summed.sum()) or 1.0), 5) for count in summed]
