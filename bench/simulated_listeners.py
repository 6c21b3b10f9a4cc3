"""Reward per session of simulated listeners under each policy, after each retraining. Before: recsys. After: make bench.

A throwaway PostgreSQL, tunes of the starter collections, one common beginning under popularity; then each policy goes on alone
from there, in a transaction that is rolled back, with the same listeners and dice."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Report, bootstrap_ratio, make_parser, read_options, say
from config.postgres import Cluster

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
NAMES = ("random", "popularity", "item mean", "ALS", "bandit", "ours")


@contextmanager
def throwaway_site() -> Iterator[Path]:
    """A database and ENCORE_VAR of their own; Django is set up inside."""
    with tempfile.TemporaryDirectory(prefix="encore-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = Cluster(folder=folder / "postgres", durable=False)
        server = cluster.start()
        os.environ |= {
            "DATABASE_URL": cluster.url(),
            "ENCORE_VAR": str(folder / "var"),
            "ENCORE_SECRET_KEY": "only for a benchmark",
            "ENCORE_SIMULATED": "true",
            "ENCORE_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield folder
        finally:
            from django.db import connection

            connection.close()
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


@dataclass(kw_only=True)
class Context:
    """A run without a row in the database."""

    configuration: Any
    folder: Path
    seed: int
    device: str
    parent_folder: Path | None = None

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Says where the training stands, rarely."""
        if step % 1000 == 0:
            say(f"  {step} updates: " + ", ".join(f"{name} {value:.3g}" for name, value in list(metrics.items())[:6]))

    def log(self, text: str) -> None:
        """Goes to stderr."""
        say(f"  {text}")


@dataclass(kw_only=True)
class World:
    """One seed's listeners, the folder for checkpoints, and where each phase ends."""

    population: Any
    options: Namespace
    folder: Path
    seed: int

    def end_of(self, phase: int) -> datetime:
        """Phase 0 is the common beginning; a retraining stands before each later one."""
        return START + timedelta(days=self.options.days * (phase + 1))


def serve_by(kind: str, folder: str) -> None:
    """Makes a version of this kind the champion."""
    from training.models import PolicyVersion, Slot

    version = PolicyVersion.objects.create(slot="recommender", kind=kind, folder=folder)
    Slot.objects.update_or_create(name="recommender", defaults={"champion": version})


def fit_dqn(world: World, phase: int, **changes: Any) -> None:
    """Trains on what was logged so far and serves the checkpoint."""
    from django.conf import settings

    from recsys.learning import replay_dataset, training
    from recsys.learning.configuration import RecommenderConfiguration

    configuration = replace(RecommenderConfiguration(**changes), updates=world.options.updates)
    number = sum(1 for _ in world.folder.glob("run-*"))
    context = Context(
        configuration=configuration, folder=world.folder / f"run-{number}", seed=world.seed, device=world.options.device
    )
    dataset = replay_dataset.build(configuration, as_of=world.end_of(phase - 1))
    trained = training.train(context, dataset)
    serve_by("dqn", os.path.relpath(trained.checkpoint, settings.ENCORE_VAR))


def fit_item_mean(world: World, phase: int) -> None:
    """Mean reward of each track, shrunken by five plays, and nothing about who listens."""
    from recsys.learning import policy, replay_dataset
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.evaluation import reward_means

    dataset = replay_dataset.build(RecommenderConfiguration(held_out_share=1e-9), as_of=world.end_of(phase - 1))
    means = reward_means(dataset)

    class ItemMean(policy.PopularityPolicy):
        temperature = 0.1

        def popularity(self, state: Any) -> policy.Popularity:
            return means

    policy.KINDS["item mean"] = lambda folder: ItemMean()
    serve_by("item mean", "")


def fit_als(world: World, phase: int) -> None:
    """Implicit matrix factorisation of (listener, track) with the summed positive reward as confidence."""
    import implicit
    from scipy.sparse import csr_matrix

    from recsys.learning import policy, replay_dataset
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.features import track_table

    dataset = replay_dataset.build(RecommenderConfiguration(held_out_share=1e-9), as_of=world.end_of(phase - 1))
    listeners, place_N = np.unique(dataset.listener_N, return_inverse=True)
    shape = (len(listeners), len(dataset.table))
    plays = csr_matrix((np.maximum(dataset.reward_N, 0.0), (place_N, dataset.track_N)), shape=shape)
    model = implicit.als.AlternatingLeastSquares(factors=16, iterations=20, random_state=world.seed, num_threads=1)
    model.fit(plays, show_progress=False)
    scores_LT = np.asarray(model.user_factors) @ np.asarray(model.item_factors).T
    place_of = {int(listener): place for place, listener in enumerate(listeners)}

    class Als(policy.RandomPolicy):
        temperature = 0.05

        def scores(self, state: Any) -> Any:
            place = place_of.get(state.listener_id)
            return scores_LT.mean(axis=0) if place is None else scores_LT[place]

        def score(self, state: Any, track_ids: Any) -> Any:
            return self.scores(state)[dataset.table.rows_of(track_ids)][None].astype(np.float64)

        def top(self, state: Any, count: int, excluded: Any) -> list[int]:
            return policy.best_open(self.scores(state).astype(np.float64), track_table(), count, excluded)

    policy.KINDS["ALS"] = lambda folder: Als()
    serve_by("ALS", "")


FITS: dict[str, Callable[[World, int], None]] = {
    "random": lambda world, phase: serve_by("random", ""),
    "popularity": lambda world, phase: serve_by("popularity", ""),
    "item mean": fit_item_mean,
    "ALS": fit_als,
    "bandit": lambda world, phase: fit_dqn(world, phase, discount=0.0),
    "ours": fit_dqn,
}


