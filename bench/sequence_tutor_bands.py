"""Do full-length pieces lie where people's do? A piece beside each held-out tune: its style, key, metre and length.

A band is people's 10th to 90th percentile, so that eight of ten of their own tunes lie inside. After: sequence_tutor.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.report import Report
from bench.split_tunes import SplitTune, read_split, read_tunes
from music.features import NAMES, bars_of, features
from music.keys import SCALE_STEPS
from music.notes import Melody

if TYPE_CHECKING:
    from composer.constraints import Plan
    from composer.learning.policy import ComposerPolicy

STYLES = ("reel", "jig", "german folk", "chinese folk", "chorale")
TARGET_SHARE = 0.75
MOST_TUNES = 60
"""Of a style."""
FEWEST_BARS, MOST_BARS = 5, 32
SIXTEENTHS_PER_QUARTER = 4


def _bits(counts: NDArray[np.float64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _pitches(melody: Melody) -> NDArray[np.int64]:
    return np.array([note.pitch for note in melody.notes if note.pitch is not None])


def pitch_class_entropy(melody: Melody) -> float:
    """In bits, over the notes."""
    return _bits(np.bincount(_pitches(melody) % 12, minlength=12).astype(np.float64))


def scale_consistency(melody: Melody) -> float:
    """Share of the notes in the major or minor scale that holds most of them."""
    classes = _pitches(melody) % 12
    scales = [SCALE_STEPS[mode] for mode in ("major", "minor")]
    return max(float(np.isin((classes - root) % 12, list(scale)).mean()) for scale in scales for root in range(12))


def groove_consistency(melody: Melody) -> float:
    """1 less the share of sixteenths at which a bar and the next one differ in whether a note begins."""
    bars: dict[int, set[int]] = {}
    for start, note in melody.onsets():
        bar, place = divmod(start - melody.pickup, melody.bar_quarters)
        if bar >= 0 and note.pitch is not None:
            bars.setdefault(int(bar), set()).add(int(Fraction(place) * SIXTEENTHS_PER_QUARTER))
    differing = [len(bars.get(bar, set()) ^ bars.get(bar + 1, set())) for bar in range(max(bars, default=0))]
    return 1 - float(np.mean(differing)) / float(melody.bar_quarters * SIXTEENTHS_PER_QUARTER) if differing else 1.0


def _feature(name: str) -> Callable[[Melody], float]:
    number = NAMES.index(name)
    return lambda melody: float(features(melody)[number])


MEASURES: dict[str, Callable[[Melody], float]] = {
    "pitch_class_entropy": pitch_class_entropy,
    "scale_consistency": scale_consistency,
    "groove_consistency": groove_consistency,
    "repeated_bars": _feature("share_of_repeated_bars"),
    "changed_endings": _feature("share_of_bars_repeated_with_changed_ending"),
    "mean_interval": lambda melody: float(np.mean([abs(after - before) for before, after in pairwise(_pitches(melody))])),
    "range": lambda melody: float(np.ptp(_pitches(melody))),
}


def opening_again(melody: Melody) -> float:
    """Of the first and second bar of each eight, the share that the fifth and sixth repeat: a b c d a b …"""
    bars = bars_of(melody)
    return _share([bars[number] == bars[number - 4] for number in range(4, len(bars)) if number % 8 in (4, 5)])


def ending_again(melody: Melody) -> float:
    """Of the sixth and seventh bar of each eight, the share that was heard eight bars before: two parts that end alike."""
    bars = bars_of(melody)
    return _share([bars[number] == bars[number - 8] for number in range(8, len(bars)) if number % 8 in (5, 6)])


def _share(found: list[bool]) -> float:
    return float(np.mean(found)) if found else float("nan")


FORM: dict[str, Callable[[Melody], float]] = {
    "opening_comes_again_after_four_bars": opening_again,
    "ending_comes_again_after_eight_bars": ending_again,
}
"""Where bars come again: shown as a mean beside people's, since a piece has too few such bars for a band."""


