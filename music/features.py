"""φ: what a melody is like, in numbers of roughly 0 … 1. Before: parsing. After: recommending, taste, composing.

Each name carries its unit; each value is the same whether the melody is read from a file, the database or a composer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from music.counted import Counted, Whole
from music.keys import SCALE_STEPS
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
    counted = Counted.of(melody)
    sounds_N = counted.sounds_N
    pitch_N, length_N = counted.pitch_N[sounds_N], counted.length_N[sounds_N]
    steps = np.diff(pitch_N)
    time = np.bincount((pitch_N - melody.tonic) % 12, weights=length_N, minlength=12) / max(int(length_N.sum()), 1)
    values = np.array(
        [
            *time,
            *_mode(melody),
            *_metre(melody),
            *_pace(melody, counted, len(pitch_N)),
            *_heights(pitch_N),
            *_intervals(steps),
            *_rhythm(counted),
            _entropy(np.bincount(pitch_N % 12)) / np.log2(12),
            _entropy(np.bincount(np.clip(steps, -12, 12) + 12)) / np.log2(25),
            _entropy(np.array(list(counted.lengths.values()))) / 3,
            *_form(counted),
            *_end(melody, pitch_N, time),
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


def _pace(melody: Melody, counted: Counted, note_count: int) -> list[float]:
    quarters = max(int(counted.length_N.sum()) / counted.per_quarter, 0.25)
    seconds = quarters * 60 / melody.tempo
    return [melody.tempo / 240, note_count / seconds / 8, note_count / quarters / 4, max(1, len(counted.length_M)) / 64]


def _heights(pitch_N: Whole) -> list[float]:
    if not len(pitch_N):
        return [0.0, 0.0]
    return [(float(pitch_N.mean()) - 36) / 60, int(np.ptp(pitch_N)) / 36]


def _intervals(steps: Whole) -> list[float]:
    """Mean size, shares of repeats, steps (1–2), thirds (3–4) and leaps (5 or more semitones), rising, turning."""
    if not len(steps):
        return [0.0] * 7
    sizes = np.abs(steps)
    how_many = np.bincount(sizes, minlength=5).tolist()
    rises = steps[steps != 0] > 0
    return [
        float(sizes.mean()) / 8,
        *(count / len(steps) for count in (how_many[0], sum(how_many[1:3]), sum(how_many[3:5]), sum(how_many[5:]))),
        float(rises.mean()) if len(rises) else 0.0,
        float((rises[1:] != rises[:-1]).mean()) if len(rises) > 1 else 0.0,
    ]


def _rhythm(counted: Counted) -> list[float]:
    """Shares of notes that begin off the beat, that begin off it and sound across the next, dotted, in triplets; rests.

    Of a quarter note, dotted notes are 3, 3/2, 3/4 …, and triplets thirds or sixths."""
    sounds_N = counted.sounds_N
    place_N, length_N = counted.place_N[sounds_N] % counted.beat, counted.length_N[sounds_N]
    off_beat_N = place_N != 0
    count, total = max(len(place_N), 1), int(counted.length_N.sum())
    divisor_N = np.gcd(length_N, counted.per_quarter)
    numerator_N, part_N = length_N // divisor_N, counted.per_quarter // divisor_N
    shares = [off_beat_N, off_beat_N & (place_N + length_N > counted.beat)]
    shares += [(numerator_N % 3 == 0) & (part_N % 3 != 0), part_N % 3 == 0]
    return [*(int(is_N.sum()) / count for is_N in shares), (total - int(length_N.sum())) / total if total else 0.0]


def _entropy(counts: Whole) -> float:
    """Entropy of a histogram in bits."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum()) if len(shares) else 0.0


def _form(counted: Counted) -> list[float]:
    """Shares of bars that came before: exactly, in rhythm, with the same first half and another ending."""
    bars = counted.bars()
    if len(bars) < 2:
        return [0.0, 0.0, 0.0]
    whole: set[object] = set()
    rhythms: set[object] = set()
    beginnings: set[object] = set()
    exact, same_rhythm, changed = 0, 0, 0
    for bar in bars:
        rhythm = tuple((place, length) for place, length, _ in bar)
        beginning = tuple(event for event in bar if 2 * event[0] < counted.bar)
        exact += bar in whole
        same_rhythm += rhythm in rhythms
        changed += bar not in whole and len(beginning) > 1 and beginning in beginnings
        whole.add(bar)
        rhythms.add(rhythm)
        beginnings.add(beginning)
    count = len(bars) - 1
    return [exact / count, same_rhythm / count, changed / count]


def _end(melody: Melody, pitch_N: Whole, time: NDArray[np.float64]) -> list[float]:
    """Place of the first highest note (0 first, 1 last), time off the scale, and whether it ends on the tonic."""
    if not len(pitch_N):
        return [0.0, 0.0, 0.0]
    off_scale = sum(time[step] for step in range(12) if step not in SCALE_STEPS[melody.mode])
    place = int(pitch_N.argmax()) / max(len(pitch_N) - 1, 1)
    return [place, float(off_scale), float(int(pitch_N[-1]) % 12 == melody.tonic)]
