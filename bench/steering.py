"""Does a piece do what was asked? Exact wishes as a share obeyed, graded ones as a correlation. Before: composer. After: docs.

Exact wishes are drawn over all that the API takes – any metre, mode, tempo, range, and notes of the listener's own at random –,
and each piece is judged by what music21 alone reads in its MusicXML export; given notes by `primer` and `locks` only.
Each graded wish is asked alone, anywhere between 0 and 1, of pieces in the styles, keys and metres that listeners use; what a
piece shows is measured by the code that shows it on the piece's page. Closeness is measured by the prior, in nats per step."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.report import RESAMPLES, Report, make_parser, read_options
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up
from music.notes import MODES, Melody, Note, Score, Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.learning.policy import ComposerPolicy
    from composer.learning.writing import Written
    from composer.steering import Steering

Floats = NDArray[np.float64]
PIECES = 500
BATCH = 125
BARS = (4, 8, 16)
USUAL_MODES = ("major", "minor", "dorian", "mixolydian")
GIVEN_SHARE = 1 / 3
"""Share of the wishes with a primer, and of those with locked bars; each bar of these is locked with the same chance."""
CHORDS = ("I", "ii", "iii", "IV", "V", "V7", "vi", "vii°")
"""Of which a chart is drawn where nothing else is given; it begins on the tonic, as a piece does."""
SIXTEENTH = 16
"""In a few metres of sixteenths triplets don't lead to half a bar (docs/composer.md): no chart is drawn there."""
REST_SHARE = 0.1
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
    count = 16 if options.quick else PIECES
    measure_exact(report, ours, count, range(options.seeds))
    measure_graded(report, ours, count, range(options.seeds))
    return report.finish()


def measure_exact(report: Report, policy: ComposerPolicy, count: int, seeds: Sequence[int]) -> None:
    """For each exact attribute the share that obeys, of the pieces of which it was asked."""
    obeyed: dict[str, list[float]] = {name: [] for name in EXACT}
    for seed in seeds:
        generator = np.random.default_rng([seed, 1])
        asked = [any_wish(policy, generator) for _ in range(count)]
        for written, steering in zip(write(policy, asked, seed).melodies, asked, strict=True):
            melody = as_exported(written)
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
        mode=USUAL_MODES[int(generator.integers(len(USUAL_MODES)))],
        metre=metre,
        bars=BARS[int(generator.integers(len(BARS)))],
        tempo=float(round(tempo + generator.integers(-20, 21))),
        lowest=lowest,
        highest=lowest + int(generator.integers(14, 25)),
    )


def any_wish(policy: ComposerPolicy, generator: np.random.Generator) -> Steering:
    """A wish that the API takes, every exact field of it at random."""
    from composer.steering import ImpossibleSteering, Steering

    while True:
        try:
            return Steering.from_json(_any_fields(policy, generator))
        except ImpossibleSteering:
            continue


def _any_fields(policy: ComposerPolicy, generator: np.random.Generator) -> dict[str, Any]:
    """Fields of a wish, most of which fit together."""
    from composer.steering import FASTEST, NOTE_DENOMINATORS, SLOWEST

    beats, unit = int(generator.integers(1, 17)), int(generator.choice(NOTE_DENOMINATORS))
    bar, bars = Fraction(4 * beats, unit), int(generator.integers(1, 17))
    lowest = int(generator.integers(0, 111))
    highest = lowest + int(generator.integers(7, 31))
    fields = {
        "style": policy.styles[int(generator.integers(len(policy.styles)))],
        "tonic": int(generator.integers(12)),
        "mode": MODES[int(generator.integers(len(MODES)))],
        "metre": [beats, unit],
        "bars": bars,
        "tempo": int(generator.integers(SLOWEST, FASTEST + 1)),
        "lowest": lowest,
        "highest": highest,
    }
    given = generator.random()
    if given < GIVEN_SHARE:
        fields["primer"] = _any_notes(bar * int(generator.integers(1, 9)) / 4, lowest, highest, generator)
    elif given < 2 * GIVEN_SHARE:
        locked = [number for number in range(1, bars + 1) if generator.random() < GIVEN_SHARE]
        fields["locked_bars"] = {number: _any_notes(bar, lowest, highest, generator) for number in locked}
    elif unit < SIXTEENTH:
        symbols = generator.choice(CHORDS, size=int(generator.integers(1, min(bars, 8) + 1)))
        fields["chords"] = " ".join(("I", *symbols[1:].tolist()))
    return fields


