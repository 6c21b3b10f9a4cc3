"""Bits per note of the prior on melodies it never saw: pitch and duration of all notes and rests, over their number.

Style, metre, key, length and the first pitch are free. Where the first bar line stands is not: every melody is read with each
place that it could have, and telling them apart is charged (`Pickups`). A duration without a token is charged as digits.
Without `--checkpoint` a prior is trained here by the service's own code, on the tunes that the split calls `train`; `--without`
leaves whole sources out of them and measures on all tunes of these that have no variant among them. The weights are those that
predicted the split's `valid` tunes best, as a run of the service takes those that did best on the tunes it holds out.
Seconds are processor seconds over threads, which is what an idle machine's clock would show."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.melody_files import read_melodies
from bench.report import Report, bootstrap_ratio, make_parser, read_options, say
from bench.run_context import Context
from bench.split_tunes import SplitTune, add_split_option, read_split, read_tunes, split_of
from bench.trained_composer import set_up

if TYPE_CHECKING:
    from composer.learning.network import Prior
    from composer.learning.policy import ComposerPolicy
    from music.notes import Melody

TARGETS = ((3600.0, 2.48), (900.0, 2.55), (0.0, 2.65))
"""Bits per note on the test split after training for at least so many seconds of two cores."""
REFERENCES = {"reel": 1.79, "jig": 2.10, "chorale": 2.95, "german folk": 2.89, "chinese folk": 3.48}
"""A GRU with lookback after 300 seconds of one core, by style."""
NEVER_TRAINED_ON = 2.85
"""Bits per note that the same GRU needs on a folk source that it was never trained on."""
JAZZ_NEVER_TRAINED_ON, JAZZ = 4.9, ("jazz", "standards")
"""The aim on jazz and pop standards (it needs 4.92), and words by which a file, its collection or style is known as such."""
NEVER = ", never trained on"
DIGIT_BITS = math.log2(11)
MOST_PLACES = 12
"""Places of the first bar line that are tried, in sixteenths, eighths or quarters, whichever are few enough."""
QUICK_EVERY, QUICK_SECONDS = 40, 5.0
PIECES = 192


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--checkpoint", type=Path, help="folder of a composer's checkpoint; without it a prior is trained")
    parser.add_argument("--melodies", type=Path, nargs="*", default=[], help="jsonl(.gz) of melodies never trained on")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="how sources begin, such as airdsAirs or essenFolksong/han: they are left out of the training and measured",
    )
    parser.add_argument("--seconds", type=float, nargs="+", default=[300.0, 900.0], help="of each training")
    parser.add_argument("--threads", type=int, default=1, help="that train")
    add_split_option(parser)
    options = read_options(parser, arguments)
    if options.checkpoint and options.without:
        parser.error("--without goes with a training: nobody knows here what a checkpoint was trained on")
    report = Report("melody_prior", options)
    files = [path for path in options.melodies if path.exists()]
    for path in set(options.melodies) - set(files):
        report.note(f"{path} is not here")
    if not files and not options.without and not options.split.exists():
        report.note(f"nothing to measure: {options.split} is not here; give --split FILE, --melodies FILE or --without SOURCE")
        return report.finish()
    set_up()
    every = QUICK_EVERY if options.quick else 1
    tunes = _tunes_of_corpus(options, every)
    if unknown := [name for name in options.without if not any(tune.source.startswith(name) for tune in tunes)]:
        parser.error(f"no source begins with {unknown[0]}; the collections are {', '.join(corpus_names())}")
    unseen: dict[str, list[tuple[Melody, str, str]]] = {}
    if options.without:
        tunes, unseen = leave_out(report, tunes, options.without, read_split(options.split, "group"))
    elif options.split.exists():
        unseen["music21 test"] = [(tune.score.melody, tune.style, _collection(tune)) for tune in tunes if tune.split == "test"]
    unseen |= {path.name.split(".")[0]: read_melodies(path)[::every] for path in files}
    for place, seconds in enumerate(_budgets(options), start=1):
        prior, styles = _prior(options, tunes, seconds)
        after = "" if place == len(_budgets(options)) else f"_after_{seconds:g}_s"
        _measure(report, prior, styles, unseen, f"bits_per_note{after}", seconds)
    if not options.without:
        _add_copies(report, prior, styles, tunes)
    if not options.checkpoint:
        what = f"{options.threads} thread{'s' if options.threads > 1 else ''}"
        report.note(f"trained for {_budgets(options)[-1]:g} s of {what}, counted as processor time over threads")
    return report.finish()


def _budgets(options: argparse.Namespace) -> list[float]:
    """Seconds of each training; a checkpoint is measured once."""
    if options.checkpoint:
        return [0.0]
    return [QUICK_SECONDS] if options.quick else sorted(options.seconds)


def _tunes_of_corpus(options: argparse.Namespace, every: int) -> list[SplitTune]:
    """What is learned from, and the test split: the tunes of the corpus inside the music21 package."""
    tunes = list(read_tunes(read_split(options.split), corpus_names(), lambda number: number % every == 0))
    say(f"{len(tunes)} tunes of the corpus")
    return tunes


def corpus_names() -> tuple[str, ...]:
    """The collections inside the music21 package."""
    from recsys import corpus

    return tuple(corpus.BY_NAME)


def leave_out(
    report: Report, tunes: Sequence[SplitTune], sources: Sequence[str], groups: dict[str, str]
) -> tuple[list[SplitTune], dict[str, list[tuple[Melody, str, str]]]]:
    """The other tunes, and those of each source that have no variant among the ones that teach.

    Variants are tunes of one group of the split's file; without it, tunes that open with the same intervals."""
    from composer.learning.replay_dataset import group_of

    def group(tune: SplitTune) -> str:
        return split_of(tune.source, groups) or group_of(tune.score.melody)

    kept = [tune for tune in tunes if not tune.source.startswith(tuple(sources))]
    taught = {group(tune) for tune in kept if tune.split == "train"}
    unseen = {}
    for source in sources:
        own = [tune for tune in tunes if tune.source.startswith(source)]
        new = [tune for tune in own if group(tune) not in taught]
        name = f"{source}{NEVER}"
        unseen[name] = [(tune.score.melody, tune.style, name) for tune in new]
        report.note(f"{name}: {len(new)} tunes; {len(own) - len(new)} of {len(own)} have a variant among the tunes that taught")
    return kept, unseen


