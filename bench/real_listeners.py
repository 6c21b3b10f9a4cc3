"""Likes that people give when tracks are chosen one after another, learning after every answer, from nothing known (CM100k).

Before: real_listeners_log, real_listeners_sessions. Choices are among the tracks a person rated, drawn uniformly: replay needs
no weights. Ours is the service's own dataset, training and policy, state after state; the log is kept in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.next_track import service_without_database
from bench.real_listeners_log import WithoutQ, ask_by_policy, train_ours
from bench.real_listeners_sessions import (
    COUNTED_AFTER,
    Choose,
    People,
    Tastes,
    ask_all,
    best_by_mean,
    by_chance,
    by_rating,
    random_track,
    tables,
)
from bench.real_listeners_tastes import Floats, least_squares
from bench.report import SHARED_FILES, Report, make_parser, read_options

FOLDS = 5
STRONGEST = "adaptive Bayesian MF"
VISIBLE_WIN = (0.16, 0.19, 0.21)
"""Likes more than the strongest baseline, from which a difference stands out of three hundred people's noise."""
AIMS = (5.85, 10.76, 14.83)
"""Likes of the people kept aside, whom the strongest baseline brought 5.69, 10.57 and 14.62."""
WITHOUT_TASTE: dict[str, Any] = {"identity_width": 0}
ABLATIONS: dict[str, dict[str, Any]] = {
    "ours without returns": {"discount": 0.0},
    "ours with one taste model": {"taste_models": 1},
}


def measure(train_NI: Floats, test_PI: Floats, seed: int, options: Any, folder: Path) -> dict[str, Floats]:
    """Likes of each test person after COUNTED_AFTER steps, by everybody who chooses."""
    tastes, people = Tastes.fit(train_NI, seed), People.of(test_PI)
    squares = replace(tastes, rating=least_squares(train_NI, 8, seed))
    chosen: dict[str, tuple[Tastes, Choose]] = {
        "random": (tastes, partial(random_track, np.random.default_rng([seed, 2]))),
        "item mean": (tastes, best_by_mean),
        "adaptive ALS": (squares, by_rating),
        STRONGEST: (tastes, by_rating),
        "many taste models of ratings": (tastes, by_chance),
    }
    likes = {name: ask_all(people, known, choose) for name, (known, choose) in chosen.items()}
    policy, table = train_ours(train_NI, options, folder / "ours", seed)
    likes["ours"] = ask_by_policy(policy, table, people)
    likes["ours without Q"] = ask_by_policy(WithoutQ(policy), table, people)
    more = ABLATIONS if seed == 0 and options.ablations else {}
    for name, changes in {"ours without taste model": WITHOUT_TASTE, **more}.items():
        policy, table = train_ours(train_NI, options, folder / name, seed, **changes)
        likes[name] = ask_by_policy(policy, table, people)
    return likes


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--train", type=Path, default=SHARED_FILES / "cm100k_ratings_dev.csv.gz", help="ratings to learn from")
    parser.add_argument("--ablations", action="store_true", help="also ours with smaller parts left out, on the first seed")
    parser.add_argument("--test", type=Path, help=f"ratings of other people; without it, {FOLDS} folds of those in --train")
    options = read_options(parser)
    torch.set_num_threads(1)
    report = Report("real_listeners", options)
    for path in (options.train, options.test):
        if path is not None and not path.exists():
            report.note(f"{path} is not here: nothing was measured")
            return report.finish()
    train_NI, test_PI = tables(options.train, options.test)
    if options.quick:
        train_NI = train_NI[:150]
    with service_without_database() as folder:
        found = [measure_seed(train_NI, test_PI, seed, options, folder / str(seed)) for seed in range(options.seeds)]
    likes = {name: np.mean([each[name] for each in found if name in each], axis=0) for name in found[0]}
    for column, after in enumerate(COUNTED_AFTER):
        for name, likes_PC in likes.items():
            aim = AIMS[column] if name == "ours" else None
            report.add_samples(name, f"likes@{after}", likes_PC[:, column], target=aim)
        for name in (STRONGEST, "ours without Q", "ours without taste model"):
            difference_P = likes["ours"][:, column] - likes[name][:, column]
            win = VISIBLE_WIN[column] if name == STRONGEST else None
            report.add_samples(f"ours minus {name}", f"difference@{after}", difference_P, target=win)
    where = (
        "people of --test" if test_PI is not None else f"people of --train, in {1 if options.quick else FOLDS} of {FOLDS} folds"
    )
    report.note(f"{len(likes['ours'])} {where}; likes are means over the seeds, intervals by person")
    report.note("the aims of ours are likes of 323 people kept aside, whom adaptive Bayesian MF brought 5.69, 10.57 and 14.62")
    return report.finish()


def measure_seed(train_NI: Floats, test_PI: Floats | None, seed: int, options: Any, folder: Path) -> dict[str, Floats]:
    """All test people of one seed: those of the other file, or each fold's in turn."""
    if test_PI is not None:
        return measure(train_NI, test_PI, seed, options, folder)
    fold_N = np.random.default_rng(0).permutation(len(train_NI)) % FOLDS
    each = [
        measure(train_NI[fold_N != fold], train_NI[fold_N == fold], seed, options, folder / f"fold {fold}")
        for fold in range(1 if options.quick else FOLDS)
    ]
    return {name: np.concatenate([likes[name] for likes in each]) for name in each[0]}


if __name__ == "__main__":
    raise SystemExit(main())
