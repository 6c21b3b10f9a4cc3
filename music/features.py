"""φ: what a melody is like, in numbers of roughly 0 … 1. Before: parsing. After: recommending, taste, composing.

Each name carries its unit; each value is the same whether the melody is read from a file, the database or a composer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from music.keys import SCALE_STEPS, pitch_class_profile
from music.notes import Melody

NAMES: tuple[str, ...] = (
    *(f"time_share_{semitones}_semitones_above_tonic" for semitones in range(12)),
    "is_major",
    "is_minor",
    "is_dorian",
    "is_mixolydian",
    "is_other_mode",
    "is_duple_metre",
    "is_triple_metre",
    "is_quadruple_metre",
    "is_compound_metre",
    "has_pickup",
    "tempo_quarters_per_minute_over_240",
    "notes_per_second_over_8",
    "notes_per_quarter_over_4",
    "length_in_64_bars",
    "mean_pitch_midi_36_to_96",
    "range_over_36_semitones",
    "mean_interval_over_8_semitones",
    "share_of_repeated_pitches",
    "share_of_steps",
    "share_of_thirds",
    "share_of_leaps",
    "share_of_rising_intervals",
    "share_of_turns",
    "share_of_off_beat_notes",
    "share_of_syncopated_notes",
    "share_of_dotted_notes",
    "share_of_triplet_notes",
    "rest_time_share",
    "pitch_class_entropy_over_log2_12",
    "interval_entropy_over_log2_25",
    "duration_entropy_over_3_bits",
    "share_of_repeated_bars",
    "share_of_bars_with_repeated_rhythm",
    "share_of_bars_repeated_with_changed_ending",
    "place_of_highest_note",
    "time_share_off_scale",
    "ends_on_tonic",
)
"""One name per value, in order."""

_MODES = ("major", "minor", "dorian", "mixolydian")


def features(melody: Melody) -> NDArray[np.float64]:
    """φ of a melody: float64 of len(NAMES). Transposing changes only the mean pitch."""
    pitches = np.array([note.pitch for note in melody.notes if note.pitch is not None], dtype=np.float64)
    values: NDArray[np.float64] = np.concatenate(
        [
            np.roll(pitch_class_profile(melody.notes), -melody.tonic),
            _mode(melody),
            _metre(melody),
            _pace(melody, len(pitches)),
            _heights(pitches),
            _intervals(pitches),
            _rhythm(melody),
            _entropies(melody, pitches),
            _form(melody),
            _end(melody, pitches),
        ]
    )
    assert len(values) == len(NAMES)
    return values.clip(0.0, 1.5)


def _mode(melody: Melody) -> list[float]:
    return [*(float(melody.mode == mode) for mode in _MODES), float(melody.mode not in _MODES)]


def _metre(melody: Melody) -> list[float]:
    beats, unit = melody.metre
    is_compound = beats > 3 and beats % 3 == 0 and unit >= 8
    return [
        float(not is_compound and beats == 2),
        float(not is_compound and beats % 3 == 0),
        float(not is_compound and beats % 4 == 0),
        float(is_compound),
        float(melody.pickup > 0),
    ]


def _pace(melody: Melody, note_count: int) -> list[float]:
    quarters = max(float(melody.quarters), 0.25)
    seconds = quarters * 60 / melody.tempo
    return [melody.tempo / 240, note_count / seconds / 8, note_count / quarters / 4, melody.bars / 64]


def _heights(pitches: NDArray[np.float64]) -> list[float]:
    if not len(pitches):
        return [0.0, 0.0]
    return [(pitches.mean() - 36) / 60, (pitches.max() - pitches.min()) / 36]


def _intervals(pitches: NDArray[np.float64]) -> list[float]:
    """Mean size, shares of repeats, steps (1–2), thirds (3–4) and leaps (5 or more semitones), rising, turning."""
    steps = np.diff(pitches)
    if not len(steps):
        return [0.0] * 7
    sizes = np.abs(steps)
    moving = steps[steps != 0]
    turns = np.mean(np.sign(moving[1:]) != np.sign(moving[:-1])) if len(moving) > 1 else 0.0
    return [
        sizes.mean() / 8,
        float(np.mean(sizes == 0)),
        float(np.mean((sizes >= 1) & (sizes <= 2))),
        float(np.mean((sizes >= 3) & (sizes <= 4))),
        float(np.mean(sizes >= 5)),
        float(np.mean(moving > 0)) if len(moving) else 0.0,
        float(turns),
    ]


def _beat(melody: Melody) -> Fraction:
    """Length of a beat in quarter notes: a dotted note in compound metres."""
    beats, unit = melody.metre
    return Fraction(12 if beats > 3 and beats % 3 == 0 and unit >= 8 else 4, unit)


def _rhythm(melody: Melody) -> list[float]:
    """Shares of notes that begin off the beat, that begin off it and sound across the next, dotted, in triplets; rests."""
    beat = _beat(melody)
    count, off_beat, syncopated, dotted, triplets = 0, 0, 0, 0, 0
    for start, note in melody.onsets():
        if note.pitch is None:
            continue
        count += 1
        place = (start - melody.pickup) % beat
        off_beat += place != 0
        syncopated += place != 0 and place + note.quarters > beat
        dotted += note.quarters.numerator % 3 == 0 and note.quarters.denominator % 3 != 0
        triplets += note.quarters.denominator % 3 == 0
    resting = sum((note.quarters for note in melody.notes if note.pitch is None), Fraction(0))
    count = max(count, 1)
    shares = [off_beat / count, syncopated / count, dotted / count, triplets / count]
    return [*shares, float(resting / melody.quarters) if melody.quarters else 0.0]


def _entropies(melody: Melody, pitches: NDArray[np.float64]) -> list[float]:
    intervals = np.clip(np.diff(pitches), -12, 12).astype(np.int64) + 12
    durations: dict[Fraction, int] = {}
    for note in melody.notes:
        durations[note.quarters] = durations.get(note.quarters, 0) + 1
    return [
        _bits(np.bincount(pitches.astype(np.int64) % 12, minlength=12)) / np.log2(12),
        _bits(np.bincount(intervals, minlength=25)) / np.log2(25),
        _bits(np.array(list(durations.values()), dtype=np.int64)) / 3,
    ]


def _bits(counts: NDArray[np.int64]) -> float:
    """Entropy of a histogram in bits."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum()) if len(shares) else 0.0


