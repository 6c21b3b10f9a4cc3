"""What people's tunes of a style and metre are like, and how far a piece lies outside of it. Before: measures. After: judging.

Shapes: N notes, n melodies, F features of `music.features`, X figures that are held against people's, E of them told early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.line import Line
from composer.measures import groove_consistency
from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody

BANDED = (
    "notes_per_quarter_over_4",
    "range_over_36_semitones",
    "mean_interval_over_8_semitones",
    "share_of_repeated_pitches",
    "share_of_steps",
    "share_of_thirds",
    "share_of_leaps",
    "share_of_turns",
    "share_of_syncopated_notes",
    "share_of_dotted_notes",
    "share_of_triplet_notes",
    "rest_time_share",
    "pitch_class_entropy_over_log2_12",
    "duration_entropy_over_3_bits",
    "share_of_bars_with_repeated_rhythm",
    "share_of_repeated_bars",
    "share_of_bars_repeated_with_changed_ending",
    "place_of_highest_note",
)
"""Features that should lie where people's do."""
GROOVE, LAST_NOTE = "groove_consistency", "length_of_last_note_over_median"
FIGURES = (*BANDED, GROOVE, LAST_NOTE)
"""All X; how alike the rhythms of neighbouring bars are and how long the last note is are no features of a taste."""
EARLY = (
    "range_over_36_semitones",
    "mean_interval_over_8_semitones",
    "notes_per_quarter_over_4",
    GROOVE,
    "pitch_class_entropy_over_log2_12",
    "share_of_bars_with_repeated_rhythm",
)
"""Figures that are told before the piece ends. What is told at its end alone is hardly learned: λ reaches back five
notes that were chosen."""
EARLY_OF_BANDED = np.array([FIGURES.index(name) for name in EARLY])
EDGES = (20, 80)
"""Percentiles of people's tunes between which a figure costs nothing. Pieces gather at the edge they come from; from this one
most of them lie where eight of ten of people's do."""
FEWEST_BANDED_BARS = 5
"""Shorter pieces are no tunes: the bands of whole tunes say nothing about them."""
CELL_TICKS = 12
"""A sixteenth: so finely is groove measured."""
_BANDED = np.array([NAMES.index(name) for name in BANDED])
MOVED_BY = {
    "density": ("notes_per_quarter_over_4", "duration_entropy_over_3_bits"),
    "leaps": (
        "range_over_36_semitones",
        "mean_interval_over_8_semitones",
        "share_of_steps",
        "share_of_thirds",
        "share_of_leaps",
    ),
    "syncopation": ("share_of_syncopated_notes", "share_of_dotted_notes", GROOVE),
}
"""Figures that a graded wish asks to be other than usual."""
FORMED = ("share_of_repeated_bars", "share_of_bars_repeated_with_changed_ending")
"""Figures that a form decides, as people's forms do."""
OUTSIDE_WIDTHS = 0.3
"""What a figure costs that lies outside its band at all, so that the last step back is worth going."""
LEAST_WIDTH = 0.04
"""A band counts as no narrower."""
ROUNDING = 1e-6
"""Less is no distance."""
PACE = FIGURES.index("notes_per_quarter_over_4")
Metre = tuple[int, int]


@dataclass(frozen=True)
class Bands:
    """People's percentiles of EDGES of each figure: of all styles together (the key ""), by style, and by style and metre."""

    of_group: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    @classmethod
    def measure(
        cls, figures_nX: NDArray[np.float64], styles_n: Sequence[str], metres_n: Sequence[Metre], fewest: int = 30
    ) -> Bands:
        """The bands of a catalogue. A style and metre of fewer tunes than `fewest` has those of its style, at any pace: reels
        in 2/4 run in sixteenths, those in 2/2 in eighths. A style of fewer has the bands of all."""
        groups_n = [("", style, _key(style, metre)) for style, metre in zip(styles_n, metres_n, strict=True)]
        found: dict[str, tuple[list[float], list[float]]] = {}
        for group in sorted({group for groups in groups_n for group in groups}):
            chosen = figures_nX[[group in groups for groups in groups_n]]
            if group == "" or len(chosen) >= fewest:
                low_X, high_X = np.percentile(chosen, EDGES, axis=0)
                found[group] = (low_X.tolist(), high_X.tolist())
        return cls(found)

    @property
    def are_current(self) -> bool:
        """Whether they hold just these figures; those of an older checkpoint have fewer, or one more."""
        return all(len(low) == len(FIGURES) for low, _ in self.of_group.values())

    def of(self, style: str, metre: Metre) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high edge of each figure, X; infinite where any will do."""
        own = self.of_group.get(_key(style, metre))
        low, high = own or self.of_group.get(style) or self.of_group[""]
        if len(low) == len(NAMES):  # the oldest measured every feature and nothing else
            low, high = np.array(low)[_BANDED], np.array(high)[_BANDED]
        low, high = low[: len(FIGURES)], high[: len(FIGURES)]  # an older one measured how often bars come again, too
        missing = len(FIGURES) - len(low)  # what an older checkpoint has not measured
        low_X, high_X = np.array([*low, *[-np.inf] * missing]), np.array([*high, *[np.inf] * missing])
        if own is None and style in self.of_group:
            low_X[PACE], high_X[PACE] = -np.inf, np.inf
        return low_X, high_X


def _key(style: str, metre: Metre) -> str:
    return f"{style} in {metre[0]}/{metre[1]}"


def early_edges(bands: Bands, steering: Steering) -> NDArray[np.float64]:
    """Low and high edge of each figure of EARLY, 2E; nan where any will do."""
    if steering.bars < FEWEST_BANDED_BARS:
        return np.full((2, len(EARLY)), np.nan)
    edges_2X = np.stack(bands.of(steering.style, steering.metre))
    edges_2X = np.where(left_open(steering) | ~np.isfinite(edges_2X), np.nan, edges_2X)
    edges_2E: NDArray[np.float64] = edges_2X[:, EARLY_OF_BANDED]
    return edges_2E


def banded(melody: Melody, phi_F: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """What of a melody is held against people's bands, X; takes its features where they are known."""
    phi_F = features(melody) if phi_F is None else phi_F
    quarters_n = [float(note.quarters) for note in melody.notes if note.pitch is not None]
    last = quarters_n[-1] / float(np.median(quarters_n)) if quarters_n else 1.0
    return np.array([*phi_F[_BANDED], groove_consistency(melody), last])


