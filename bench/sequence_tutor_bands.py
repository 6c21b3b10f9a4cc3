"""Do full-length pieces lie where people's do? A piece beside each held-out tune: its style, key, metre and length.

A band is people's 10th to 90th percentile, so that eight of ten of their own tunes lie inside. After: sequence_tutor.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report import Report
from bench.split_tunes import SplitTune, read_split, read_tunes
from composer.comparison import halves, overlaps
from composer.measures import PROFILES, Measured, form_of
from music.notes import Melody

if TYPE_CHECKING:
    from composer.constraints import Plan
    from composer.copies import Originality
    from composer.learning.policy import ComposerPolicy

STYLES = ("reel", "jig", "german folk", "chinese folk", "chorale")
TARGET_SHARE = 0.75
MOST_TUNES = 60
"""Of a style."""
FEWEST_BARS, MOST_BARS = 5, 32

MEASURES = {
    "pitch_class_entropy": "pitch_class_entropy",
    "scale_consistency": "scale_consistency",
    "groove_consistency": "groove_consistency",
    "repeated_bars": "repeated_bars",
    "changed_endings": "changed_endings",
    "mean_interval": "mean_interval",
    "range": "range_semitones",
}
"""Name of the row, and of the measure in `composer.measures`."""
MOST_COPIED = 0.02
"""Share of pieces with a longer run of notes from the catalogue than one in a hundred of people's unseen tunes has."""


@dataclass(frozen=True)
class Group:
    """The held-out tunes of one style, and a plan for a piece beside each."""

    style: str
    tunes: Sequence[Melody]
    plans: Sequence[Plan]


def add_band_rows(
    report: Report, split: Path, part: str, contestants: dict[str, ComposerPolicy], pieces_per_tune: int, *, quick: bool = False
) -> None:
    """For each style: shares of pieces inside the bands of that part's people, overlaps with them, and the share that copies
    training tunes; then pieces of what was never seen together."""
    from composer.copies import CatalogueIndex, Originality, copy_limits
    from composer.learning.measuring import measure_version
    from composer.learning.replay_dataset import MelodyDataset, Tune
    from recsys import corpus

    parts = read_split(split)
    if not parts:
        report.note("no bands: there is no split to tell held-out tunes")
        return
    every = 30 if quick else 1
    tunes = list(read_tunes(parts, tuple(corpus.BY_NAME), lambda number: number % every == 0))
    index = CatalogueIndex.of(tune.score.melody for tune in tunes if tune.split == "train")
    unseen = [tune for tune in tunes if tune.split == part]
    limits = copy_limits([(tune.style, tune.score.melody) for tune in unseen], index)
    originality = Originality(catalogue=index, limits=limits)
    for style in STYLES:
        group = group_of_style(style, unseen)
        if len(group.tunes) < 2:
            continue
        _add_rows_of_style(report, group, originality, contestants, pieces_per_tune)
    add_summary(report)
    taught, aside = (
        tuple(Tune(melody=t.score.melody, style=t.style, group=t.source) for t in tunes if t.split == name)
        for name in ("train", part)
    )
    for name, policy in contestants.items():
        add_rows_of_new(report, name, measure_version(policy, MelodyDataset(taught, kept_aside=aside)))


def _add_rows_of_style(
    report: Report, group: Group, originality: Originality, contestants: dict[str, ComposerPolicy], pieces_per_tune: int
) -> None:
    from composer.copies import LONGEST_SHARED_NOTES, SHARED_SHARE, copied_share, mean_shared_share

    style = group.style
    people = Measured.of(group.tunes, [style] * len(group.tunes))
    bands = {name: tuple(np.percentile(people.values[measure], [10, 90])) for name, measure in MEASURES.items()}
    report.add(f"people: {style}", "longest_copy_allowed", float(originality.limits.get(style, LONGEST_SHARED_NOTES)))
    usual = mean_shared_share(group.tunes, originality.catalogue)
    report.add(f"people: {style}", "shared_runs_of_ten", usual)
    _add_shares(report, f"people: {style}", group.tunes, bands, None)
    _add_overlaps(report, f"people: {style}", *halves(people))
    for name, policy in contestants.items():
        pieces = [melody for seed in range(pieces_per_tune) for melody in write_beside(policy, group, seed)]
        _add_shares(report, f"{name}: {style}", pieces, bands, TARGET_SHARE if name == "ours" else None)
        _add_overlaps(report, f"{name}: {style}", Measured.of(pieces, [style] * len(pieces)), people)
        copied = copied_share(pieces, [style] * len(pieces), originality)
        aim = MOST_COPIED if name == "ours" else None
        report.add(f"{name}: {style}", "copied", copied, target=aim, smaller_is_better=True)
        shared, aim = mean_shared_share(pieces, originality.catalogue), max(SHARED_SHARE, usual) if name == "ours" else None
        report.add(f"{name}: {style}", "shared_runs_of_ten", shared, target=aim, smaller_is_better=True)