def bars_of(melody: Melody) -> list[tuple[tuple[Fraction, Fraction, int | None], ...]]:
    """Each full bar after the pickup as (place in the bar, length, pitch) of the notes that begin in it."""
    bars: list[list[tuple[Fraction, Fraction, int | None]]] = []
    length = melody.bar_quarters
    for start, note in melody.onsets():
        number, place = divmod(start - melody.pickup, length)
        if number < 0:
            continue
        while len(bars) <= number:
            bars.append([])
        bars[int(number)].append((place, note.quarters, note.pitch))
    return [tuple(bar) for bar in bars if bar]


def _form(melody: Melody) -> list[float]:
    """Shares of bars that came before: exactly, in rhythm, with the same first half and another ending."""
    bars = bars_of(melody)
    if len(bars) < 2:
        return [0.0, 0.0, 0.0]
    half = melody.bar_quarters / 2
    whole: set[object] = set()
    rhythms: set[object] = set()
    beginnings: set[object] = set()
    exact, same_rhythm, changed = 0, 0, 0
    for bar in bars:
        rhythm = tuple((place, length) for place, length, _ in bar)
        beginning = tuple(event for event in bar if event[0] < half)
        exact += bar in whole
        same_rhythm += rhythm in rhythms
        changed += bar not in whole and len(beginning) > 1 and beginning in beginnings
        whole.add(bar)
        rhythms.add(rhythm)
        beginnings.add(beginning)
    count = len(bars) - 1
    return [exact / count, same_rhythm / count, changed / count]


def _end(melody: Melody, pitches: NDArray[np.float64]) -> list[float]:
    """Place of the first highest note (0 first, 1 last), time off the scale, and whether it ends on the tonic."""
    if not len(pitches):
        return [0.0, 0.0, 0.0]
    scale = {(melody.tonic + step) % 12 for step in SCALE_STEPS[melody.mode]}
    profile = pitch_class_profile(melody.notes)
    off_scale = sum(profile[pitch_class] for pitch_class in range(12) if pitch_class not in scale)
    place = int(pitches.argmax()) / max(len(pitches) - 1, 1)
    return [place, float(off_scale), float(int(pitches[-1]) % 12 == melody.tonic)]
