"""Choosing the best tracks of a whole catalogue for one listener, beside one float32 product over the same tracks.

Before: recsys.learning.dqn_policy, whose `top_of` is what a request calls: it encodes the state, scores all tracks, leaves out
what is excluded, and picks. Random weights, one thread, processor time; each call follows a product, whose matrix has taken the
processor's cache, as in a process that serves others in between."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench.report import Report, make_parser, read_options, say
from bench.trained_composer import set_up

if TYPE_CHECKING:
    from recsys.learning.dqn_policy import DqnPolicy
    from recsys.learning.features import ListenerState, TrackTable

FEATURES, STYLES = 24, 12
COUNT, EXCLUDED, ROWS = 128, 200, 50
"""Tracks asked for, tracks that may not come, remembered rows of feedback."""
KINDS, SHARES = ("play", "like", "dislike", "rate", "skip"), (0.8, 0.08, 0.04, 0.04, 0.04)
TURNS = 15


def make_table(tracks: int, seed: int) -> TrackTable:
    """A catalogue of any size."""
    from recsys.learning.features import TrackTable

    generator = np.random.default_rng(seed)
    styles = tuple(f"style {number:02}" for number in range(STYLES))
    return TrackTable(
        ids_T=np.arange(1, tracks + 1, dtype=np.int64),
        features_TD=generator.normal(size=(tracks, FEATURES)).astype(np.float32),
        style_T=generator.integers(STYLES, size=tracks),
        styles=styles,
        artist_T=np.full(tracks, -1, dtype=np.int64),
        duration_seconds_T=np.full(tracks, 60.0),
        recommendable_T=np.ones(tracks, dtype=np.bool_),
    )


def make_policy(table: TrackTable, seed: int) -> DqnPolicy:
    """An untrained recommender of the default configuration over these tracks."""
    import torch

    from dqn.checkpoint import Checkpoint
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.dqn_policy import DqnPolicy
    from recsys.learning.features import Scaling
    from recsys.learning.network import RecommenderNetwork

    torch.manual_seed(seed)
    configuration, scaling = RecommenderConfiguration(), Scaling.of(table)
    network = RecommenderNetwork(configuration, scaling.content(table), len(table.styles))
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    weights |= {"mean_D": scaling.mean_D, "spread_D": scaling.spread_D, "track_ids": table.ids_T}
    checkpoint = Checkpoint(
        weights=weights,
        configuration={**configuration.to_json(), "styles": list(table.styles)},
        figures={},
        dataset_fingerprint="",
        code_revision="",
        seed=seed,
    )
    return DqnPolicy(checkpoint, matrix_PW=None)


def make_state(table: TrackTable, seed: int) -> ListenerState:
    """A listener with a full window of plays and opinions."""
    from recsys.feedback import FeedbackRow
    from recsys.learning.features import ListenerState

    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    generator = np.random.default_rng(seed)
    chosen = generator.choice(table.ids_T, size=ROWS // 2)  # tracks come again, as opinions follow plays
    rows = tuple(
        FeedbackRow(
            id=number, track_id=int(generator.choice(chosen)), kind=kind, value={"play": 45.0, "rate": 4.0}.get(kind),
            track_position_seconds=None, occurred_at=moment, received_at=moment, recommendation_id=None, position=None,
        )
        for number, kind in enumerate(generator.choice(KINDS, size=ROWS, p=SHARES).tolist())
    )  # fmt: skip
    return ListenerState(listener_id=1, moment=moment, rows=rows, hour=12.0, weekday=0.5)


def milliseconds(action: Callable[[], object]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    action()
    return 1000 * (time.process_time() - started)


def measure(report: Report, tracks: int, options: argparse.Namespace) -> None:
    """Rows of one size of catalogue."""
    taken: dict[str, list[float]] = {"product": [], "ours": [], "state of ours": []}
    for seed in range(options.seeds):
        table = make_table(tracks, seed)
        policy = make_policy(table, seed)
        excluded = set(np.random.default_rng(seed).choice(table.ids_T, size=EXCLUDED).tolist())
        matrix_TW = policy.vectors(table).g_TW
        vector_W = np.random.default_rng(seed).standard_normal(matrix_TW.shape[1], dtype=np.float32)
        turns: dict[str, list[float]] = {name: [] for name in taken}
        for _ in range(TURNS):
            turns["product"].append(milliseconds(partial(np.matmul, matrix_TW, vector_W)))
            # A state that the policy has not seen yet: nothing of an earlier turn is at hand.
            turns["ours"].append(milliseconds(partial(policy.top_of, make_state(table, seed), table, COUNT, excluded)))
            turns["state of ours"].append(milliseconds(partial(policy.seen, make_state(table, seed), policy.vectors(table))))
        for name, each in turns.items():
            taken[name].append(float(np.median(each)))
        say(f"{tracks} tracks, seed {seed}: " + ", ".join(f"{name} {each[-1]:.2f} ms" for name, each in taken.items()))
    for name, each in taken.items():
        report.add_samples(name, f"milliseconds_at_{tracks}", each)
    ratios = np.array(taken["ours"]) / np.array(taken["product"])
    report.add_samples("ours over product", f"ratio_at_{tracks}", ratios, target=2.0, smaller_is_better=True)
    report.add("ours", f"matrix_megabytes_at_{tracks}", matrix_TW.nbytes / 1e6)


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=3)
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N")
    options = read_options(parser)
    set_up()
    report = Report("scoring", options)
    for tracks in options.tracks[: 1 if options.quick else None]:
        measure(report, tracks, options)
    report.note("Memory: the matrix is mapped from a file, so that all serving processes of a machine share it.")
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
