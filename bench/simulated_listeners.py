"""Reward per session of simulated listeners under each policy, after each retraining. Before: recsys. After: make bench.

Tunes of the starter collections, one common beginning under popularity; then each policy goes on alone from there, with the
same listeners and dice. Slates, states, datasets and training are the service's own; the log is kept in memory."""

from __future__ import annotations

import copy
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Report, bootstrap_ratio, make_parser, read_options, say
from bench.run_context import Context
from bench.simulated_memory import Memory, memory_log
from bench.site import START, throwaway_site

NAMES = ("random", "popularity", "item mean", "ALS", "bandit", "ours")
AIM = 0.1
"""Of the bandit's reward per session after as many trainings: so much more looking ahead should bring."""


@dataclass(kw_only=True)
class Life:
    """One policy's listeners from the common beginning on."""

    population: Any
    memory: Memory
    options: Namespace
    folder: Path
    seed: int
    name: str = ""

    def end_of(self, phase: int) -> datetime:
        """Phase 0 is the common beginning; a retraining stands before each later one."""
        return START + timedelta(days=self.options.days * (phase + 1))

    def live(self, phase: int) -> int:
        """Everybody's sessions of one phase."""
        sessions: int = self.population.live(self.end_of(phase), serve=self.memory.serve, record=self.memory.record)
        return sessions

    def dataset(self, phase: int, configuration: Any) -> Any:
        """What was logged before a phase."""
        from recsys.learning import replay_dataset

        as_of = self.end_of(phase - 1)
        return replay_dataset.build(configuration, as_of=as_of, log=memory_log(self.memory, as_of, START))

    def alone(self, name: str) -> Life:
        """The same beginning for one policy."""
        population, memory = copy.deepcopy((self.population, self.memory))
        memory.table = self.memory.table
        return replace(self, population=population, memory=memory, name=name)


def fit_dqn(life: Life, phase: int, **changes: Any) -> Any:
    """Trains on what was logged so far, as the service does."""
    from recsys.learning.policy import load_policy

    configuration = configured(life, **changes)
    return load_policy("dqn", train_dqn(life, phase, configuration, life.dataset(phase, configuration)))


def fit_chosen(life: Life, phase: int) -> Any:
    """Ours or the bandit, whichever the service would keep: what both are worth is estimated on held-out sessions."""
    from recsys.learning import twin
    from recsys.learning.policy import load_policy

    configuration = configured(life)
    dataset = life.dataset(phase, configuration)
    ahead = train_dqn(life, phase, configuration, dataset)
    bandit = train_dqn(life, phase, replace(configuration, discount=0.0), dataset)
    gain = twin.gain_of(ahead, bandit, dataset)
    say(f"seed {life.seed}: phase {phase}: looking ahead is estimated to bring {gain} more")
    return load_policy("dqn", bandit if gain is not None and gain <= 0 else ahead)


def configured(life: Life, **changes: Any) -> Any:
    """The service's configuration with these changes."""
    from recsys.learning.configuration import RecommenderConfiguration

    return replace(RecommenderConfiguration(**changes), updates=life.options.updates)


def train_dqn(life: Life, phase: int, configuration: Any, dataset: Any) -> Path:
    """The checkpoint."""
    from recsys.learning import training

    folder = life.folder / f"{life.seed}-{life.name}-{phase}-{configuration.discount:g}"
    context = Context(configuration=configuration, folder=folder, seed=life.seed, device=life.options.device)
    # What a policy is worth is measured here, not estimated.
    checkpoint: Path = training.train(context, replace(dataset, decisions=())).checkpoint
    return checkpoint


def fit_popularity(life: Life, phase: int) -> Any:
    """The service's first policy, from the log in memory, refreshed each full hour."""
    from recsys.learning.policy import PopularityPolicy
    from recsys.learning.popularity import Popularity
    from recsys.models import Track

    durations = dict(Track.objects.values_list("id", "duration_seconds"))
    memory = life.memory

    class PopularityOfMemory(PopularityPolicy):
        hour: datetime | None = None

        def popularity(self, state: Any) -> Popularity:
            hour = state.moment.replace(minute=0, second=0, microsecond=0)
            if hour != self.hour:
                self.hour, self.known = hour, Popularity.of_sums(memory.outcomes(durations, hour), before=hour)
            return self.known

    return PopularityOfMemory()


def fit_random(life: Life, phase: int) -> Any:
    """Every open track alike."""
    from recsys.learning.policy import RandomPolicy

    return RandomPolicy()