def add_rows_of_new(report: Report, name: str, measured: dict[str, Any]) -> None:
    """Generalisation, as a version's page shows it: pieces in a style, metre and mode never seen together, after usual ones."""
    figures = [*((f"inside_{row['name']}", row["inside"], row["unseen_inside"]) for row in measured.get("rows", ()))]
    figures += [(figure["name"], figure["pieces"], figure["unseen"]) for figure in measured.get("figures", ())]
    for metric, usual, new in figures:
        if new is not None:
            report.add(f"{name}, eight bars", metric, usual)
            report.add(f"{name}, never seen together", metric, new)


def add_summary(report: Report) -> None:
    """Over all styles: the share of our bands that hold TARGET_SHARE of the pieces, and the largest share of copies."""
    ours = [row for row in report.rows if row["name"].startswith("ours: ")]
    kept = [row["met"] for row in ours if row["metric"].startswith("inside_")]
    if kept:
        report.add("ours", "bands_kept", float(np.mean(kept)), target=1.0)
        copied = max(row["value"] for row in ours if row["metric"] == "copied")
        report.add("ours", "copied_at_most", copied, target=MOST_COPIED, smaller_is_better=True)


def _add_shares(
    report: Report, name: str, melodies: Sequence[Melody], bands: dict[str, tuple[float, ...]], target: float | None
) -> None:
    measured = Measured.of(melodies, [name] * len(melodies)).values
    for measure, (low, high) in bands.items():
        shown = measured[MEASURES[measure]]
        report.add_samples(name, f"inside_{measure}", (shown >= low - 1e-9) & (shown <= high + 1e-9), target=target)
        report.add(name, f"median_{measure}", float(np.median(shown)))
    for measure, share in form_of(melodies).items():
        report.add(name, measure, share)


def _add_overlaps(report: Report, name: str, one: Measured, other: Measured) -> None:
    """Overlapping area on one grid of each measure and profile: of pieces with people's tunes, or of two halves of these."""
    areas = overlaps(one, other)
    for shown, measure in (*MEASURES.items(), *((profile, profile) for profile in PROFILES)):
        report.add(name, f"overlap_{shown}", areas[measure])


def group_of_style(style: str, tunes: Sequence[SplitTune]) -> Group:
    """Tunes of the style whose metre and length can be asked for, each with the plan of a piece like it: MOST_TUNES at most,
    spread over all of them, since they stand book by book."""
    from composer.constraints import Plan
    from composer.steering import ImpossibleSteering, Steering

    fitting: list[tuple[Melody, Plan]] = []
    for tune in tunes:
        melody = tune.score.melody
        bars = round(melody.quarters / melody.bar_quarters)
        if tune.style != style or not FEWEST_BARS <= bars <= MOST_BARS:
            continue
        try:
            steering = Steering(style=style, tonic=melody.tonic, mode=melody.mode, metre=melody.metre, bars=bars)
        except ImpossibleSteering:
            continue
        fitting.append((melody, Plan(steering=steering)))
    spread = np.linspace(0, len(fitting) - 1, min(len(fitting), MOST_TUNES)).round().astype(int)
    chosen = [fitting[place] for place in spread]
    return Group(style, [melody for melody, _ in chosen], [plan for _, plan in chosen])


def write_beside(policy: ComposerPolicy, group: Group, seed: int) -> list[Melody]:
    """One piece for each plan, as the service writes it: a copy is written anew."""
    seeds = [seed * 1_000_003 + number for number in range(len(group.plans))]
    return policy.write_original(group.plans, [None] * len(group.plans), seeds=seeds).melodies
