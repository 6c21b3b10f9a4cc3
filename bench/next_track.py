"""The next track of people's own listening, among ten, by ours and its peers (30Music). Before: next_track_log, _peers.

Ours goes through the service's own replay dataset, training and policy; the log is kept in memory. The file has neither lengths
nor skips, so every play counts as heard: rewards are nearly equal, and what is played next decides. All choose among what was
played in the part that is learnt from and what the listener had played before."""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.next_track_log import Listening
from bench.next_track_peers import Combination, Counts, by_one, top_of
from bench.next_track_sessions import TOP, Floats, Indices, Plays, changes_artist
from bench.report import SHARED_FILES, Report, bootstrap_ratio, make_parser, read_options, say
from bench.run_context import Context

NEXT_TRACK_WEIGHT = 3.0
"""Of what is played next beside Q: rewards that are nearly equal teach Q little but noise. The service starts with 1."""
PEERS = ("popularity", "same artist", "co-occurrence", "session kNN", "combination")
COMBINATION_STEPS = 3000
"""Steps of the validation part on which the combination's weights are chosen."""
ABLATIONS: dict[str, dict[str, Any]] = {
    "ours without next-track loss": {"next_track_weight": 0.0},
    "ours without reward loss": {"reward_weight": 0.0},
    "ours without returns": {"discount": 0.0},
    "ours without conservative term": {"conservative_weight": 0.0},
}


def train_ours(listening: Listening, options: Namespace, folder: Path, seed: int, **changes: Any) -> Any:
    """The service's training and policy on what may be learnt from."""
    from recsys.learning import training
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.policy import load_policy

    configuration = RecommenderConfiguration(**{"held_out_share": 1e-9, "next_track_weight": NEXT_TRACK_WEIGHT, **changes})
    configuration = replace(configuration, updates=100) if options.quick else configuration
    context = Context(configuration=configuration, folder=folder, seed=seed, device=options.device)
    return load_policy("dqn", training.train(context, listening.dataset(configuration)).checkpoint)


def tops_of_ours(listening: Listening, policy: Any, steps_M: Indices) -> Indices:
    """The policy's ten best at each step."""
    tops = []
    for at in steps_M:
        state = listening.state(int(at))
        excluded = listening.excluded_ids - {row.track_id for row in state.rows}
        tops.append(policy.top_of(state, listening.table, TOP, excluded))
    return np.array(tops) - 1