class Scored:
    """A peer that scores the whole catalogue for a listener."""

    def __init__(self, temperature: float, table: Any, scores: Callable[[int], np.ndarray]) -> None:
        self.temperature, self.table, self.scores = temperature, table, scores

    def score(self, state: Any, track_ids: Any) -> np.ndarray:
        """scores_1N."""
        scores_1N: np.ndarray = self.scores(state.listener_id)[self.table.rows_of(track_ids)][None].astype(np.float64)
        return scores_1N

    def choices(self, state: Any, track_ids: Any, scores_1N: Any) -> None:
        """A slate is its best tracks."""

    def top(self, state: Any, count: int, excluded: Any) -> list[int]:
        """The best ones."""
        from recsys.learning.policy import best_open

        return best_open(self.scores(state.listener_id).astype(np.float64), self.table, count, excluded)

    def explain(self, state: Any, track_ids: Any, candidates: Any) -> list[list[Any]]:
        """Nothing."""
        return [[] for _ in track_ids]


def fit_item_mean(life: Life, phase: int) -> Any:
    """Mean reward of each track, shrunken by five plays, and nothing about who listens."""
    from recsys.learning.configuration import RecommenderConfiguration
    from recsys.learning.popularity import Popularity

    dataset = life.dataset(phase, RecommenderConfiguration(held_out_share=1e-9))
    sums = np.bincount(dataset.track_N, dataset.reward_N, len(dataset.table))
    plays = np.bincount(dataset.track_N, minlength=len(dataset.table))
    ids = dataset.table.ids_T.tolist()
    means_T = Popularity.of_sums(dict(zip(ids, zip(sums, plays, strict=True), strict=True))).of(ids)
    return Scored(0.1, dataset.table, lambda listener: means_T)


def fit_als(life: Life, phase: int) -> Any:
    """Implicit matrix factorisation of (listener, track) with the summed positive reward as confidence."""
    import implicit
    from scipy.sparse import csr_matrix

    from recsys.learning.configuration import RecommenderConfiguration

    dataset = life.dataset(phase, RecommenderConfiguration(held_out_share=1e-9))
    listeners, place_N = np.unique(dataset.listener_N, return_inverse=True)
    shape = (len(listeners), len(dataset.table))
    plays = csr_matrix((np.maximum(dataset.reward_N, 0.0), (place_N, dataset.track_N)), shape=shape)
    model = implicit.als.AlternatingLeastSquares(factors=16, iterations=20, random_state=life.seed, num_threads=1)
    model.fit(plays, show_progress=False)
    scores_LT = np.asarray(model.user_factors) @ np.asarray(model.item_factors).T
    mean_T, place_of = scores_LT.mean(axis=0), {int(listener): place for place, listener in enumerate(listeners)}
    return Scored(0.05, dataset.table, lambda listener: scores_LT[place_of[listener]] if listener in place_of else mean_T)


FITS: dict[str, Callable[[Life, int], Any]] = {
    "random": fit_random,
    "popularity": fit_popularity,
    "item mean": fit_item_mean,
    "ALS": fit_als,
    "bandit": lambda life, phase: fit_dqn(life, phase, discount=0.0),
    "ours": fit_dqn,
    "as the service chooses": fit_chosen,
    "with slates by choice": lambda life, phase: fit_dqn(life, phase, slates_by_choice=True),
    "without factors": lambda life, phase: fit_dqn(life, phase, identity_width=0),
    "without passed-over tracks": lambda life, phase: fit_dqn(life, phase, passed_over_weight=0.0),
    "with the best of 12 as target": lambda life, phase: fit_dqn(life, phase, target_tracks=12),
    "with tracks of the catalogue in the conservative term": lambda life, phase: fit_dqn(life, phase, logged_candidates=0),
    "without conservative term": lambda life, phase: fit_dqn(life, phase, conservative_weight=0.0),
    "with the best of 12 tried ones as target": lambda life, phase: fit_dqn(
        life, phase, target_tracks=12, behaviour_filter=0.3
    ),
    "with λ-returns": lambda life, phase: fit_dqn(life, phase, lambda_return=0.7),
    "with one step": lambda life, phase: fit_dqn(life, phase, n_steps=1),
    "with one head": lambda life, phase: fit_dqn(life, phase, heads=1),
}
"""Policies by name; behind ours the choice between it and the bandit, and its ablations: measured where `--only` names them."""