def _any_notes(quarters: Fraction, lowest: int, highest: int, generator: np.random.Generator) -> list[list[Any]]:
    """Notes and rests of any pitch that fill so many quarter notes, as the API takes them."""
    notes: list[list[Any]] = []
    while quarters:
        length = min(quarters, Fraction(int(generator.integers(1, 9)), int(generator.choice((1, 2, 3, 4, 5, 8)))))
        pitch = None if generator.random() < REST_SHARE else int(generator.integers(lowest, highest + 1))
        notes.append([pitch, str(length)])
        quarters -= length
    return notes


def as_exported(melody: Melody) -> Melody:
    """What music21 reads in the piece's MusicXML file. No reader of ours comes between, which would estimate a key, or a metre,
    that the file doesn't name: here that fails."""
    from music21 import converter, key, meter, stream, tempo

    from music.musicxml import write_musicxml

    written = write_musicxml(Score(title="", voices=(Voice(name="Melody", melody=melody),))).decode()
    read: Any = converter.parseData(written, format="musicxml")
    part = read.parts[0]
    (sign,), (named,), (mark,) = (
        list(part.recurse().getElementsByClass(kind)) for kind in (meter.TimeSignature, key.Key, tempo.MetronomeMark)
    )
    lengths = [_fraction(measure.duration.quarterLength) for measure in part.getElementsByClass(stream.Measure)]
    bar = _fraction(sign.barDuration.quarterLength)
    notes: list[Note] = []
    for note in part.flatten().notesAndRests:
        length = _fraction(note.quarterLength)
        if note.tie is not None and note.tie.type != "start":
            length += notes.pop().quarters
        notes.append(Note(None if note.isRest else note.pitch.midi, length))
    return Melody(
        notes=tuple(notes),
        metre=(sign.numerator, sign.denominator),
        tonic=named.tonic.pitchClass,
        mode=named.mode,
        tempo=round(float(mark.getQuarterBPM()), 6),  # it multiplies and divides by a quarter
        odd_bars=tuple((number, length) for number, length in enumerate(lengths) if length != bar),
    )


def _fraction(quarters: Any) -> Fraction:
    return Fraction(quarters).limit_denominator(1024)


def write(policy: ComposerPolicy, asked: Sequence[Steering], seed: int) -> Written:
    """The pieces with their log p₀, one network for all; nobody's taste is heard."""
    from composer.constraints import Plan
    from composer.learning.writing import Written

    parts = []
    for start in range(0, len(asked), BATCH):
        plans = [Plan(steering=steering) for steering in asked[start : start + BATCH]]
        seeds = [seed * 1_000_003 + start + number for number in range(len(plans))]
        parts.append(policy.write_original(plans, [None] * len(plans), seeds=seeds))
    return Written(
        melodies=[melody for part in parts for melody in part.melodies],
        log_policy_B=np.concatenate([part.log_policy_B for part in parts]),
        log_behaviour_B=np.concatenate([part.log_behaviour_B for part in parts]),
        log_prior_B=np.concatenate([part.log_prior_B for part in parts]),
        kl_B=np.concatenate([part.kl_B for part in parts]),
        steps_B=np.concatenate([part.steps_B for part in parts]),
        relaxed_B4=np.concatenate([part.relaxed_B4 for part in parts]),
        forms=[form for part in parts for form in part.forms],
    )


