"""A melody told in another style, or told anew in its own. Before: performing.py. After: the piece. Loads torch: for workers.

The decision process is the composer's own, with the melody's strong notes as anchors: masks leave nothing else open where one
stands. What is drawn is weighed by closeness to the melody and to the style, 1 − blend against blend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from composer.accompaniment.half_bars import beat_quarters, first_half
from composer.bands import Bands, band_miss, banded
from composer.constraints import Plan
from composer.learning.features import in_ticks
from composer.melody_bars import between, evened, full_bars
from music.keys import join_rests
from music.notes import Melody, Note

if TYPE_CHECKING:
    from composer.learning.policy import ComposerPolicy
    from composer.steering import Steering

Floats = NDArray[np.float64]
CANDIDATES = 32
CONTENT_NATS = 75.0
"""What a chroma cosine of 1 is worth: content 0.1 higher pays for 7.5 nats of doubt about the style, at half blend."""
MOST_DOUBT_NATS = 12.0
"""Beyond this a melody is of another style anyway; no candidate is the better for being so a little less."""
NATURAL_NATS = 4.0
"""What a nat per note of likelihood within the style is worth."""
BAND_NATS = 4.0
"""What a feature outside the band of people's tunes in the style costs."""
RIVALS = 6
"""The commonest styles, among which the style must be recognised."""


def transfer(
    policy: ComposerPolicy,
    melody: Melody,
    steering: Steering,
    taste_D: Floats | None,
    *,
    own_style: str,
    blend: float,
    seed: int,
    report: Callable[[float], None] | None = None,
) -> tuple[Melody, dict[str, Any]]:
    """The melody in the steering's style and metre; 0 gives it back as it is. The same arguments give the same melody."""
    if blend <= 0:
        return melody, {"anchors": len(melody.notes), "content": 1.0}
    anchors = tuple(anchors_of(melody, steering.metre, 1 - blend))
    plan = Plan(steering=steering, anchors=anchors)
    seeds = [int(number) for number in np.random.SeedSequence([seed & 0xFFFFFFFF, 77]).generate_state(CANDIDATES, np.uint64)]
    # Seeds are split into two halves of 32 bits by the writer.
    written = policy.write([plan] * CANDIDATES, [taste_D] * CANDIDATES, seeds=seeds, report=report)
    content_n = contents(melody, written.melodies)
    style_n, natural_n = log_style(policy, written.melodies, steering.style, own_style)
    miss_n = _band_misses(policy, written.melodies, steering.style)
    worth_n = (1 - blend) * CONTENT_NATS * content_n + blend * np.maximum(style_n, -MOST_DOUBT_NATS) + NATURAL_NATS * natural_n
    worth_n -= blend * BAND_NATS * miss_n
    beyond_n = _notes_too_many(policy, written.melodies, steering.style, melody)
    # The best of those that copy least: of those that copy nothing, where there is one.
    best = int(np.argmax(np.where(beyond_n == beyond_n.min(), worth_n, -np.inf)))
    told = _with_pickup(melody, written.melodies[best])
    figures: dict[str, Any] = {
        "anchors": len(anchors),
        "content": float(content_n[best]),
        "log_style": float(style_n[best]),
        "nats_per_note": float(natural_n[best]),
        "candidates": CANDIDATES,
        "copies": int(np.count_nonzero(beyond_n)),
    }
    if policy.originality is not None:
        catalogue, own = policy.originality.catalogue, written.melodies[best]
        figures["longest_shared_run"] = catalogue.longest_shared(own, apart_from=melody)
        figures["shared_runs_of_ten"] = catalogue.shared_share(own, melody)
    return told, figures | written.given_up(best)


def anchors_of(melody: Melody, metre: tuple[int, int], share: float) -> list[tuple[int, int]]:
    """(tick, pitch) of the strongest notes, this share of all, moved to their places in another metre.

    Strong is what begins a bar, then a half bar, then a beat; among equals, what lasts longer. A note whose place the other
    metre does not have is left out, and so are those behind the beginning of the last bar: a cadence needs room."""
    bar, other = melody.bar_quarters, Fraction(4 * metre[0], metre[1])
    found, last_bar = [], (full_bars(melody) - 1) * bar
    for start, note in melody.onsets():
        at = start - melody.pickup
        if note.pitch is None or not 0 <= at <= last_bar:
            continue
        number, place = divmod(at, bar)
        strength = _strength(place, melody.metre)
        moved = place if metre == melody.metre else _moved(place, melody.metre, metre)
        if moved is not None:
            found.append((-strength, -note.quarters, number * other + moved, note.pitch))
    total = sum(note.pitch is not None for note in melody.notes)
    kept = sorted(found)[: round(share * total)]
    return sorted({in_ticks(at): pitch for _, _, at, pitch in reversed(kept)}.items())


def _strength(place: Fraction, metre: tuple[int, int]) -> int:
    """3 on the bar, 2 on the half bar, 1 on a beat, 0 between."""
    if place == 0:
        return 3
    if place == first_half(metre):
        return 2
    return int(place % beat_quarters(metre) == 0)


