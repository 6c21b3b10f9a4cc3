"""How often the 95 % intervals of the off-policy estimates hold the truth. Before: synthetic_logs.py. After: make bench."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from bench.report import Report, make_parser, read_options
from bench.synthetic_logs import Bandit, Chain, Integers
from recsys.learning.off_policy.estimators import Estimator
from recsys.learning.off_policy.intervals import estimate

LEAST_COVERED, MOST_COVERED = 0.92, 0.97


def chances(run: int, bandit: Bandit, chain: Chain) -> Iterator[tuple[str, Estimator, Integers, float]]:
    """(name, estimator, listeners, truth) of one fresh log of each kind."""
    log, sessions = bandit.log(run), chain.log(run)
    for name, estimator in log.estimators().items():
        yield name, estimator, log.listener_R, bandit.truth
    yield "per-decision weighted DR", sessions.weighted_doubly_robust(), sessions.listener_N, chain.truth
    yield "fitted Q evaluation", sessions.fitted_q(), np.repeat(sessions.listener_N, chain.steps), chain.truth


def main() -> int:
    """Measures and reports."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--runs", type=int, default=500, help="fresh logs per seed")
    options = read_options(parser)
    options.runs = 40 if options.quick else options.runs
    report = Report("interval_coverage", options)
    covered: dict[str, list[bool]] = {}
    for seed in range(options.seeds):
        bandit, chain = Bandit.make(seed), Chain()
        for run in range(options.runs):
            for name, estimator, listener_R, truth in chances(seed * 100_000 + run, bandit, chain):
                found = estimate(estimator, listener_R, seed=run, resamples=400)
                covered.setdefault(name, []).append(found.low <= truth <= found.high)
    for name, hits in covered.items():
        report.add_samples(name, "coverage", np.array(hits, dtype=np.float64), target=LEAST_COVERED)
    report.note(
        f"Aim: {LEAST_COVERED} to {MOST_COVERED} over at least 500 logs; the interval beside a share is its own, over the logs."
    )
    wide = [name for name, hits in covered.items() if np.mean(hits) > MOST_COVERED]
    if wide:
        report.note(f"Wider than need be, above {MOST_COVERED}: {', '.join(wide)}.")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