def _prior(options: argparse.Namespace, tunes: Sequence[SplitTune], seconds: float) -> tuple[Prior, tuple[str, ...]]:
    """The prior of the checkpoint, or one trained for so long; and the styles it knows."""
    from composer.learning.configuration import ComposerConfiguration
    from composer.learning.policy import load_policy
    from composer.learning.prior_training import train_prior
    from composer.learning.replay_dataset import MelodyDataset, Tune

    if options.checkpoint:
        policy = load_policy("prior", options.checkpoint)
        return policy.writer.prior, policy.styles
    taught, aside = (
        tuple(Tune(melody=t.score.melody, style=t.style, group=t.source) for t in tunes if t.split == part)
        for part in ("train", "valid")
    )
    dataset = MelodyDataset(taught, kept_aside=aside)
    configuration = ComposerConfiguration(stage="prior", threads=options.threads)
    with tempfile.TemporaryDirectory() as folder:
        say(f"trains from {len(taught)} tunes for {seconds:g} s")
        context = Context(configuration=configuration, folder=Path(folder))
        prior = train_prior(context, dataset, configuration, seconds, lambda: time.process_time() / options.threads)
    return prior, dataset.styles


def _measure(
    report: Report,
    prior: Prior,
    styles: tuple[str, ...],
    unseen: dict[str, list[tuple[Melody, str, str]]],
    metric: str,
    seconds: float,
) -> None:
    """A row for all melodies of a source, for each of its collections, and for the styles that were measured before."""
    taken: set[str] = set()
    for source, melodies in unseen.items():
        named = [_known(style, styles) for _, style, _ in melodies]
        bits_n, notes_n = bits_of([melody for melody, _, _ in melodies], named, prior, styles)
        groups = {source: np.ones(len(melodies), dtype=bool)}
        groups |= {name: np.array([style == name for style in named]) for name in REFERENCES if source == "music21 test"}
        collections = np.array([collection for _, _, collection in melodies])
        groups |= {name if name not in taken else f"{name} ({source})": collections == name for name in sorted({*collections})}
        for name, is_in_n in groups.items():
            if is_in_n.any():
                is_corpus = source == "music21 test"
                members = {style for style, is_in in zip(named, is_in_n, strict=True) if is_in}
                target = aim_of_corpus(name, members, seconds) if is_corpus else aim_of_unseen(source, name, *members)
                value, low, high = bootstrap_ratio(bits_n[is_in_n], notes_n[is_in_n])
                report.add(name, metric, value, low, high, target=target, smaller_is_better=True)
        taken |= groups.keys()