def left_open(steering: Steering, form: str = "") -> NDArray[np.bool_]:
    """Which figures the wishes ask to be other than usual, or the form decides, X."""
    moved = {figure for wish, figures in MOVED_BY.items() if getattr(steering, wish) is not None for figure in figures}
    moved |= set(FORMED if form else ())
    return np.array([name in moved for name in FIGURES])


def band_misses(figures_X: NDArray[np.float64], edges_2X: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each figure lies outside its band: in widths, at most 2, and OUTSIDE_WIDTHS for being outside at all."""
    low_X, high_X = edges_2X
    width_X = np.maximum(high_X - low_X, LEAST_WIDTH)
    outside_X = np.maximum(low_X - figures_X, 0) + np.maximum(figures_X - high_X, 0)
    miss_X: NDArray[np.float64] = np.minimum(outside_X / width_X, 2.0) + OUTSIDE_WIDTHS * (outside_X > ROUNDING)
    return miss_X


def band_miss(figures_X: NDArray[np.float64], bands: Bands, style: str, metre: Metre) -> float:
    """How far the figures lie outside people's bands, in all."""
    return float(band_misses(figures_X, np.stack(bands.of(style, metre))).sum())


def early_figures(line: Line) -> NDArray[np.float64]:
    """The figures of EARLY after each note, NE: those that a few notes settle, and that need not wait for the end. Groove is
    nan in the first bar, repeated rhythms until two are full."""
    pitch_N = np.array([np.nan if pitch is None else pitch for pitch in line.pitches], dtype=np.float64)
    sounds_N = np.isfinite(pitch_N)
    heard = pitch_N[sounds_N]
    count_N = np.maximum(np.cumsum(sounds_N), 1)
    if not len(heard):
        return np.full((len(pitch_N), len(EARLY)), np.nan)
    range_n = np.maximum.accumulate(heard) - np.minimum.accumulate(heard)
    moved_n = np.cumsum(np.abs(np.diff(heard, prepend=heard[0]))) / np.maximum(np.arange(len(heard)), 1)
    quarters_N = np.maximum((line.starts + line.ticks) / 48, 0.25)
    density_N = np.cumsum(sounds_N) / quarters_N / 4
    groove_N, entropy_N = _early_groove(line, sounds_N), _early_entropy(heard)[count_N - 1]
    told = (range_n[count_N - 1] / 36, moved_n[count_N - 1] / 8, density_N, groove_N, entropy_N)
    return np.stack([*told, _early_rhythms(line)], axis=1)


def _early_entropy(heard_n: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of the pitch classes up to each sounding note, over log₂ 12, n."""
    count_nP = np.cumsum(heard_n[:, None] % 12 == np.arange(12), axis=0)
    share_nP = count_nP / count_nP.sum(axis=1, keepdims=True)
    entropy_n: NDArray[np.float64] = -(share_nP * np.log2(np.where(share_nP > 0, share_nP, 1.0))).sum(axis=1) / np.log2(12)
    return entropy_n


def _early_rhythms(line: Line) -> NDArray[np.float64]:
    """Of the bars that are full after each note, the share whose rhythm came before, N."""
    share_N = np.full(len(line.pitches), np.nan)
    rhythms: set[tuple[int, ...]] = set()
    again = 0
    for number, (bar, now) in enumerate(zip(line.bars, line.whole_bars, strict=True)):
        if not bar or line.starts[bar[-1]] + line.ticks[bar[-1]] < (number + 1) * line.bar_ticks:
            continue
        rhythm = tuple(ticks for _, ticks in now)
        again += rhythm in rhythms
        rhythms.add(rhythm)
        if number:
            share_N[bar[-1] :] = again / number
    return share_N


def _early_groove(line: Line, sounds_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 less the share of sixteenths since the second bar that differ from those a bar before in whether a note begins, N."""
    done_N, bar = (line.starts + line.ticks) // CELL_TICKS, max(line.bar_ticks // CELL_TICKS, 1)
    begins_C = np.zeros(bar + int(done_N[-1]) + 1, dtype=bool)
    begins_C[bar + line.starts[sounds_N] // CELL_TICKS] = True
    differs_C = begins_C[bar:] != begins_C[:-bar]
    differs_C[:bar] = False
    differing_C = np.concatenate([[0], np.cumsum(differs_C)])
    compared_N = done_N - bar
    return np.where(compared_N > 0, 1 - differing_C[done_N] / np.maximum(compared_N, 1), np.nan)
