"""Bits per note of the prior on melodies it never saw: pitch and duration together, rests and first pitch included.

`--melodies FILE …` are jsonl or jsonl.gz of {id, collection, style, metre, key, notes: [[pitch, quarters]]}."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.report import Report, bootstrap_ratio, make_parser, read_options
from bench.sequence_tutor import read_melodies, set_up_django
from music.notes import Melody

TARGET_BITS = 2.65
"""After five minutes of training, on held-out tunes of the music21 corpus."""
DIGIT_BITS = math.log2(11)
"""A written-out duration is charged as digits drawn evenly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--checkpoint", type=Path, help="folder of a composer's checkpoint")
    parser.add_argument("--melodies", type=Path, nargs="*", default=[], help="files of melodies that were not trained on")
    options = read_options(parser, arguments)
    report = Report("melody_prior", options)
    files = [path for path in options.melodies if path.exists()]
    if options.checkpoint is None or not files:
        report.note("nothing to measure: give --checkpoint FOLDER and --melodies FILE")
        return report.finish()
    set_up_django()
    _measure(report, options.checkpoint, files, most=200 if options.quick else None)
    return report.finish()


def _measure(report: Report, checkpoint: Path, files: Sequence[Path], most: int | None) -> None:
    from composer.learning.evaluation import bits_per_note
    from composer.learning.policy import load_policy
    from composer.learning.replay_dataset import Tune

    policy = load_policy("prior", checkpoint)
    rows = [row for file in files for row in read_melodies(file)][:most]
    for collection in ["", *sorted({name for _, _, name in rows})]:
        tunes = [Tune(melody=melody, style=style, group="") for melody, style, name in rows if collection in ("", name)]
        tunes = sorted((tune for tune in tunes if tune.melody.notes), key=lambda tune: len(tune.melody.notes))
        bits_n, notes_n = bits_per_note(policy.writer.prior, tunes, policy.styles)
        written_n = np.array([_written_out_bits(tune.melody) for tune in tunes])
        value, low, high = bootstrap_ratio(bits_n + written_n, notes_n)
        target = None if collection else TARGET_BITS
        report.add(collection or "all", "bits_per_note", value, low, high, target=target, smaller_is_better=True)


def _written_out_bits(melody: Melody) -> float:
    """What the digits of rare durations cost."""
    from composer.tokens import encode

    return (len(encode(melody)) - 2 * len(melody.notes)) * DIGIT_BITS


if __name__ == "__main__":
    sys.exit(main())
