"""The rows of Sequence Tutor's table (arXiv 1611.02796, table 1) for melodies of 32 tokens. After: sequence_tutor.py.

Tokens as in the paper: 0 = note off, 1 = hold, 2 … 37 = MIDI 48 … 83, tonic = 14. Shapes: n melodies, T = 32 steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from music.notes import Melody, Note

STEPS = 32
OFF, HOLD, TONIC = 0, 1, 14
LOWEST_MIDI, HIGHEST_MIDI = 48, 83
HIGHEST_TOKEN = 37
C_MAJOR = frozenset({0, 2, 4, 5, 7, 9, 11})
MOTIF_STEPS = 8
LEAP = 7
PATIENT_STEPS = 6
SIXTEENTH = Fraction(1, 4)
Tokens = NDArray[np.int64]


def raster(melody: Melody, steps: int = STEPS) -> Tokens | None:
    """The first steps of a melody in sixteenths; None where it is shorter, off the grid, or out of the tokens' range."""
    tokens: list[int] = []
    for note in melody.notes:
        length = note.quarters * 4
        if length.denominator != 1:
            return None
        token = OFF if note.pitch is None else note.pitch - LOWEST_MIDI + 2
        if note.pitch is not None and not 2 <= token <= HIGHEST_TOKEN:
            return None
        tokens += [token] + [HOLD] * (int(length) - 1)
        if len(tokens) >= steps:
            return np.array(tokens[:steps])
    return None


def round_off(melody: Melody, steps: int = STEPS) -> tuple[Tokens, int]:
    """The first steps of a melody within the tokens' range, and how many of its notes begin or end beside the grid.

    These begin on the nearest sixteenth, the earlier of two; of notes that fall on one sixteenth the first stays."""
    tokens_T, beside = np.full(steps, HOLD), 0
    for start, note in melody.onsets():
        begin, end = start / SIXTEENTH, (start + note.quarters) / SIXTEENTH
        beside += begin.denominator != 1 or end.denominator != 1
        step = math.ceil(begin - Fraction(1, 2))
        if step < steps and tokens_T[step] == HOLD:
            tokens_T[step] = OFF if note.pitch is None else note.pitch - LOWEST_MIDI + 2
    return tokens_T, beside


def melody_of_tokens(tokens_T: Tokens) -> Melody:
    """The melody that `raster` makes these tokens of, in C major; what is held from the beginning is a rest."""
    notes: list[Note] = []
    for token in tokens_T.tolist():
        if token == HOLD and notes:
            notes[-1] = Note(notes[-1].pitch, notes[-1].quarters + SIXTEENTH)
        else:
            notes.append(Note(token - 2 + LOWEST_MIDI if is_note(token) else None, SIXTEENTH))
    return Melody(notes=tuple(notes), metre=(4, 4), tonic=0, mode="major")


def is_note(token: int) -> bool:
    """Whether a token begins a note."""
    return token > HOLD


def is_out_of_key(token: int) -> bool:
    """A note outside C major."""
    return is_note(token) and (token - 2) % 12 not in C_MAJOR


def is_excess(before: Sequence[int], token: int) -> bool:
    """A token that repeats excessively: scanned backwards until another pitch."""
    count, has_off, has_hold = 0, False, False
    for earlier in reversed(before):
        if earlier == token:
            count += 1
        elif earlier == OFF:
            has_off = True
        elif earlier == HOLD:
            has_hold = True
        else:
            break
    if token == OFF and count > 1:
        return True
    return count > 6 if has_off or has_hold else count > 4


def autocorrelation(tokens_nT: Tokens, lag: int) -> NDArray[np.float64]:
    """ρ of the token series of each melody; nan where all tokens are equal."""
    x_nT = tokens_nT - tokens_nT.mean(axis=1, keepdims=True)
    variance_n = x_nT.var(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x_nT[:, lag:] * x_nT[:, :-lag]).sum(axis=1) / (tokens_nT.shape[1] * variance_n))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One melody."""

    excess: int
    out_of_key: int
    starts_on_tonic: bool
    resolved: int
    doubled: int
    has_open_leap: bool
    leaps: int
    unique_max: bool
    unique_min: bool
    motif: int
    repeated_motif: int
    tonic_in_last_bar: bool

    @property
    def a1(self) -> bool:
        """Nothing out of key, no excess, tonic start, no doubled and no open leap, one highest and one lowest note."""
        is_clean = not (self.out_of_key or self.excess or self.doubled or self.has_open_leap)
        return is_clean and self.starts_on_tonic and self.unique_max and self.unique_min

    @property
    def a2(self) -> bool:
        """A1 and a repeated motif."""
        return self.a1 and self.repeated_motif >= 1

    @property
    def a3(self) -> bool:
        """A2, half of the steps in a motif, and the tonic in the last bar."""
        return self.a2 and self.motif >= 16 and self.tonic_in_last_bar


def judge(tokens_T: Tokens) -> Judged:
    """All rows of one melody."""
    tokens = tokens_T.tolist()
    pitches = [token for token in tokens if is_note(token)]
    resolved, doubled, leaps, is_open = _leaps(tokens)
    motif, repeated = _motifs(tokens)
    return Judged(
        excess=sum(is_excess(tokens[:t], token) for t, token in enumerate(tokens)),
        out_of_key=sum(is_out_of_key(token) for token in tokens),
        starts_on_tonic=tokens[0] == TONIC,
        resolved=resolved,
        doubled=doubled,
        has_open_leap=is_open,
        leaps=leaps,
        unique_max=bool(pitches) and pitches.count(max(pitches)) == 1,
        unique_min=bool(pitches) and pitches.count(min(pitches)) == 1,
        motif=motif,
        repeated_motif=repeated,
        tonic_in_last_bar=any(is_note(token) and (token - 2) % 12 == 0 for token in tokens[-16:]),
    )


def _motifs(tokens: Sequence[int]) -> tuple[int, int]:
    """Steps whose last 8 tokens hold three pitches, and those of them that occur exactly in the tokens before."""
    motif = repeated = 0
    for t in range(MOTIF_STEPS - 1, len(tokens)):
        window = tokens[t - MOTIF_STEPS + 1 : t + 1]
        if len({token for token in window if is_note(token)}) < 3:
            continue
        motif += 1
        before = tokens[: t - MOTIF_STEPS + 1]
        repeated += any(before[s : s + MOTIF_STEPS] == window for s in range(len(before) - MOTIF_STEPS + 1))
    return motif, repeated


def _leaps(tokens: Sequence[int]) -> tuple[int, int, int, bool]:
    """Resolved, doubled, all leaps, and whether one is open at the end."""
    resolved = doubled = leaps = direction = left = since = 0
    before: int | None = None
    for step, token in enumerate(tokens):
        if not is_note(token):
            continue
        if before is not None:
            interval = token - before
            if abs(interval) >= LEAP:
                leaps += 1
                if direction == 0:
                    direction, left = (1 if interval > 0 else -1), before
                elif direction * interval > 0:
                    doubled += 1
                else:
                    resolved += step - since > PATIENT_STEPS
                    direction = 0
                since = step
            elif direction and direction * (token - left) <= 0:
                resolved += 1
                direction = 0
        before = token
    return resolved, doubled, leaps, direction != 0
