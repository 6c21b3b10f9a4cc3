"""Sets lyrics under the notes of a finished melody; no note changes. Before: lyrics.py, composing. After: the score.

Each syllable gets a note of its own, in order; notes left over hold the syllable before them. S syllables, N notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from composer.prompting.lyrics import verse_of
from composer.prompting.syllables import Syllable
from music.notes import Melody

STRONG_QUARTERS = (1.0, 0.5, 0.25)
"""How many quarter notes a stressed syllable may move to begin on a bar, on half of one, on a beat."""


@dataclass(frozen=True, kw_only=True)
class Underlay:
    """The syllable of each sounding note, as `music.notes.Voice` takes it, and how much of the lyrics it is."""

    lyrics: tuple[str, ...]
    lines: int
    """Lines that are set."""
    of_lines: int


def underlay(text: str, melody: Melody) -> Underlay:
    """The words under the melody. Of lyrics with more syllables than there are notes, whole lines are left out at the end."""
    all_lines = verse_of(text).lines
    onsets = [start for start, note in melody.onsets() if note.pitch is not None]
    lines = list(all_lines)
    while lines and sum(len(line) for line in lines) > len(onsets):
        lines.pop()
    lyrics = [""] * len(onsets)
    if lines:
        syllables = [syllable for line in lines for syllable in line]
        place_N = np.array([float(melody.place_in_bar(start)) for start in onsets])
        for syllable, note in zip(
            syllables,
            _chosen(_cost(lines, np.array(onsets, dtype=np.float64), place_N, melody)),
            strict=True,
        ):
            lyrics[note] = syllable.text + "-" * syllable.goes_on
    return Underlay(lyrics=tuple(lyrics), lines=len(lines), of_lines=len(all_lines))


def _cost(
    lines: list[tuple[Syllable, ...]], onset_N: NDArray[np.float64], place_N: NDArray[np.float64], melody: Melody
) -> NDArray[np.float64]:
    """What each syllable costs on each note, SN: how far it is from an even flow, less where stress meets a beat."""
    each = float(melody.quarters) / len(lines)
    flow_S = np.array([each * (number + place / len(line)) for number, line in enumerate(lines) for place in range(len(line))])
    weight_S = np.array([weight for line in lines for weight in _weights(line)])
    bar = float(melody.bar_quarters)
    on_bar, on_half, on_beat = STRONG_QUARTERS
    strength_N = np.select([place_N == 0, place_N * 2 == bar, place_N % 1 == 0], [on_bar, on_half, on_beat], 0.0)
    away_SN = np.abs(onset_N[None, :] - flow_S[:, None])
    return np.asarray(away_SN - weight_S[:, None] * strength_N[None, :], dtype=np.float64)


def _weights(line: tuple[Syllable, ...]) -> list[float]:
    """How much each syllable wants a strong beat; nothing is known of a line without stress."""
    if not any(syllable.is_stressed for syllable in line):
        return [0.0] * len(line)
    return [1.0 if syllable.is_stressed else -0.5 for syllable in line]


def _chosen(cost_SN: NDArray[np.float64]) -> list[int]:
    """The cheapest rising choice of one note for each syllable, by dynamic programming."""
    syllables, notes = cost_SN.shape
    came_SN = np.zeros((syllables, notes), dtype=np.int64)
    best_N = cost_SN[0].copy()
    for syllable in range(1, syllables):
        least_N = np.minimum.accumulate(best_N)
        first_N = np.maximum.accumulate(np.where(best_N == least_N, np.arange(notes), 0))
        came_SN[syllable, 1:] = first_N[:-1]
        best_N = np.concatenate([[np.inf], least_N[:-1]]) + cost_SN[syllable]
    note = int(np.argmin(best_N))
    chosen = [note]
    for syllable in range(syllables - 1, 0, -1):
        note = int(came_SN[syllable, note])
        chosen.append(note)
    return chosen[::-1]
