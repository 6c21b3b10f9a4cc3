"""Alto, tenor and bass below a soprano: the cheapest way through all voicings of given chords. After: accompany.py.

Exact dynamic programming (Viterbi 1967) over voicings; the rules of harmony books are its costs. Shapes: V voicings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import CHORDS, Chord
from composer.accompaniment.half_bars import HalfBar
from music.notes import Melody

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
RANGES = ((53, 74), (48, 67), (40, 60))
"""MIDI pitches of alto, tenor and bass."""
MOST_VOICINGS = 160
"""Kept for each half bar: those that are best by themselves."""
_PARALLEL = 400.0
_CROSSING = 30.0


@dataclass(frozen=True, kw_only=True)
class Soprano:
    """What the melody does in one half bar."""

    first: int
    last: int
    lowest: int


def voice(melody: Melody, cut: Sequence[HalfBar], chords: Sequence[int]) -> list[tuple[int, int, int]]:
    """Alto, tenor and bass of each half bar."""
    sopranos = _sopranos(melody, cut)
    given = [CHORDS[number] for number in chords]
    rows = [
        _voicings(chord, melody.tonic, soprano, is_last=number == len(given) - 1)
        for number, (chord, soprano) in enumerate(zip(given, sopranos, strict=True))
    ]
    total_V, back = rows[0][1], []
    for number in range(1, len(rows)):
        cost_VV = _steps(rows[number - 1][0], rows[number][0], sopranos[number - 1], sopranos[number])
        cost_VV += _resolutions(rows[number - 1][0], rows[number][0], given[number - 1], given[number], melody.tonic)
        cost_VV += total_V[:, None]
        back.append(cost_VV.argmin(axis=0))
        total_V = cost_VV.min(axis=0) + rows[number][1]
    place = int(total_V.argmin())
    path = [place]
    for pointers_V in reversed(back):
        place = int(pointers_V[place])
        path.append(place)
    chosen = [rows[number][0][place] for number, place in enumerate(reversed(path))]
    return [(int(alto), int(tenor), int(bass)) for alto, tenor, bass in chosen]


def _sopranos(melody: Melody, cut: Sequence[HalfBar]) -> list[Soprano]:
    """The melody's first, last and lowest note of each half bar; in silence it stays where it was."""
    sounding = [(start, start + note.quarters, note.pitch) for start, note in melody.onsets() if note.pitch is not None]
    before = sounding[0][2]
    found = []
    for half in cut:
        pitches = [pitch for start, end, pitch in sounding if start < half.end and end > half.start] or [before]
        before = pitches[-1]
        found.append(Soprano(first=pitches[0], last=pitches[-1], lowest=min(pitches)))
    return found


def _voicings(chord: Chord, tonic: int, soprano: Soprano, *, is_last: bool) -> tuple[Whole, Floats]:
    """Voicings V3 of a chord and what each costs by itself, V."""
    wanted = {(tonic + step) % 12 for step in chord.pitch_classes}
    rooms = [[pitch for pitch in range(low, high + 1) if pitch % 12 in wanted] for low, high in RANGES]
    all_V3 = np.stack(np.meshgrid(*rooms, indexing="ij"), axis=-1).reshape(-1, 3)
    alto_V, tenor_V, bass_V = all_V3.T
    possible_V3 = all_V3[(tenor_V <= alto_V) & (bass_V < tenor_V) & (alto_V - tenor_V <= 12) & (tenor_V - bass_V <= 19)]
    cost_V = _doubling(possible_V3, chord, tonic, soprano) + _placing(possible_V3, chord, tonic, soprano, is_last)
    best = np.argsort(cost_V, kind="stable")[:MOST_VOICINGS]
    return possible_V3[best], cost_V[best]


def _doubling(voicings_V3: Whole, chord: Chord, tonic: int, soprano: Soprano) -> Floats:
    """Every member sounds, roots are doubled, leading notes and sevenths are not."""
    members = [(tonic + step) % 12 for step in chord.pitch_classes]
    classes_V4 = np.concatenate([voicings_V3, np.full((len(voicings_V3), 1), soprano.first)], axis=1) % 12
    count_MV = np.stack([(classes_V4 == member).sum(axis=1) for member in members])
    missing = np.array([50.0, 40.0, 5.0, 30.0])[: len(members)]
    cost_V: Floats = missing @ (count_MV == 0)
    cost_V += 4.0 * (count_MV[1] > 1) + 2.0 * (count_MV[2] > 1)
    leading_V = (classes_V4 == (tonic + 11) % 12).sum(axis=1)
    is_dominant = chord.root in (7, 11)
    cost_V += 25.0 * (leading_V > 1) * is_dominant
    if chord.has_seventh:
        cost_V += 25.0 * (count_MV[3] > 1)
    return cost_V


