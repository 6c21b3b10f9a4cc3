"""What each of the composer's algorithms learns from the same rewards in as many updates. Before: a prior. After: docs.

All train on two bars of C major as `bench.sequence_tutor` scores them, above the same prior, without imitation: what differs is
how the state ahead is valued and what the values mean. An interval is over trainings, one for each seed."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, make_parser, read_options
from bench.sequence_tutor import SHARES
from bench.sequence_tutor_contestants import ablation, write_short
from bench.sequence_tutor_rows import Tokens, judge
from bench.trained_composer import set_up

ALGORITHMS = ("q", "double_q", "psi", "g", "kl_residual")
UPDATES, QUICK_UPDATES = 6000, 32
MELODIES, QUICK_MELODIES = 4000, 100
"""Of each training."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = make_parser(__doc__, seeds=3)
    parser.add_argument("--checkpoint", type=Path, help="folder of a composer's checkpoint, of which the prior is taken")
    parser.add_argument("--algorithm", nargs="+", choices=ALGORITHMS, default=ALGORITHMS, help="which; all without it")
    parser.add_argument("--updates", type=int, default=UPDATES, help="of each training")
    options = read_options(parser, arguments)
    report = Report("composer_algorithms", options)
    if options.checkpoint is None:
        report.note("no prior: give --checkpoint FOLDER")
        return report.finish()
    set_up()
    from composer.learning.policy import load_policy

    updates, count = (QUICK_UPDATES, QUICK_MELODIES) if options.quick else (options.updates, MELODIES)
    prior = load_policy("prior", options.checkpoint)
    add_rows(report, "prior masked", [figures_of(*write_short(prior, count, seed)) for seed in range(options.seeds)])
    for algorithm in options.algorithm:
        learned = (ablation(options.checkpoint, algorithm, updates, seed) for seed in range(options.seeds))
        add_rows(report, algorithm, [figures_of(*write_short(policy, count, seed)) for seed, policy in enumerate(learned)])
    report.note(f"{updates} updates of each training, {count} melodies of each policy")
    return report.finish()


def add_rows(report: Report, name: str, figures_of_seeds: Sequence[dict[str, float]]) -> None:
    """A row for each figure, over the trainings."""
    found = defaultdict(list)
    for figures in figures_of_seeds:
        for metric, value in figures.items():
            found[metric].append(value)
    for metric, values in found.items():
        report.add_samples(name, metric, values)


def figures_of(tokens_nT: Tokens, log_p0_n: NDArray[np.float64], kl_n: NDArray[np.float64]) -> dict[str, float]:
    """The rows of Sequence Tutor's table for one policy."""
    judged = [judge(tokens_T) for tokens_T in tokens_nT]
    resolved, doubled = sum(melody.resolved for melody in judged), sum(melody.doubled for melody in judged)
    return {
        **{metric: float(np.mean([share(melody) for melody in judged])) for metric, share in SHARES.items()},
        "leaps": resolved / max(resolved + doubled, 1),
        "distinct": len({tokens_T.tobytes() for tokens_T in tokens_nT}) / len(tokens_nT),
        "log_p0": float(log_p0_n.mean()),
        "kl": float(kl_n.mean()),
    }


if __name__ == "__main__":
    sys.exit(main())
