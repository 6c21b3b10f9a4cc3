"""Sets lyrics under the notes of a finished melody; no note changes. Before: lyrics.py, composing. After: the score.

Each syllable gets a note of its own, in order; notes left over hold the syllable before them. S syllables, N notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from composer.prompting.lyrics import Verse
from composer.prompting.syllables import Syllable
from composer.prompting.tones import Followed, directions, followed, glides
from music.counted import beat_quarters
from music.notes import Melody

Lines = Sequence[tuple[Syllable, ...]]
STRONG_QUARTERS = (1.0, 0.5, 0.25)
"""How many quarter notes a stressed syllable may move to begin on a bar, on half of one, on a beat."""
LONGEST_UPBEAT = 2
"""Syllables."""
TONE_QUARTERS = 0.5
"""How many quarter notes a syllable may move to be reached, or held, in the direction of its tone."""


@dataclass(frozen=True, kw_only=True)
class Underlay:
    """The syllable of each sounding note, as `music.notes.Voice` takes it, and how much of the lyrics it is."""

    lyrics: tuple[str, ...]
    notes: tuple[int, ...]
    """The note, among the sounding ones, on which each syllable begins."""
    lines: int
    """Lines that are set."""
    of_lines: int
    of_syllables: int
    stressed: int
    """Stressed syllables that are set."""
    stressed_on_strong: int
    """Those that begin a bar or half of one."""
    tones: Followed
    """Steps into syllables."""
    glides: Followed
    """Steps within syllables."""

    @property
    def fit(self) -> float:
        """How well the melody takes the words: the share of what tones and stress ask for that it does, less 1 for every
        syllable without a note. 0 where the words ask for nothing."""
        asked = self.tones.asked + self.glides.asked + self.stressed
        done = self.tones.followed + self.glides.followed + self.stressed_on_strong
        return done / max(asked, 1) - (self.of_syllables - len(self.notes))

    def figures(self) -> dict[str, int]:
        """For the piece's recipe; of stress and tones only where the words have any."""
        found = {
            "lines": self.lines,
            "of_lines": self.of_lines,
            "syllables": len(self.notes),
            "of_syllables": self.of_syllables,
        }
        if self.stressed:
            found |= {"stressed": self.stressed, "stressed_on_strong_beats": self.stressed_on_strong}
        for name, steps in (("tone_steps", self.tones), ("tone_glides", self.glides)):
            if steps.asked:
                found |= {name: steps.asked, f"{name}_followed": steps.followed, f"{name}_opposed": steps.opposed}
        return found


def underlay(verse: Verse, melody: Melody) -> Underlay:
    """The words under the melody. Of lyrics with more syllables than there are notes, whole lines are left out at the end."""
    sounding = [(start, note.pitch) for start, note in melody.onsets() if note.pitch is not None]
    lines = list(verse.lines)
    while lines and sum(len(line) for line in lines) > len(sounding):
        lines.pop()
    lyrics = [""] * len(sounding)
    notes: list[int] = []
    onset_N = np.array([float(start) for start, _ in sounding])
    step_N = np.diff(np.array([pitch for _, pitch in sounding]), prepend=sounding[0][1] if sounding else 0)
    strength_N = np.array([_strength(melody, start) for start, _ in sounding])
    syllables = [syllable for line in lines for syllable in line]
    if lines:
        notes = _chosen(*_costs(lines, onset_N, strength_N, step_N, float(melody.quarters)))
        for syllable, note in zip(syllables, notes, strict=True):
            lyrics[note] = syllable.text + "-" * syllable.goes_on
    stressed = [note for syllable, note in zip(syllables, notes, strict=True) if syllable.is_stressed]
    tones, within = tones_followed(lines, notes, step_N)
    return Underlay(
        lyrics=tuple(lyrics),
        notes=tuple(notes),
        lines=len(lines),
        of_lines=len(verse.lines),
        of_syllables=verse.syllables,
        stressed=len(stressed),
        stressed_on_strong=int(np.count_nonzero(strength_N[stressed] >= STRONG_QUARTERS[1])),
        tones=tones,
        glides=within,
    )


