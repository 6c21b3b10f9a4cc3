"""Melodies beside people's: bands, shares inside them, overlap. Before: measures.py. After: the gate, a run's figures, bench.

Shapes: n melodies, k classes of a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.measures import BANDED, MEASURES, PROFILES, Floats, Measured

GRID_CELLS = 20
"""Of the one grid on which the values of both groups are counted."""
FEWEST_OF_STYLE = 30
"""Of a style with fewer tunes the bands of all serve."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure of pieces beside people's."""

    name: str
    title: str
    is_rule: bool
    people: tuple[float, float, float]
    """Their 10th, 50th and 90th percentile."""
    pieces: float
    """Median; the mean where there is only yes and no."""
    inside: float
    """Share of the pieces within people's 10th … 90th percentile of the same style; of people's own it is about 0.8."""
    overlap: float
    """Overlapping area of both histograms on one grid, 0 … 1: the mean over the pieces of that within their style."""
    people_overlap: float
    """The same between two halves of people's: what as many melodies can reach at most."""


@dataclass(frozen=True, kw_only=True)
class StyleRow:
    """Pieces of one style beside people's tunes of it."""

    style: str
    """"" where people's tunes of the style are too few: these pieces stand beside all tunes."""
    pieces: int
    inside: float
    """Mean of the shares within people's bands, over the measures of BANDED."""
    overlaps: Mapping[str, float]
    """Overlapping area by measure and by profile, 0 … 1."""
    people_overlaps: Mapping[str, float]
    """The same between two halves of people's."""


def compare_styles(pieces: Measured, people: Measured) -> list[StyleRow]:
    """A row for each style of the pieces that people have FEWEST_OF_STYLE tunes of, and one for the other pieces together."""
    theirs_n = np.array(people.styles)
    common = [style for style in dict.fromkeys(pieces.styles) if (theirs_n == style).sum() >= FEWEST_OF_STYLE]
    named_n = np.array([style if style in common else "" for style in pieces.styles])
    rows = []
    for style in dict.fromkeys(named_n.tolist()):
        own = pieces.at(np.flatnonzero(named_n == style))
        others = people.at(np.flatnonzero(theirs_n == style)) if style else people
        inside = [is_inside(own.values[name], own.styles, others.values[name], others.styles) for name in BANDED]
        rows.append(
            StyleRow(
                style=style,
                pieces=len(own),
                inside=float(np.mean(inside)),
                overlaps=overlaps(own, others),
                people_overlaps=overlaps(*halves(others)),
            )
        )
    return rows


def overlaps(one: Measured, other: Measured) -> dict[str, float]:
    """Overlapping area of every measure and every profile of two groups, 0 … 1."""
    areas = {name: overlapping_area(one.values[name], other.values[name]) for name in MEASURES}
    return areas | {
        name: profile_overlap(one.profiles[name].sum(axis=0), other.profiles[name].sum(axis=0)) for name in PROFILES
    }


def halves(group: Measured) -> tuple[Measured, Measured]:
    """Every other melody, and the rest."""
    rows = np.arange(len(group))
    return group.at(rows[::2]), group.at(rows[1::2])


def mean_overlap(rows: Sequence[StyleRow], name: str, *, of_people: bool = False) -> float:
    """Over the pieces of all styles, of one measure or profile."""
    areas = [(row.people_overlaps if of_people else row.overlaps)[name] for row in rows]
    return float(np.average(areas, weights=[row.pieces for row in rows]))


def compare(pieces: Measured, people: Measured) -> list[Row]:
    """All measures of pieces beside those of people's melodies, which should be of the same styles, lengths and mix."""
    rows, of_styles = [], compare_styles(pieces, people)
    for name, each in MEASURES.items():
        own_n, theirs_n = pieces.values[name], people.values[name]
        low, high = np.percentile(theirs_n, [10, 90])
        is_yes_or_no = set(np.unique(np.concatenate([own_n, theirs_n]))) <= {0.0, 1.0}
        rows.append(
            Row(
                name=name,
                title=each.title,
                is_rule=each.is_rule,
                people=(float(low), middle_of(theirs_n, as_mean=is_yes_or_no), float(high)),
                pieces=middle_of(own_n, as_mean=is_yes_or_no),
                inside=float(np.mean(is_inside(own_n, pieces.styles, theirs_n, people.styles))),
                overlap=mean_overlap(of_styles, name),
                people_overlap=mean_overlap(of_styles, name, of_people=True),
            )
        )
    return rows


def middle_of(values_n: Floats, *, as_mean: bool) -> float:
    """Median; the mean of what is yes or no."""
    return float(values_n.mean() if as_mean else np.median(values_n))


def is_inside(values_n: Floats, styles_n: Sequence[str], people_n: Floats, people_styles_n: Sequence[str]) -> NDArray[np.bool_]:
    """For each value whether it lies within people's 10th … 90th percentile of its style; of all where people of the style
    are too few."""
    bands = bands_of(people_n, people_styles_n)
    edges_n2 = np.array([bands.get(style, bands[""]) for style in styles_n])
    return np.asarray((values_n >= edges_n2[:, 0] - 1e-9) & (values_n <= edges_n2[:, 1] + 1e-9))


def bands_of(values_n: Floats, styles_n: Sequence[str]) -> dict[str, tuple[float, float]]:
    """10th and 90th percentile by style, for styles with FEWEST_OF_STYLE values or more; "" has those of all."""
    bands = {}
    for style in ("", *sorted(set(styles_n))):
        chosen = values_n if style == "" else values_n[[name == style for name in styles_n]]
        if style == "" or len(chosen) >= FEWEST_OF_STYLE:
            low, high = np.percentile(chosen, [10, 90])
            bands[style] = (float(low), float(high))
    return bands


def overlapping_area(one_n: Floats, other_n: Floats) -> float:
    """Area under the lower of two histograms on one grid of GRID_CELLS between their extremes, 0 … 1 (Yang and Lerch 2020,
    https://doi.org/10.1007/s00521-018-3849-7, who smooth first; counts need no bandwidth)."""
    together = np.concatenate([one_n, other_n])
    low, high = float(together.min()), float(together.max())
    if low == high:
        return 1.0
    counts = [np.histogram(values, bins=GRID_CELLS, range=(low, high))[0] / len(values) for values in (one_n, other_n)]
    return float(np.minimum(*counts).sum())


def profile_overlap(one_k: Floats, other_k: Floats) -> float:
    """Area under the lower of two profiles, 0 … 1; 0 where one is empty."""
    totals = one_k.sum(), other_k.sum()
    return float(np.minimum(one_k / totals[0], other_k / totals[1]).sum()) if min(totals) > 0 else 0.0