def measure(life: Life, phase: int) -> tuple[np.ndarray, np.ndarray]:
    """(summed reward, visits) of each listener in one phase; visits without a play count as well."""
    from recsys.models import Track
    from recsys.rewards import active_weights, rewards_of

    durations = dict(Track.objects.values_list("id", "duration_seconds"))
    weights = active_weights()
    first = life.end_of(phase - 1) if phase else START
    listeners = life.population.listeners
    rewards, visits = np.zeros(len(listeners)), np.zeros(len(listeners))
    for moment, place in life.population.visits:
        visits[place] += first <= moment < life.end_of(phase)
    for place, simulated in enumerate(listeners):
        for session in rewards_of(life.memory.rows[simulated.listener.pk], durations, weights):
            if session and first <= session[0].play.started_at < life.end_of(phase):
                rewards[place] += sum(transition.reward for transition in session)
    return rewards, visits


def without_reasons(policy: Any) -> Any:
    """The same policy; nobody here reads why."""
    policy.explain = lambda state, track_ids, candidates: [[] for _ in track_ids]
    return policy


def live_one_seed(options: Namespace, folder: Path, seed: int) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """(name, phase) → what each listener's sessions brought."""
    from recsys.learning.features import track_table
    from recsys.models import Preferences
    from recsys.preferences import latest
    from recsys.simulation import Population

    population = Population.make(listeners=options.listeners, seed=seed, start=START, catchiness=options.catchiness)
    everybody = [simulated.listener for simulated in population.listeners]
    declared = {listener.pk: latest(listener) for listener in everybody}
    memory = Memory(
        listeners=everybody,
        styles={listener: tuple(version.styles) for listener, version in declared.items() if version is not None},
        table=track_table(),
        dials=Preferences(),
    )
    common = Life(population=population, memory=memory, options=options, folder=folder, seed=seed)
    memory.serving = without_reasons(fit_popularity(common, 0))
    say(f"seed {seed}: {common.live(0)} sessions under popularity")
    memory.serving = None
    found = {}
    for name in chosen(options):
        found[name, 0] = measure(common, 0)
        own = common.alone(name)
        for phase in range(1, options.retrains + 1):
            started = time.monotonic()
            own.memory.serving = without_reasons(FITS[name](own, phase))
            sessions = own.live(phase)
            rewards, visits = found[name, phase] = measure(own, phase)
            brought = rewards.sum() / max(1, visits.sum())
            say(f"seed {seed}: {name}, phase {phase}: {brought:.3f} in {sessions} sessions, {time.monotonic() - started:.0f} s")
    return found


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
    parser.add_argument("--first-seed", type=int, default=0, help="of the worlds that are lived in")
    parser.add_argument("--listeners", type=int, default=250)
    parser.add_argument("--retrains", type=int, default=3, help="phases after the common beginning, each after a training")
    parser.add_argument("--days", type=float, default=2.0, help="length of each phase")
    parser.add_argument("--tracks", type=int, default=600, help="tunes of the catalogue")
    parser.add_argument(
        "--catchiness", type=float, default=1.0, help="how much catchy tunes wear out what follows; 0: only styles tire"
    )
    parser.add_argument("--only", nargs="+", choices=list(FITS), default=list(NAMES), help="leave the others out")
    parser.add_argument("--updates", type=int, default=1500, help="gradient steps of each training")
    options = read_options(parser)
    if options.quick:
        options.seeds, options.listeners, options.retrains, options.days = 1, 40, 1, 1.0
        options.tracks, options.updates = 120, 200
    first = options.first_seed
    report = Report("simulated_listeners", options)
    if "ALS" in options.only and not is_installed("implicit"):
        report.note("ALS was left out: the package implicit is not installed (pip install -e .[bench]).")
    with throwaway_site() as folder:
        from recsys import catalogue

        folder = folder / "var" / "bench"
        folder.mkdir(parents=True)
        catalogue.import_first(options.tracks)
        results = [live_one_seed(options, folder, seed) for seed in range(first, first + options.seeds)]
    brought = {
        key: (np.concatenate([result[key][0] for result in results]), np.concatenate([result[key][1] for result in results]))
        for key in results[0]
    }
    means = {key: bootstrap_ratio(*found) for key, found in brought.items()}
    for (name, phase), mean in means.items():
        report.add(name, f"reward_per_session_after_{phase}", *mean)
    for name, phase in brought:
        if name != "ours" and phase > 0 and ("ours", phase) in brought:
            difference = paired_difference(brought["ours", phase], brought[name, phase])
            aim = AIM * means[name, phase][0] if name == "bandit" else None
            report.add(f"ours minus {name}", f"difference_after_{phase}", *difference, target=aim)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