def measure(world: World, phase: int) -> tuple[np.ndarray, np.ndarray]:
    """(summed reward, visits) of each listener in one phase; visits without a play count as well."""
    from recsys.feedback import rows_of
    from recsys.models import Track
    from recsys.rewards import active_weights, rewards_of

    durations = dict(Track.objects.values_list("id", "duration_seconds"))
    weights = active_weights()
    first = world.end_of(phase - 1) if phase else START
    population = world.population
    rewards, visits = np.zeros(len(population.listeners)), np.zeros(len(population.listeners))
    for moment, place in population.visits:
        visits[place] += first <= moment < world.end_of(phase)
    for place, simulated in enumerate(population.listeners):
        for session in rewards_of(rows_of(simulated.listener.pk), durations, weights):
            if session and first <= session[0].play.started_at < world.end_of(phase):
                rewards[place] += sum(transition.reward for transition in session)
    return rewards, visits


def newest_recommendation() -> int:
    """Its id: moments don't tell phases apart, because a session of the phase before may last into the next."""
    from recsys.models import Recommendation

    return Recommendation.objects.order_by("-id").values_list("id", flat=True).first() or 0


def check_who_served(newest_before: int) -> None:
    """The champion served all newer ones. A broken version is replaced by popularity: no figure is worth that."""
    from recsys.models import Recommendation
    from training.models import Slot

    champion = Slot.objects.get(name="recommender").champion_id
    if Recommendation.objects.filter(id__gt=newest_before).exclude(policy_version_id=champion).exists():
        raise RuntimeError("another policy than the one that is measured served")


def live_one_seed(options: Namespace, folder: Path, seed: int) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """(name, phase) → what each listener's sessions brought."""
    from django.db import transaction

    from recsys.simulation import Population

    found = {}
    with _undone(transaction):
        population = Population.make(listeners=options.listeners, seed=seed, start=START)
        world = World(population=population, options=options, folder=folder, seed=seed)
        serve_by("popularity", "")
        say(f"seed {seed}: {population.live(world.end_of(0))} sessions under popularity")
        common = measure(world, 0)
        for name in chosen(options):
            found[name, 0] = common
            with _undone(transaction):
                own = World(population=copy.deepcopy(population), options=options, folder=folder, seed=seed)
                for phase in range(1, options.retrains + 1):
                    FITS[name](own, phase)
                    newest_before = newest_recommendation()
                    sessions = own.population.live(own.end_of(phase))
                    check_who_served(newest_before)
                    found[name, phase] = measure(own, phase)
                    rewards, visits = found[name, phase]
                    say(
                        f"seed {seed}: {name}, phase {phase}: {rewards.sum() / max(1, visits.sum()):.3f} in {sessions} sessions"
                    )
    return found


@contextmanager
def _undone(transaction: Any) -> Iterator[None]:
    """A stretch of time that never was."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def chosen(options: Namespace) -> list[str]:
    """The policies to measure; peers that are not installed are left out."""
    return [name for name in options.only if name != "ALS" or is_installed("implicit")]


def is_installed(name: str) -> bool:
    """Whether a peer can be measured."""
    import importlib.util

    return importlib.util.find_spec(name) is not None


Brought = tuple[np.ndarray, np.ndarray]
"""(rewards, visits) of each listener."""


def paired_difference(ours: Brought, other: Brought, *, seed: int = 0) -> tuple[float, float, float]:
    """Reward per session less that of another policy, on the same resampled listeners: (difference, low, high)."""

    def difference(at: np.ndarray) -> float:
        return float(ours[0][at].sum() / max(1.0, ours[1][at].sum()) - other[0][at].sum() / max(1.0, other[1][at].sum()))

    everybody = np.arange(len(ours[0]))
    generator = np.random.default_rng(seed)
    drawn = [difference(generator.choice(everybody, size=len(everybody))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return difference(everybody), float(low), float(high)


def main() -> int:
    """Measures and reports."""
    parser = make_parser(__doc__, seeds=3)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--retrains", type=int, default=2, help="phases after the common beginning, each after a training")
    parser.add_argument("--days", type=float, default=2.0, help="length of each phase")
    parser.add_argument("--tracks", type=int, default=600, help="tunes of the catalogue")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="leave the others out")
    parser.add_argument("--updates", type=int, default=1500, help="gradient steps of each training")
    options = read_options(parser)
    if options.quick:
        options.seeds, options.listeners, options.retrains, options.days = 1, 40, 1, 1.0
        options.tracks, options.updates = 120, 200
    report = Report("simulated_listeners", options)
    if "ALS" in options.only and not is_installed("implicit"):
        report.note("ALS was left out: the package implicit is not installed (pip install -e .[bench]).")
    with throwaway_site() as folder:
        from recsys import catalogue

        folder = folder / "var" / "bench"
        folder.mkdir(parents=True)
        catalogue.import_first(options.tracks)
        results = [live_one_seed(options, folder, seed) for seed in range(options.seeds)]
    brought = {
        key: (np.concatenate([result[key][0] for result in results]), np.concatenate([result[key][1] for result in results]))
        for key in results[0]
    }
    for (name, phase), found in brought.items():
        report.add(name, f"reward_per_session_after_{phase}", *bootstrap_ratio(*found))
    for name, phase in brought:
        if name != "ours" and phase > 0 and ("ours", phase) in brought:
            difference = paired_difference(brought["ours", phase], brought[name, phase])
            report.add(f"ours minus {name}", f"difference_after_{phase}", *difference)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
