"""Predicted against true and observed lift of many policies. Before: simulated_policies.py. After: make bench.

Estimated, by the gate's own code: reward per offered track of a policy less that of the one that logged, choosing within the
logged candidates in the states that the logging policy led to. True: the same, exactly, on fresh listeners. Observed: as in a
canary, the policy serves listeners itself, so their states are its own doing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.report import Report, make_parser, read_options, say
from bench.simulated_policies import LEARNING_LISTENERS, LOGGING, Mixture, World, immediate_rewards, make_world
from bench.simulated_radio import EPSILON, Asked, Floats, Radio
from bench.site import START, throwaway_site
from dqn.policy import softmax_with_exploration

RESAMPLES = 2000


@dataclass(kw_only=True)
class MixturePolicy:
    """A mixture as the gate asks a policy."""

    world: World
    mixture: Mixture

    @property
    def temperature(self) -> float:
        """Of the softmax."""
        return self.mixture.temperature

    def score(self, state: Any, track_ids: Any) -> Floats:
        """scores_1n."""
        return self.world.scores(self.mixture, state.listener_id, self.world.table.rows_of(track_ids))[None]


def log_of(world: World, asked: list[Asked]) -> Any:
    """What the gate reads: decisions of the listeners who judge, plays of those who only teach the item means."""
    from recsys.learning.held_out import HeldOutLog
    from recsys.learning.logged_slates import Decision

    order = [each.listener.pk for each in world.crowd.population.listeners]
    learning = set(order[:LEARNING_LISTENERS])
    judging = set(order[LEARNING_LISTENERS : LEARNING_LISTENERS + world.options.listeners])
    ids_T = world.table.ids_T
    decisions = tuple(
        Decision(
            recommendation_id=-number,
            listener_id=each.listener_id,
            state=each.state,
            diversity=0.0,
            candidates=tuple(int(track) for track in ids_T[each.rows_n]),
            tracks=(int(ids_T[each.rows_n[each.pick]]),),
            probabilities=(each.probability,),
            epsilon=EPSILON,
            policy_version_id=0,
            rewards=(each.reward,),
            returns=(each.reward,),
        )
        for number, each in enumerate(asked, 1)
        if each.listener_id in judging
    )
    taught = [each for each in asked if each.listener_id in learning]
    dataset: Any = SimpleNamespace(
        as_of=START + timedelta(days=100),
        decisions=decisions,
        table=world.table,
        weights=immediate_rewards(),
        track_N=np.array([each.rows_n[each.pick] for each in taught]),
        reward_N=np.array([each.reward for each in taught]),
        is_held_out_N=np.zeros(len(taught), dtype=np.bool_),
    )
    return HeldOutLog.of(dataset)


def true_lift(world: World, mixture: Mixture, asked: list[Asked]) -> float:
    """Σ_a (π(a|s) − μ(a|s))·E r(s, a), averaged over fresh states under the logging policy."""
    chances = []
    for policy in (mixture, LOGGING):
        scores_Dn = np.stack([world.scores(policy, each.listener_id, each.rows_n) for each in asked])
        chances.append(softmax_with_exploration(scores_Dn, EPSILON, policy.temperature))
    worth_Dn = np.stack([each.worth_n for each in asked])
    return float(((chances[0] - chances[1]) * worth_Dn).sum(axis=1).mean())


def mean_reward(radio: Radio) -> float:
    """Per offered track."""
    return float(np.mean([each.reward for each in radio.asked]))


def observed_lift(new: Radio, old: Radio) -> tuple[float, float, float]:
    """As a canary sees it: reward per offered track of one less that of the other, with its interval over listeners."""
    from recsys.learning.off_policy.estimators import Estimator, ratio
    from recsys.learning.off_policy.intervals import estimate

    arms = [(arm, each) for arm, radio in enumerate((new, old)) for each in radio.asked]
    columns_RK = np.zeros((len(arms), 4))
    for row, (arm, each) in enumerate(arms):
        columns_RK[row, 2 * arm : 2 * arm + 2] = each.reward, 1.0
    lift = Estimator(columns_RK=columns_RK, of_sums=lambda s: ratio(s[..., 0], s[..., 1]) - ratio(s[..., 2], s[..., 3]))
    found = estimate(lift, np.array([each.listener_id for _, each in arms]), resamples=500)
    return found.value, found.low, found.high


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One policy: lift as each estimator predicts it (value, low, high), true, observed; whether the gate trusts the log."""

    predicted: dict[str, tuple[float, float, float]]
    true: float
    observed: tuple[float, float, float]
    is_trusted: bool