def _ends_on_tonic(melody: Melody, steering: Steering) -> bool:
    """The file's tonic, and the last note where it is not given."""
    is_given = any(bar == steering.bars for bar, _ in steering.locked_bars)
    return melody.tonic == steering.tonic and (is_given or list(_sounding(melody))[-1][1] % 12 == steering.tonic)


def _is_in_mode(melody: Melody, steering: Steering) -> bool:
    return melody.mode == steering.mode and all(pitch % 12 in steering.scale for _, pitch, _ in _composed(melody, steering))


def _has_metre(melody: Melody, steering: Steering) -> bool:
    """The file's metre, with no bar shorter or longer."""
    return melody.metre == steering.metre and not melody.odd_bars


def _bars_fit(melody: Melody, steering: Steering) -> bool:
    """As many bars as asked, and no composed note across a bar line."""
    bar = steering.bar_quarters
    ends = [(start, start + quarters) for start, _, quarters in _composed(melody, steering)]
    return melody.quarters == steering.quarters and all(end <= (start // bar + 1) * bar for start, end in ends)


def _begins_with_primer(melody: Melody, steering: Steering) -> bool:
    return _keeps(melody, Fraction(0), steering.primer or ())


def _keeps_locked_bars(melody: Melody, steering: Steering) -> bool:
    return all(_keeps(melody, (bar - 1) * steering.bar_quarters, notes) for bar, notes in steering.locked_bars)


def _keeps(melody: Melody, start: Fraction, notes: tuple[Note, ...]) -> bool:
    """Note for note, silent where rests are given."""
    end = start + sum((note.quarters for note in notes), Fraction(0))
    given = Melody(notes=notes, metre=melody.metre, tonic=melody.tonic, mode=melody.mode)
    kept = [note for note in _sounding(melody) if start <= note[0] < end]
    return kept == [(start + at, pitch, quarters) for at, pitch, quarters in _sounding(given)]


def _composed(melody: Melody, steering: Steering) -> Iterator[tuple[Fraction, int, Fraction]]:
    """Sounding notes that the listener did not give."""
    primer = sum((note.quarters for note in steering.primer or ()), Fraction(0))
    locked = {bar for bar, _ in steering.locked_bars}
    for start, pitch, quarters in _sounding(melody):
        if start >= primer and start // steering.bar_quarters + 1 not in locked:
            yield start, pitch, quarters


def _sounding(melody: Melody) -> Iterator[tuple[Fraction, int, Fraction]]:
    """Beginning, pitch and length of the notes that are no rests."""
    return ((start, note.pitch, note.quarters) for start, note in melody.onsets() if note.pitch is not None)


def _is_in_range(melody: Melody, steering: Steering) -> bool:
    return all(note.pitch is None or steering.lowest <= note.pitch <= steering.highest for note in melody.notes)


def _begins_on_chords(melody: Melody, steering: Steering) -> bool:
    """A note of its chord begins each bar."""
    begins = {start: pitch % 12 for start, pitch, _ in _sounding(melody)}
    return all(begins.get(start) in steering.classes_of(chord) for _, start, chord in steering.chord_places())


def _always(steering: Steering) -> bool:
    return True


EXACT: dict[str, tuple[Callable[[Steering], bool], Callable[[Melody, Steering], bool]]] = {
    "key": (_always, _ends_on_tonic),
    "mode": (_always, _is_in_mode),
    "metre": (_always, _has_metre),
    "tempo": (_always, lambda melody, steering: melody.tempo == steering.tempo),
    "bars": (_always, _bars_fit),
    "range": (_always, _is_in_range),
    "primer": (lambda steering: bool(steering.primer), _begins_with_primer),
    "locks": (lambda steering: bool(steering.locked_bars), _keeps_locked_bars),
    "chords": (lambda steering: bool(steering.chords), _begins_on_chords),
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
