"""People's tunes among the rollouts, note for note wherever the masks let them. Before: the catalogue. After: policy_training.

What people write is far from what a policy writes: of them the values learn what a whole form is worth. B lines of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from composer.constraints import Plan
from composer.excerpts import excerpt_of
from composer.forms import letters_of
from composer.learning.drawing import NOTHING
from composer.learning.features import Lines, in_ticks
from composer.learning.replay_dataset import Tune
from composer.learning.wishes import NOTES_OF_AN_EPISODE
from composer.steering import ImpossibleSteering, Steering
from composer.tokens import duration_number, pitch_token
from music.notes import Melody

BARS = (4, 8, 8, 16)
ROOM_SEMITONES = 3
"""Above the highest and below the lowest note of the tune."""
MOST_TRIES = 50


class Examples:
    """Draws beginnings of tunes that a piece could be asked to be like."""

    def __init__(self, tunes: Sequence[Tune]) -> None:
        self.tunes = tunes

    def draw(self, count: int, generator: np.random.Generator) -> list[tuple[Plan, Melody]]:
        """So many tunes with the plan of a piece of their kind; fewer where the catalogue has hardly any that fit."""
        found: list[tuple[Plan, Melody]] = []
        for _ in range(MOST_TRIES * count if self.tunes else 0):
            if len(found) == count:
                break
            tune = self.tunes[int(generator.integers(len(self.tunes)))]
            melody = excerpt_of(tune.melody, int(generator.choice(BARS)))
            plan = _plan_of(melody, tune.style) if melody is not None else None
            if melody is not None and plan is not None and len(melody.notes) <= NOTES_OF_AN_EPISODE:
                found.append((plan, melody))
        return found


def _plan_of(melody: Melody, style: str) -> Plan | None:
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    try:
        plan = Plan(
            steering=Steering(
                style=style[:40],
                tonic=melody.tonic,
                mode=melody.mode,
                metre=melody.metre,
                bars=round(melody.quarters / melody.bar_quarters),
                lowest=min(pitches) - ROOM_SEMITONES,
                highest=max(pitches) + ROOM_SEMITONES,
            )
        )
    except ImpossibleSteering:
        return None
    return replace(plan, form=letters_of(melody)) if plan.takes_form else plan


class ExampleGuide:
    """Forces the notes of tunes on the last lines of a batch; behind a note that was closed the line finds back by itself."""

    def __init__(self, lines: int, melodies: Sequence[Melody]) -> None:
        self.is_forced_B = np.arange(lines) >= lines - len(melodies)
        self._first = lines - len(melodies)
        self._tokens = [
            {
                in_ticks(start): (pitch_token(note.pitch, melody.tonic), duration_number(note.quarters))
                for start, note in melody.onsets()
            }
            for melody in melodies
        ]

    def __call__(self, lines: Lines, open_BA: NDArray[np.bool_], kind: str) -> NDArray[np.int64]:
        """The token to force, NOTHING where the policy chooses."""
        wanted_B = np.full(len(open_BA), NOTHING, dtype=np.int64)
        for row, tokens in enumerate(self._tokens, start=self._first):
            note = tokens.get(int(lines.now_B[row]))
            token = NOTHING if note is None else note[0 if kind == "pitch" else 1]
            if 0 <= token < open_BA.shape[1] and open_BA[row, token]:
                wanted_B[row] = token
        return wanted_B