def judge_policies(world: World, mixtures: list[Mixture]) -> list[Outcome]:
    """Every policy on one log."""
    from recsys.learning import checks
    from recsys.learning.held_out import LARGEST_WEIGHT
    from recsys.learning.off_policy.estimators import difference
    from recsys.learning.off_policy.intervals import estimate

    everybody = world.live(LOGGING, len(world.crowd.population.listeners), reckons_worth=True)
    known = {each.listener.pk for each in world.crowd.population.listeners[: LEARNING_LISTENERS + world.options.listeners]}
    fresh = [each for each in everybody.asked if each.listener_id not in known]
    log = log_of(world, everybody.asked)
    exact = float(np.mean([each.worth_n[each.pick] for each in everybody.asked]))
    seen = mean_reward(everybody)
    say(f"{len(log.decisions)} judged requests, {len(fresh)} fresh ones; mean reward {seen:.4f}, exactly {exact:.4f}")
    old = log.of_one_choice(log.judge(policy_of(world, LOGGING)))
    count = world.options.canary
    usual = world.live(LOGGING, count)
    outcomes = []
    for mixture in mixtures:
        judged = log.judge(policy_of(world, mixture))
        predicted = {}
        for name, estimator in log.of_one_choice(judged).items():
            found = estimate(difference(estimator, old[name]), log.listener_R, resamples=500)
            predicted[name] = (found.value, found.low, found.high)
        outcomes.append(
            Outcome(
                predicted=predicted,
                true=true_lift(world, mixture, fresh),
                observed=observed_lift(world.live(mixture, count), usual),
                is_trusted=all(each.outcome == "pass" for each in checks.overlap_checks(judged.raw_weight_R, LARGEST_WEIGHT)),
            )
        )
    return outcomes


def policy_of(world: World, mixture: Mixture) -> Any:
    """As the gate asks it."""
    return MixturePolicy(world=world, mixture=mixture)


def spearman(first: Floats, second: Floats) -> float:
    """Correlation of the ranks."""
    ranks = [np.argsort(np.argsort(each)) for each in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def with_interval(value: Any, *columns: Floats) -> tuple[float, float, float]:
    """A figure over policies with its 95 % bootstrap interval."""
    generator = np.random.default_rng(0)
    drawn = [
        value(*(column[at] for column in columns))
        for at in generator.integers(len(columns[0]), size=(RESAMPLES, len(columns[0])))
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(value(*columns)), float(low), float(high)


def tell(report: Report, outcomes: list[Outcome]) -> None:
    """The rows; the deciding estimator under the names that other tools read."""
    trusted = np.array([each.is_trusted for each in outcomes])
    true = np.array([each.true for each in outcomes])
    observed, observed_low, observed_high = np.array([each.observed for each in outcomes]).T
    names = {"self_normalised_dr": "", "doubly_robust": " (doubly robust)", "snips": " (SNIPS)", "ips": " (IPS)"}
    for name, suffix in names.items():
        value, low, high = np.array([each.predicted[name] for each in outcomes]).T
        hit = ((low <= true) & (true <= high)).astype(np.float64)
        target = None if suffix else 0.9
        report.add("rank_correlation" + suffix, "spearman", *with_interval(spearman, value, true), target=target)
        report.add("coverage" + suffix, "share", *with_interval(np.mean, hit[trusted]), target=target)
        report.add("coverage, all policies" + suffix, "share", *with_interval(np.mean, hit))
        if not suffix:
            # Both are uncertain: they agree where their distance is no wider than both half widths together allow.
            width = np.hypot((high - low) / 2, (observed_high - observed_low) / 2)
            agree = (np.abs(observed - value) <= width).astype(np.float64)
            report.add("observed lift, rank_correlation", "spearman", *with_interval(spearman, value, observed))
            report.add("observed lift, agreement", "share", *with_interval(np.mean, agree[trusted]))
            report.add("observed less true lift", "reward_per_track", *with_interval(np.mean, observed - true))
    report.add("policies that the overlap checks let through", "share", float(trusted.mean()))
    report.add("true lift of the worst and best policy, distance", "reward_per_track", float(true.max() - true.min()))


def main() -> int:
    """Measures and reports."""
    parser = make_parser(__doc__, seeds=10)
    parser.add_argument("--policies", type=int, default=200, help="over all seeds; each has a log and listeners of its own")
    parser.add_argument("--listeners", type=int, default=100, help="whose requests judge, in each log")
    parser.add_argument("--fresh", type=int, default=300, help="listeners from whom the truth is reckoned")
    parser.add_argument("--canary", type=int, default=60, help="listeners whom each policy serves itself")
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--tracks", type=int, default=300, help="tunes of the catalogue")
    options = read_options(parser)
    if options.quick:
        options.seeds, options.policies, options.listeners, options.fresh, options.canary = 2, 12, 40, 40, 8
    report = Report("predicted_lift", options)
    outcomes: list[Outcome] = []
    with throwaway_site():
        from recsys import catalogue

        catalogue.import_first(options.tracks)
        for seed in range(options.seeds):
            generator = np.random.default_rng([seed, 5])
            per_seed = options.policies // options.seeds + (seed < options.policies % options.seeds)
            mixtures = [Mixture.draw(generator, seed=1000 * seed + number) for number in range(1, per_seed + 1)]
            outcomes += judge_policies(make_world(options, seed), mixtures)
            say(f"seed {seed}: {len(outcomes)} policies so far")
    tell(report, outcomes)
    report.note("Coverage is promised where the gate's overlap checks pass; `all policies` shows the others too.")
    report.note("Aim for coverage: 0.90 to 0.98. Policies of one seed share a log, so their errors go together.")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
