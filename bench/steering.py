"""Does a piece do what was asked? Exact wishes as a share obeyed, graded ones as a correlation. Before: composer. After: docs.

Each graded wish is asked alone, anywhere between 0 and 1, of pieces in the styles, keys and metres that listeners use; what a
piece shows is measured by the code that shows it on the piece's page. Closeness is measured by the prior, in nats per step."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.report import RESAMPLES, Report, make_parser, read_options
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.learning.policy import ComposerPolicy
    from composer.learning.writing import Written
    from composer.steering import Steering
    from music.notes import Melody

Floats = NDArray[np.float64]
PIECES = 500
BATCH = 125
BARS = (4, 8, 16)
MODES = ("major", "minor", "dorian", "mixolydian")
CORRELATED = 0.9


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    add_composer_options(parser)
    options = read_options(parser)
    set_up()
    report = Report("steering", options)
    from composer.learning.replay_dataset import MelodyDataset

    dataset = MelodyDataset(()) if options.checkpoint else read_tunes(30 if options.quick else 3)
    ours, _ = policies(options, dataset)
    count = 40 if options.quick else PIECES
    measure_exact(report, ours, count, range(options.seeds))
    measure_graded(report, ours, count, range(options.seeds))
    return report.finish()


def measure_exact(report: Report, policy: ComposerPolicy, count: int, seeds: Sequence[int]) -> None:
    """For each exact attribute the share that obeys, of the pieces of which it was asked."""
    obeyed: dict[str, list[float]] = {name: [] for name in EXACT}
    for seed in seeds:
        generator = np.random.default_rng([seed, 1])
        asked = [usual(policy, number, generator) for number in range(count)]
        asked = [with_given_notes(steering, number) for number, steering in enumerate(asked)]
        for melody, steering in zip(write(policy, asked, seed).melodies, asked, strict=True):
            for name, (is_asked, obeys) in EXACT.items():
                if is_asked(steering):
                    obeyed[name].append(float(obeys(melody, steering)))
    for name, shares in obeyed.items():
        report.add_samples(name, "obeyed", shares, target=1.0)


def measure_graded(report: Report, policy: ComposerPolicy, count: int, seeds: Sequence[int]) -> None:
    """Correlation between what was asked and what is shown, for each graded attribute."""
    from composer.steering import GRADED

    for number, wish in enumerate(GRADED):
        found = [asked_and_shown(policy, wish, count, np.random.default_rng([seed, 2, number]), seed) for seed in seeds]
        asked_n, shown_n = np.concatenate(found, axis=1)
        report.add(wish, "correlation", *correlation(asked_n, shown_n), target=CORRELATED)
        for low, high, words in ((0.0, 0.2, "least"), (0.8, 1.0, "most")):
            chosen = shown_n[(asked_n >= low) & (asked_n <= high)]
            report.add(wish, f"shown_where_{words}_is_asked", float(chosen.mean()))


def asked_and_shown(
    policy: ComposerPolicy, wish: str, count: int, generator: np.random.Generator, seed: int
) -> tuple[Floats, Floats]:
    """What was asked of each piece, and what it shows."""
    from composer.judging import graded
    from music.features import features

    asked_n = generator.random(count)
    plain = [usual(policy, place, generator) for place in range(count)]
    asked = [
        type(steering).from_json(steering.to_json() | {wish: float(value)})
        for steering, value in zip(plain, asked_n, strict=True)
    ]
    written = write(policy, asked, seed)
    if wish == "closeness":
        return asked_n, written.log_prior_B / np.maximum(written.steps_B, 1)
    shown = [graded(features(m), m, steering)[wish] for m, steering in zip(written.melodies, asked, strict=True)]
    return asked_n, np.array(shown)


def usual(policy: ComposerPolicy, number: int, generator: np.random.Generator) -> Steering:
    """A wish without graded ones: a common style in its metre, any key, mode, length, tempo and range."""
    from composer.steering import HABITS, Steering

    style = policy.styles[number % min(8, len(policy.styles))]
    metre, tempo = HABITS.get(style, ((4, 4), 120.0))
    lowest = int(generator.integers(55, 65))
    return Steering(
        style=style,
        tonic=int(generator.integers(12)),
        mode=MODES[int(generator.integers(len(MODES)))],
        metre=metre,
        bars=BARS[int(generator.integers(len(BARS)))],
        tempo=float(round(tempo + generator.integers(-20, 21))),
        lowest=lowest,
        highest=lowest + int(generator.integers(14, 25)),
    )


def with_given_notes(steering: Steering, number: int) -> Steering:
    """Every third piece begins with a primer of one bar, every third has its second bar locked."""
    from music.notes import Note

    tonic = next(p for p in range(steering.lowest, steering.highest + 1) if p % 12 == steering.tonic)
    halves = (Note(tonic, steering.bar_quarters / 2), Note(tonic, steering.bar_quarters / 2))
    if number % 3 == 1:
        return replace(steering, primer=halves)
    if number % 3 == 2:
        return replace(steering, locked_bars=((2, halves),))
    return steering


def write(policy: ComposerPolicy, asked: Sequence[Steering], seed: int) -> Written:
    """The pieces with their log p₀, one network for all; nobody's taste is heard."""
    from composer.constraints import Plan
    from composer.learning.writing import Written

    parts = []
    for start in range(0, len(asked), BATCH):
        plans = [Plan(steering=steering) for steering in asked[start : start + BATCH]]
        seeds = [seed * 1_000_003 + start + number for number in range(len(plans))]
        parts.append(policy.write(plans, [None] * len(plans), seeds=seeds))
    return Written(
        melodies=[melody for part in parts for melody in part.melodies],
        log_policy_B=np.concatenate([part.log_policy_B for part in parts]),
        log_behaviour_B=np.concatenate([part.log_behaviour_B for part in parts]),
        log_prior_B=np.concatenate([part.log_prior_B for part in parts]),
        kl_B=np.concatenate([part.kl_B for part in parts]),
        steps_B=np.concatenate([part.steps_B for part in parts]),
        relaxed_B3=np.concatenate([part.relaxed_B3 for part in parts]),
    )