def _placing(voicings_V3: Whole, chord: Chord, tonic: int, soprano: Soprano, is_last: bool) -> Floats:
    """The bass has the root, or the third; nobody sings above the melody, nor far below their neighbour."""
    alto_V, tenor_V, bass_V = voicings_V3.T
    member = {(tonic + step) % 12: place for place, step in enumerate(chord.pitch_classes)}
    # Root, third, fifth, seventh in the bass. Diminished triads stand best on their third; six-four chords not at all.
    bass_costs = np.array([5.0, 0.0, 25.0, 8.0] if chord.quality == "diminished" else [0.0, 3.0, 25.0, 9.0])
    if is_last:
        bass_costs = np.array([0.0, 80.0, 80.0, 80.0])
    cost_V: Floats = bass_costs[[member[int(pitch) % 12] for pitch in bass_V]]
    cost_V = cost_V + _CROSSING * np.maximum(alto_V - soprano.lowest, 0)
    cost_V += 3.0 * np.maximum(soprano.first - alto_V - 12, 0)
    cost_V += 0.1 * np.abs(alto_V - 65) + 0.1 * np.abs(tenor_V - 58) + 0.1 * np.abs(bass_V - 49)
    cost_V += 2.0 * (alto_V == tenor_V)
    return cost_V


def _steps(before_V3: Whole, after_V3: Whole, was: Soprano, now: Soprano) -> Floats:
    """What moving from each voicing to each other one costs, VV: parallels, leaps, overlaps."""
    before = [np.full(len(before_V3), was.last), *before_V3.T]
    after = [np.full(len(after_V3), now.first), *after_V3.T]
    cost_VV = np.zeros((len(before_V3), len(after_V3)))
    for upper, lower in combinations(range(4), 2):
        interval_V, following_V = (before[upper] - before[lower]) % 12, (after[upper] - after[lower]) % 12
        moves_VV = (before[upper][:, None] != after[upper]) & (before[lower][:, None] != after[lower])
        for perfect in (0, 7):
            cost_VV += _PARALLEL * (moves_VV & (interval_V == perfect)[:, None] & (following_V == perfect))
    for number in (1, 2, 3):
        leap_VV = np.abs(after[number] - before[number][:, None])
        cost_VV += _LEAPS[number == 3][np.minimum(leap_VV, 24)]
    # Outer voices that jump into a perfect interval together; a voice that passes where its neighbour just was.
    outer_V = (after[0] - after[3]) % 12
    same_way_VV = np.sign(after[3] - before[3][:, None]) == np.sign(now.first - was.last)
    cost_VV += 6.0 * same_way_VV * np.isin(outer_V, (0, 7)) * (abs(now.first - was.last) > 2)
    for upper, lower in ((0, 1), (1, 2), (2, 3)):
        cost_VV += 3.0 * ((after[lower] > before[upper][:, None]) | (after[upper] < before[lower][:, None]))
    return cost_VV


def _resolutions(before_V3: Whole, after_V3: Whole, chord: Chord, following: Chord, tonic: int) -> Floats:
    """Leading notes rise, sevenths fall or stay."""
    cost_VV = np.zeros((len(before_V3), len(after_V3)))
    if chord == following:
        return cost_VV
    leads = chord.root in (7, 11) and following.root in (0, 9)
    leading = (tonic + 11) % 12
    seventh = (tonic + chord.pitch_classes[3]) % 12 if chord.has_seventh else -1
    for number in range(3):
        step_VV = after_V3[:, number] - before_V3[:, number][:, None]
        if leads:
            # In an inner voice it may fall a third instead, to the fifth of the tonic.
            may_fall_VV = (step_VV == -4) & (number < 2)
            wrong_VV = np.where(may_fall_VV, 6.0, np.where(step_VV == 1, 0.0, 25.0))
            cost_VV += wrong_VV * (before_V3[:, number] % 12 == leading)[:, None]
        if seventh >= 0:
            cost_VV += 20.0 * ~np.isin(step_VV, (-2, -1, 0)) * (before_V3[:, number] % 12 == seventh)[:, None]
    return cost_VV


def _leaps(scale: float, widest: int) -> Floats:
    """Cost of a melodic step by its size in semitones; the tritone is awkward, and so is what no hand can grasp."""
    cost = np.array([0, 0.6, 0.8, 1.8, 2.2, 3.5, 8.0, 4.5, 6.0, 7.0, 12.0, 14.0, 8.0] + [30.0] * 12) * scale
    cost[widest + 1 :] = 60.0
    return cost


_LEAPS = {False: _leaps(1.0, 9), True: _leaps(0.45, 12)}
"""Of inner voices, and of the bass, which leaps more."""