def tops_of_peers(counts: Counts, combination: Combination, steps_M: Indices) -> dict[str, Indices]:
    """Ten tracks of each peer at each step."""
    known_T = counts.plays.known_T()
    tops: dict[str, list[Indices]] = {name: [] for name in PEERS}
    for at in steps_M:
        signals_GT = counts.signals(int(at))
        for name in PEERS[:-1]:
            tops[name].append(top_of(by_one(signals_GT, name), known_T))
        tops["combination"].append(combination.top(signals_GT))
    return {name: np.array(listed) for name, listed in tops.items()}


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Of each step: whether the track and its artist were among the ten."""

    track_M: Floats
    artist_M: Floats

    @classmethod
    def of(cls, tops_MK: Indices, plays: Plays, steps_M: Indices) -> Hits:
        """Against what was really played."""
        track_M, artist_M = plays.track_N[steps_M][:, None], plays.artist_N[steps_M][:, None]
        return cls(
            track_M=(tops_MK == track_M).any(axis=1).astype(float),
            artist_M=(plays.artist_T[tops_MK] == artist_M).any(axis=1).astype(float),
        )


def by_listener(hits_M: Floats, listener_M: Indices) -> tuple[Floats, Floats]:
    """(hits, steps) of each listener: steps of one person are not independent."""
    return np.bincount(listener_M, hits_M).astype(np.float64), np.bincount(listener_M).astype(np.float64)


def report_hits(report: Report, name: str, hits: Hits, plays: Plays, steps_M: Indices, *, aims: Sequence[float] = ()) -> None:
    """All steps, then those that go on with another artist."""
    listener_M = np.unique(plays.listener_N[steps_M], return_inverse=True)[1]
    changes = changes_artist(plays, steps_M)
    for kept, suffix in ((np.ones_like(changes), ""), (changes, "_where_artist_changes")):
        for metric, hits_M in (("track_hit@10", hits.track_M), ("artist_hit@10", hits.artist_M)):
            target = dict(zip(("track_hit@10", "artist_hit@10"), aims, strict=False)).get(metric + suffix)
            report.add(name, metric + suffix, *bootstrap_ratio(*by_listener(hits_M[kept], listener_M[kept])), target=target)


def report_difference(report: Report, name: str, ours: Hits, other: Hits, plays: Plays, steps_M: Indices) -> None:
    """Ours less the other, on the same steps, resampled by listener."""
    listener_M = np.unique(plays.listener_N[steps_M], return_inverse=True)[1]
    for metric, difference_M in (
        ("track_difference", ours.track_M - other.track_M),
        ("artist_difference", ours.artist_M - other.artist_M),
    ):
        report.add(name, metric, *bootstrap_ratio(*by_listener(difference_M, listener_M)))


def some_of(steps_M: Indices, most: int, plays: Plays) -> Indices:
    """All steps of as many whole sessions, drawn once, as have so many together."""
    if len(steps_M) <= most:
        return steps_M
    sessions = np.random.default_rng(0).permutation(np.unique(plays.session_N[steps_M]))
    size = np.cumsum(np.bincount(plays.session_N[steps_M], minlength=sessions.max() + 1)[sessions])
    return steps_M[np.isin(plays.session_N[steps_M], sessions[: int(np.searchsorted(size, most)) + 1])]


def fit_combination(plays: Plays, options: Namespace) -> Combination:
    """Its weights, on the end of what may be learnt from; what it counts is then counted anew in all of it."""
    earlier = plays.for_validation()
    return Combination.of(Counts.of(earlier), some_of(earlier.steps_M(), 500 if options.quick else COMBINATION_STEPS, earlier))


@contextmanager
def service_without_database() -> Iterator[Path]:
    """Django is set up for dataset, training and policy; none of them asks the database for anything here."""
    with tempfile.TemporaryDirectory(prefix="encore-bench-") as name:
        os.environ |= {
            "ENCORE_VAR": name,
            "ENCORE_SECRET_KEY": "only for a benchmark",
            "ENCORE_SIMULATED": "false",
            "ENCORE_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        import django

        django.setup()
        yield Path(name)


def measure(plays: Plays, options: Namespace, folder: Path, report: Report) -> None:
    """Peers, ours with every seed, and ours with each term left out on some of the sessions."""
    steps_M = some_of(plays.steps_M(), options.steps or len(plays.track_N), plays)
    say(f"{len(steps_M)} steps of {len(np.unique(plays.listener_N[steps_M]))} listeners")
    tops = tops_of_peers(Counts.of(plays), fit_combination(plays, options), steps_M)
    peers = {name: Hits.of(top, plays, steps_M) for name, top in tops.items()}
    for name, hits in peers.items():
        report_hits(report, name, hits, plays, steps_M)
    listening = Listening.of(plays)
    seeds = []
    for seed in range(options.seeds):
        policy = train_ours(listening, options, folder / f"ours {seed}", seed)
        seeds.append(Hits.of(tops_of_ours(listening, policy, steps_M), plays, steps_M))
    ours = Hits(
        track_M=np.mean([hits.track_M for hits in seeds], axis=0), artist_M=np.mean([hits.artist_M for hits in seeds], axis=0)
    )
    best = [max(float(getattr(hits, kind).mean()) for hits in peers.values()) for kind in ("track_M", "artist_M")]
    report_hits(report, "ours", ours, plays, steps_M, aims=best)
    report_difference(report, "ours minus combination", ours, peers["combination"], plays, steps_M)
    fewer = np.isin(steps_M, some_of(steps_M, options.ablation_steps, plays)) if options.ablation_steps else steps_M < 0
    for name, changes in ABLATIONS.items() if options.ablation_steps else ():
        policy = train_ours(listening, options, folder / name, 0, **changes)
        hits = Hits.of(tops_of_ours(listening, policy, steps_M[fewer]), plays, steps_M[fewer])
        report_hits(report, name, hits, plays, steps_M[fewer])
        same = Hits(track_M=seeds[0].track_M[fewer], artist_M=seeds[0].artist_M[fewer])
        report_difference(report, f"ours minus {name}", same, hits, plays, steps_M[fewer])
    report.note(
        f"next_track_weight is {NEXT_TRACK_WEIGHT:g} here and 1 where the service starts: rewards are nearly equal in these "
        "files, so that Q can say little and what is played next decides"
    )
    known = plays.known_T()[plays.track_N[steps_M]].mean()
    report.note(
        f"{len(steps_M)} steps of {len(np.unique(plays.listener_N[steps_M]))} listeners, by whom the intervals are drawn; "
        f"{known:.3f} of the tracks had been played in what was learnt from; ablations: {fewer.sum()} of the steps, seed 0"
    )


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--train", type=Path, default=SHARED_FILES / "30music_events_dev.csv.gz", help="plays to learn from")
    parser.add_argument("--test", type=Path, help="plays of other slices; the first 70 %% of their time is learnt from, too")
    parser.add_argument("--steps", type=int, default=0, help="so many in whole sessions, drawn once; 0: all")
    parser.add_argument(
        "--ablation-steps", type=int, default=4000, help="the same for ours with a term left out; 0: no such rows"
    )
    options = read_options(parser)
    if options.quick:
        options.steps, options.ablation_steps = 600, 200
    torch.set_num_threads(1)
    report = Report("next_track", options)
    for path in (options.train, options.test):
        if path is not None and not path.exists():
            report.note(f"{path} is not here: nothing was measured")
            return report.finish()
    with service_without_database() as folder:
        plays = Plays.read(options.train, options.test)
        if options.quick:
            plays = plays.only(plays.listener_N % 4 == 0)
        measure(plays, options, folder, report)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