def _ends_on_tonic(melody: Melody, steering: Steering) -> bool:
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    return melody.tonic == steering.tonic and pitches[-1] % 12 == steering.tonic


def _is_in_mode(melody: Melody, steering: Steering) -> bool:
    is_inside = all(note.pitch is None or note.pitch % 12 in steering.scale for note in melody.notes)
    return melody.mode == steering.mode and is_inside


def _bars_fit(melody: Melody, steering: Steering) -> bool:
    """As many bars as asked, and no note across a bar line."""
    bar = steering.bar_quarters
    inside = all(start // bar == (start + note.quarters - Fraction(1, 1000)) // bar for start, note in melody.onsets())
    return melody.quarters == steering.quarters and inside


def _begins_with_primer(melody: Melody, steering: Steering) -> bool:
    primer = steering.primer or ()
    return melody.notes[: len(primer)] == primer


def _keeps_locked_bars(melody: Melody, steering: Steering) -> bool:
    """Note for note."""
    is_right = True
    for bar, notes in steering.locked_bars:
        start, end = (bar - 1) * steering.bar_quarters, bar * steering.bar_quarters
        is_right &= tuple(note for at, note in melody.onsets() if start <= at < end) == notes
    return is_right


def _is_in_range(melody: Melody, steering: Steering) -> bool:
    return all(note.pitch is None or steering.lowest <= note.pitch <= steering.highest for note in melody.notes)


def _always(steering: Steering) -> bool:
    return True


EXACT: dict[str, tuple[Callable[[Steering], bool], Callable[[Melody, Steering], bool]]] = {
    "key": (_always, _ends_on_tonic),
    "mode": (_always, _is_in_mode),
    "metre": (_always, lambda melody, steering: melody.metre == steering.metre),
    "tempo": (_always, lambda melody, steering: melody.tempo == steering.tempo),
    "bars": (_always, _bars_fit),
    "range": (_always, _is_in_range),
    "primer": (lambda steering: bool(steering.primer), _begins_with_primer),
    "locks": (lambda steering: bool(steering.locked_bars), _keeps_locked_bars),
}
"""Attribute → whether it is asked for, and whether a piece obeys it."""


def correlation(asked_n: Floats, shown_n: Floats, *, seed: int = 0) -> tuple[float, float, float]:
    """Pearson's r with its 95 % bootstrap interval."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        rows = generator.integers(len(asked_n), size=len(asked_n))
        found.append(np.corrcoef(asked_n[rows], shown_n[rows])[0, 1])
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(np.corrcoef(asked_n, shown_n)[0, 1]), float(low), float(high)


if __name__ == "__main__":
    raise SystemExit(main())