def fit_of(verse: Verse, melody: Melody) -> float:
    """How well this melody takes the words."""
    return underlay(verse, melody).fit


def tones_followed(lines: Lines, notes: Sequence[int], step_N: NDArray[np.int64]) -> tuple[Followed, Followed]:
    """How the melody goes with the tones from syllable to syllable, and within those that are held over several notes."""
    into = [way for line in lines for way in directions(line)]
    within = [way for line in lines for way in glides(line)]
    ends = [*notes, len(step_N)][1:]
    held = [(way, int(step)) for way, start, end in zip(within, notes, ends, strict=True) for step in step_N[start + 1 : end]]
    tones = followed(into, [int(step_N[note]) for note in notes])
    return tones, followed([way for way, _ in held], [step for _, step in held])


def _strength(melody: Melody, start: Fraction) -> float:
    """How strong the beat is on which a note begins, in quarter notes. The middle of a waltz's bar is no beat."""
    place, bar = melody.place_in_bar(start), melody.bar_quarters
    on_bar, on_half, on_beat = STRONG_QUARTERS
    if place == 0:
        return on_bar
    if place % beat_quarters(melody.metre):
        return 0.0
    return on_half if 2 * place == bar else on_beat


def _costs(
    lines: Lines, onset_N: NDArray[np.float64], strength_N: NDArray[np.float64], step_N: NDArray[np.int64], quarters: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What it costs to begin each syllable on each note, and to hold it there, SN. To begin: how far it is from an even
    flow, less where stress meets a beat or the step is the tone's. To hold: nothing, less where the step is the tone's."""
    each = quarters / len(lines)
    flow_S = np.array(
        [
            each * (number + (place - _upbeat(line)) / len(line))
            for number, line in enumerate(lines)
            for place in range(len(line))
        ]
    )
    weight_S = np.array([weight for line in lines for weight in _weights(line)])
    into_S = np.array([way for line in lines for way in directions(line)])
    within_S = np.array([way for line in lines for way in glides(line)])
    way_N = np.sign(step_N)
    away_SN = np.abs(onset_N[None, :] - flow_S[:, None])
    begun_SN = away_SN - weight_S[:, None] * strength_N[None, :] - TONE_QUARTERS * into_S[:, None] * way_N[None, :]
    return np.asarray(begun_SN, dtype=np.float64), -TONE_QUARTERS * within_S[:, None] * way_N[None, :]


def _upbeat(line: tuple[Syllable, ...]) -> int:
    """How many syllables come before the first stressed one: “the RIver” begins in the bar before, as it is spoken. More than
    two are no upbeat."""
    first = next((place for place, syllable in enumerate(line) if syllable.is_stressed), 0)
    return first if first <= LONGEST_UPBEAT else 0


def _weights(line: tuple[Syllable, ...]) -> list[float]:
    """How much each syllable wants a strong beat; nothing is known of a line without stress."""
    if not any(syllable.is_stressed for syllable in line):
        return [0.0] * len(line)
    return [1.0 if syllable.is_stressed else -0.5 for syllable in line]


def _chosen(begun_SN: NDArray[np.float64], held_SN: NDArray[np.float64]) -> list[int]:
    """The cheapest rising choice of one note for each syllable, by dynamic programming."""
    syllables, notes = begun_SN.shape
    came_SN = np.zeros((syllables, notes), dtype=np.int64)
    held_SN = held_SN.cumsum(axis=1)
    best_N = begun_SN[0].copy()
    for syllable in range(1, syllables):
        before_N = held_SN[syllable - 1]
        open_N = best_N - before_N
        least_N = np.minimum.accumulate(open_N)
        first_N = np.maximum.accumulate(np.where(open_N == least_N, np.arange(notes), 0))
        came_SN[syllable, 1:] = first_N[:-1]
        best_N = np.concatenate([[np.inf], (least_N + before_N)[:-1]]) + begun_SN[syllable]
    note = int(np.argmin(best_N + held_SN[-1, -1] - held_SN[-1]))
    chosen = [note]
    for syllable in range(syllables - 1, 0, -1):
        note = int(came_SN[syllable, note])
        chosen.append(note)
    return chosen[::-1]