def _moved(place: Fraction, own: tuple[int, int], other: tuple[int, int]) -> Fraction | None:
    """Where a place lies in a bar of another metre: bar on bar, half bar on half bar, beat on beat while there are any."""
    if place == 0:
        return Fraction(0)
    if place == first_half(own):
        half = first_half(other)
        return half if half < Fraction(4 * other[0], other[1]) else None
    if place % beat_quarters(own):
        return None
    moved = place / beat_quarters(own) * beat_quarters(other)
    return moved if moved < Fraction(4 * other[0], other[1]) and moved != first_half(other) else None


def content(source: Melody, told: Melody) -> float:
    """Mean over the bars of the cosine between what time each pitch class takes in both: 1 keeps the harmony of each bar."""
    return float(contents(source, [told])[0])


def contents(source: Melody, told: Sequence[Melody]) -> Floats:
    """`content` of many melodies told from one; 0 where no bar of both has a note."""
    one_b12 = _chroma_of_bars(source)
    found = []
    for melody in told:
        two_b12 = _chroma_of_bars(melody)
        bars = min(len(one_b12), len(two_b12))
        product_b = (one_b12[:bars] * two_b12[:bars]).sum(axis=1)
        norm_b = np.sqrt((one_b12[:bars] ** 2).sum(axis=1) * (two_b12[:bars] ** 2).sum(axis=1))
        both = norm_b > 0
        found.append(float(np.mean(product_b[both] / norm_b[both])) if both.any() else 0.0)
    return np.array(found)


def _chroma_of_bars(melody: Melody) -> Floats:
    """Time that each pitch class takes in each full bar, in whole units that fit every length of the melody: one pass.
    Bars that were printed longer or shorter are taken as tasks take them."""
    melody = evened(melody)
    lengths = [note.quarters for note in melody.notes]
    unit = math.lcm(*(length.denominator for length in (melody.pickup, melody.bar_quarters, *lengths)))
    bar, start = int(melody.bar_quarters * unit), -int(melody.pickup * unit)
    found_b12 = np.zeros((full_bars(melody), 12))
    for note in melody.notes:
        end = start + note.quarters.numerator * (unit // note.quarters.denominator)
        at = max(start, 0)
        while note.pitch is not None and at < end:
            stop = min(end, (at // bar + 1) * bar)
            found_b12[at // bar, note.pitch % 12] += stop - at
            at = stop
        start = end
    return found_b12


def log_style(policy: ComposerPolicy, melodies: list[Melody], style: str, own: str) -> tuple[Floats, Floats]:
    """log P(style | melody) among the melody's own style and the commonest ones, by Bayes' rule on the prior's likelihoods,
    and the mean log-likelihood per note in the style: how natural it sounds there."""
    from composer.learning.features import STYLE_INPUT, observe_melodies
    from composer.learning.replay_dataset import style_number

    observed = observe_melodies(melodies, [0] * len(melodies))
    pitch, duration = torch.from_numpy(observed["pitch"]), torch.from_numpy(observed["duration"])

    def nats(name: str) -> Floats:
        """log p₀ of each whole melody, as if it were of this style."""
        observed["index"][:, :, STYLE_INPUT] = style_number(name, policy.styles)
        with torch.no_grad():
            of_pitch_BN, of_duration_BN = policy.writer.prior.nats(torch.from_numpy(observed["index"]), pitch, duration)
        nats_BN = (of_pitch_BN + of_duration_BN).numpy()
        total_B: Floats = -(nats_BN * observed["valid"]).sum(axis=1).astype(np.float64)
        return total_B

    total_n = nats(style)
    each_n = total_n / np.maximum(observed["valid"].sum(axis=1), 1)
    rivals = [name for name in dict.fromkeys((own, *policy.styles[:RIVALS])) if name != style]
    if not rivals:
        return np.zeros(len(melodies)), each_n
    against_n = np.logaddexp.reduce([nats(name) for name in rivals], axis=0)
    return -np.logaddexp(0.0, against_n - total_n), each_n


def _band_misses(policy: ComposerPolicy, melodies: list[Melody], style: str) -> Floats:
    """How far each melody lies outside what people's tunes of the style are like; 0 where nobody measured the style."""
    bands = Bands(policy.settings.get("bands", {}))
    if style not in bands.of_group:
        return np.zeros(len(melodies))
    return np.array([band_miss(banded(melody), bands, style, melody.metre) for melody in melodies])


def _notes_too_many(policy: ComposerPolicy, melodies: Sequence[Melody], style: str, source: Melody) -> NDArray[np.int64]:
    """By how many notes each shares too long a run with the catalogue that is not the source's own, which it may keep."""
    if policy.originality is None:
        return np.zeros(len(melodies), dtype=np.int64)
    return np.array([policy.originality.notes_too_many(melody, style, apart_from=source) for melody in melodies])


def _with_pickup(source: Melody, told: Melody) -> Melody:
    """The pickup goes with its metre: it stands before the first bar. The last bar is as short as it was, if its last note
    began before."""
    if not source.pickup or told.metre != source.metre:
        return told
    end = source.quarters - source.pickup
    is_long = told.quarters - told.notes[-1].quarters < end
    body = between(told, Fraction(0), end if is_long else told.quarters)
    notes: tuple[Note, ...] = (*between(source, Fraction(0), source.pickup), *body)
    return replace(told, notes=join_rests(notes), pickup=source.pickup)