@dataclass(frozen=True)
class Group:
    """The held-out tunes of one style, and a plan for a piece beside each."""

    style: str
    tunes: Sequence[Melody]
    plans: Sequence[Plan]


def add_band_rows(
    report: Report, split: Path, contestants: dict[str, ComposerPolicy], pieces_per_tune: int, *, quick: bool = False
) -> None:
    """For each style: the share of pieces inside each of people's bands, and the share that copies the training tunes."""
    from composer.copies import LONGEST_SHARED_NOTES, CatalogueIndex, Originality, copied_share, copy_limits
    from recsys import corpus

    parts = read_split(split)
    if not parts:
        report.note("no bands: there is no split to tell held-out tunes")
        return
    every = 10 if quick else 1
    tunes = list(read_tunes(parts, tuple(corpus.BY_NAME), lambda number: number % every == 0))
    index = CatalogueIndex.of(tune.score.melody for tune in tunes if tune.split == "train")
    unseen = [(tune.style, tune.score.melody) for tune in tunes if tune.split == "test"]
    limits = copy_limits(unseen, index)
    originality = Originality(catalogue=index, limits=limits)
    for style in STYLES:
        group = group_of_style(style, [tune for tune in tunes if tune.split == "test"])
        if len(group.tunes) < 2:
            continue
        bands = {name: tuple(np.percentile([of(m) for m in group.tunes], [10, 90])) for name, of in MEASURES.items()}
        report.add(f"people: {style}", "longest_copy_allowed", float(limits.get(style, LONGEST_SHARED_NOTES)))
        _add_shares(report, f"people: {style}", group.tunes, bands, None)
        for name, policy in contestants.items():
            pieces = [melody for seed in range(pieces_per_tune) for melody in write_beside(policy, group, seed)]
            _add_shares(report, f"{name}: {style}", pieces, bands, TARGET_SHARE if name == "ours" else None)
            copied = copied_share(pieces, [style] * len(pieces), originality)
            aim = 0.02 if name == "ours" else None
            report.add(f"{name}: {style}", "copied", copied, target=aim, smaller_is_better=True)


def _add_shares(
    report: Report, name: str, melodies: Sequence[Melody], bands: dict[str, tuple[float, ...]], target: float | None
) -> None:
    for measure, (low, high) in bands.items():
        shown = np.array([MEASURES[measure](melody) for melody in melodies])
        report.add_samples(name, f"inside_{measure}", (shown >= low - 1e-9) & (shown <= high + 1e-9), target=target)
        report.add(name, f"median_{measure}", float(np.median(shown)))
    for measure, of in FORM.items():
        found = np.array([of(melody) for melody in melodies])
        if np.isfinite(found).any():
            report.add(name, measure, float(np.nanmean(found)))


def group_of_style(style: str, tunes: Sequence[SplitTune]) -> Group:
    """Tunes of the style whose metre and length can be asked for, each with the plan of a piece like it."""
    from composer.constraints import Plan
    from composer.steering import ImpossibleSteering, Steering

    chosen: list[Melody] = []
    plans: list[Plan] = []
    for tune in tunes:
        melody = tune.score.melody
        bars = round(melody.quarters / melody.bar_quarters)
        if tune.style != style or not FEWEST_BARS <= bars <= MOST_BARS or len(chosen) == MOST_TUNES:
            continue
        try:
            steering = Steering(style=style, tonic=melody.tonic, mode=melody.mode, metre=melody.metre, bars=bars)
        except ImpossibleSteering:
            continue
        chosen.append(melody)
        plans.append(Plan(steering=steering))
    return Group(style, chosen, plans)


def write_beside(policy: ComposerPolicy, group: Group, seed: int) -> list[Melody]:
    """One piece for each plan, as the service writes it: a copy is written anew."""
    seeds = [seed * 1_000_003 + number for number in range(len(group.plans))]
    return policy.write_original(group.plans, [None] * len(group.plans), seeds=seeds).melodies