def aim_of_corpus(name: str, styles: Collection[str], seconds: float) -> float | None:
    """Of the test split by the time of training; of tunes of one style, such as a collection of chorales, that style's."""
    if name == "music21 test":
        return next(bits for least, bits in TARGETS if seconds >= least)
    return REFERENCES.get(next(iter(styles))) if len(styles) == 1 else None


def aim_of_unseen(*names: str) -> float:
    """Of melodies from a source that was never trained on, by what file, collection and style are called."""
    is_jazz = any(word in name.lower() for name in names for word in JAZZ)
    return JAZZ_NEVER_TRAINED_ON if is_jazz else NEVER_TRAINED_ON


def bits_of(
    melodies: Sequence[Melody], named: Sequence[str], prior: Prior, styles: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Bits and notes of each melody, one after another: what the pickups of earlier ones were helps with the later ones."""
    from composer.learning.evaluation import bits_per_note
    from composer.learning.replay_dataset import Tune
    from composer.tokens import encode

    asked = [
        (row, Tune(melody=replace(melody, pickup=pickup, odd_bars=()), style=style, group=""))
        for row, (melody, style) in enumerate(zip(melodies, named, strict=True))
        for pickup in places_of(melody)
    ]
    bits_m, notes_m = bits_per_note(prior, [tune for _, tune in asked], styles)
    row_m = np.array([row for row, _ in asked])
    pickups = Pickups()
    bits_n = np.array([pickups.charge(melody, bits_m[row_m == row]) for row, melody in enumerate(melodies)])
    written_out_n = np.array([(len(encode(melody)) - 2 * len(melody.notes)) * DIGIT_BITS for melody in melodies])
    return bits_n + written_out_n, notes_m[np.searchsorted(row_m, np.arange(len(melodies)))]


def places_of(melody: Melody) -> list[Fraction]:
    """Quarter notes before the first bar line that a melody of this metre could have."""
    bar = melody.bar_quarters
    unit = next((unit for unit in (Fraction(1, 4), Fraction(1, 2)) if bar / unit <= MOST_PLACES), Fraction(1))
    return [unit * number for number in range(max(1, math.ceil(bar / unit)))][:MOST_PLACES]


class Pickups:
    """How often melodies of a metre begin where in the bar, learned from the melodies that were charged already."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], NDArray[np.float64]] = {}

    def charge(self, melody: Melody, bits_k: NDArray[np.float64]) -> float:
        """−log₂ Σ p(place) p₀(melody | place), from −log₂ p₀ of each place; the places' shares then count as seen."""
        seen_k = self._seen.setdefault(melody.metre, np.full(len(bits_k), 1.0 / len(bits_k)))
        log_k = np.log2(seen_k / seen_k.sum()) - bits_k
        total = float(np.logaddexp2.reduce(log_k))
        seen_k += np.exp2(log_k - total)
        return -total


def _known(style: str, styles: Sequence[str]) -> str:
    """The style that the prior knows by another file's words: “chorale” of “bach chorale”."""
    found = [known for known in styles if known in style.lower()]
    return max(found, key=len, default=style)


def _collection(tune: SplitTune) -> str:
    return tune.source.partition("/")[0]


def _add_copies(report: Report, prior: Prior, styles: tuple[str, ...], tunes: Sequence[SplitTune]) -> None:
    """Longest run of notes that one piece in a hundred shares with the tunes that taught, and people's tunes beside it."""
    from composer.copies import CatalogueIndex
    from composer.learning.evaluation import write_sample

    catalogue = CatalogueIndex.of(tune.score.melody for tune in tunes if tune.split == "train")
    written, _ = write_sample(_policy(prior, styles), count=PIECES)
    people = [tune.score.melody for tune in tunes if tune.split == "test"]
    for name, melodies in (("copied", written.melodies), ("human", people)):
        runs = [catalogue.longest_shared(melody) for melody in melodies]
        if runs:
            report.add(name, "longest_shared_run_p99", float(np.quantile(runs, 0.99)))


def _policy(prior: Prior, styles: tuple[str, ...]) -> ComposerPolicy:
    from composer.learning.policy import ComposerPolicy
    from composer.learning.writing import Writer

    return ComposerPolicy(kind="prior", writer=Writer(prior=prior), styles=styles, prior_sha256="")


if __name__ == "__main__":
    sys.exit(main())
