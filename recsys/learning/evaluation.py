"""Judges a policy on held-out sessions before it serves. Before: training.py. After: the promotion gate.

Letters: n candidates, H heads, R shown tracks (one per logged position), P policies, L listeners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dqn.policy import softmax_with_exploration
from recsys.learning.features import TrackTable, track_table
from recsys.learning.policy import Popularity, PopularityPolicy, RandomPolicy, RecommenderPolicy, load_policy
from recsys.learning.replay_dataset import Decision, ReplayDataset
from recsys.recommending import marginal_gain
from training.slots import Check

MOST_DECISIONS = 1500
LARGEST_WEIGHT = 20.0
"""Importance weights above it are cut; the share that was cut is shown."""
LEAST_EFFECTIVE_SAMPLES = 100.0
RESAMPLES = 1000
LIKED_REWARD = 0.5
"""From this reward on, a played track counts as a hit that the ranking should have put first."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One policy on every logged position."""

    weight_R: Floats
    """π/μ, cut at LARGEST_WEIGHT."""
    expected_R: Floats
    """Σ π(a)·r̂(a) over the candidates still open: the direct part of the doubly robust estimate."""
    clipped_share: float
    hit_at_10: float
    ndcg_at_10: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def evaluate(checkpoint: Path, dataset: ReplayDataset) -> dict[str, Any]:
    """Figures of the run: estimates on held-out slates of the new policy, popularity and random, with intervals."""
    policies = {"ours": load_policy("dqn", checkpoint), "popularity": PopularityPolicy(), "random": RandomPolicy()}
    log = HeldOutLog.of(dataset)
    figures: dict[str, Any] = {"held_out_slates": len(log.decisions), "held_out_listeners": len(set(log.listener_R.tolist()))}
    if not log.decisions:
        return figures | {"word": "No held-out slates yet: nothing can be estimated."}
    judged = {name: log.judge(policy) for name, policy in policies.items()}
    for name, each in judged.items():
        for estimator, estimate in log.estimates(each).items():
            figures[f"{name}_{estimator}"] = estimate.value
            figures[f"{name}_{estimator}_low"], figures[f"{name}_{estimator}_high"] = estimate.low, estimate.high
        figures[f"{name}_effective_samples"] = effective_samples(each.weight_R)
        figures[f"{name}_clipped_share"] = each.clipped_share
        figures[f"{name}_hit_at_10"], figures[f"{name}_ndcg_at_10"] = each.hit_at_10, each.ndcg_at_10
    figures["logged_reward_per_track"] = float(log.reward_R.mean())
    return figures


def judge(checkpoint: Path, champion: Path | None, dataset: ReplayDataset) -> list[Check]:
    """Checks of the gate against the champion (popularity where it has no weights)."""
    log = HeldOutLog.of(dataset)
    ours = load_policy("dqn", checkpoint)
    checks = [_no_disliked(ours, log)]
    if not log.decisions:
        word = "There are no logged slates of held-out listeners yet, so nothing can be estimated."
        return [*checks, Check(name="held-out slates", outcome="not proven", explanation=word, figure=0.0)]
    against = load_policy("dqn", champion) if champion is not None else PopularityPolicy()
    new, old = log.judge(ours), log.judge(against)
    checks.append(_enough_samples("effective samples", new, len(log.reward_R)))
    checks.append(_enough_samples("effective samples of the champion", old, len(log.reward_R)))
    checks.append(
        Check(
            name="clipped weights",
            outcome="pass" if new.clipped_share <= 0.05 else "not proven",
            explanation=f"Share of importance weights above {LARGEST_WEIGHT:g}, which were cut.",
            figure=new.clipped_share,
            threshold=0.05,
        )
    )
    checks.append(better("reward per shown track (SNIPS)", log.snips_difference(new, old, log.reward_R), decides=True))
    checks.append(better("reward per shown track (doubly robust)", log.robust_difference(new, old), decides=False))
    checks.append(better("reward to the session's end (SNIPS)", log.snips_difference(new, old, log.return_R), decides=False))
    return checks


def _enough_samples(name: str, judged: Judged, shown: int) -> Check:
    effective = effective_samples(judged.weight_R)
    return Check(
        name=name,
        outcome="pass" if effective >= LEAST_EFFECTIVE_SAMPLES else "not proven",
        explanation=f"{shown} logged positions weigh as much as {effective:.0f} under this policy.",
        figure=effective,
        threshold=LEAST_EFFECTIVE_SAMPLES,
    )


def better(name: str, difference: Estimate, *, decides: bool) -> Check:
    """A deciding check passes when the whole interval lies above 0; another one fails only when all of it lies below."""
    if difference.high < 0:
        outcome, words = "fail", "worse than the champion"
    elif difference.low > 0:
        outcome, words = "pass", "better than the champion"
    else:
        outcome, words = ("not proven" if decides else "pass"), "not distinguishable from the champion"
    return Check(
        name=f"{name}, difference",
        outcome=outcome,
        explanation=f"Estimated on held-out sessions, 95 % interval over listeners: {words}.",
        figure=difference.value,
        low=difference.low,
        high=difference.high,
        threshold=0.0,
    )


def _no_disliked(policy: RecommenderPolicy, log: HeldOutLog, most: int = 50) -> Check:
    served = 0
    for decision in log.decisions[:most]:
        disliked = {row.track_id for row in decision.state.rows if row.kind in ("dislike", "ban")}
        served += len(disliked & set(policy.top(decision.state, 10, disliked)))
    return Check(
        name="disliked tracks served",
        outcome="pass" if served == 0 else "fail",
        explanation="Disliked or banned tracks among the first ten of held-out requests.",
        figure=float(served),
        threshold=0.0,
    )


def effective_samples(weight_R: Floats) -> float:
    """(Σw)²/Σw²: how many equally weighted observations the weighted ones are worth (Kish 1965)."""
    square = float((weight_R**2).sum())
    return float(weight_R.sum()) ** 2 / square if square > 0 else 0.0


def snips(weight_R: Floats, reward_R: Floats) -> float:
    """Σ w·r / Σ w (Swaminathan & Joachims 2015, self-normalised estimator)."""
    total = float(weight_R.sum())
    return float((weight_R * reward_R).sum()) / total if total > 0 else 0.0


def doubly_robust(weight_R: Floats, reward_R: Floats, expected_R: Floats, modelled_R: Floats) -> float:
    """Mean of Σ_a π(a) r̂(a) + w·(r − r̂(taken)) (Dudík et al. 2011, arXiv 1103.4601, equation 2)."""
    return float((expected_R + weight_R * (reward_R - modelled_R)).mean())


def walk_probabilities(
    scores_Hn: Floats, gain: Any, picks: Sequence[int], *, epsilon: float, temperature: float
) -> list[Floats]:
    """For each position, the probability of every candidate given the picks before it; picked ones have 0."""
    heads, n = scores_Hn.shape
    is_open = np.ones(n, dtype=np.bool_)
    weight_H = np.full(heads, 1.0 / heads)
    found = []
    for position, pick in enumerate(picks):
        places = np.flatnonzero(is_open)
        gains_Hn = np.atleast_2d(gain(list(picks[:position])))[:, places]
        chances_Hn = np.zeros((heads, n))
        chances_Hn[:, places] = softmax_with_exploration(gains_Hn, epsilon, temperature)
        found.append(weight_H @ chances_Hn)
        joint_H = weight_H * chances_Hn[:, pick]
        weight_H = joint_H / joint_H.sum()
        is_open[pick] = False
    return found


@dataclass(frozen=True, kw_only=True)
class HeldOutLog:
    """Logged slates of held-out listeners, position by position."""

    decisions: tuple[Decision, ...]
    table: TrackTable
    probability_R: Floats
    reward_R: Floats
    return_R: Floats
    listener_R: NDArray[np.int64]
    modelled_R: Floats
    """r̂ of the shown track: the shrunken mean reward of its track in the training part."""
    model: Popularity

    @classmethod
    def of(cls, dataset: ReplayDataset) -> HeldOutLog:
        """The newest slates of the dataset."""
        decisions = tuple(decision for decision in dataset.decisions if decision.tracks)[-MOST_DECISIONS:]
        model = reward_means(dataset)
        return cls(
            decisions=decisions,
            table=track_table(),
            probability_R=np.array([p for decision in decisions for p in decision.probabilities]),
            reward_R=np.array([r for decision in decisions for r in decision.rewards]),
            return_R=np.array([r for decision in decisions for r in decision.returns]),
            listener_R=np.array([decision.listener_id for decision in decisions for _ in decision.tracks], dtype=np.int64),
            modelled_R=model.of([track for decision in decisions for track in decision.tracks]),
            model=model,
        )

    def judge(self, policy: RecommenderPolicy) -> Judged:
        """Re-runs the policy on each logged request: same candidates, same picks before."""
        probabilities, expected, ranks = [], [], []
        for decision in self.decisions:
            scores_Hn = policy.score(decision.state, decision.candidates)
            gain = marginal_gain(scores_Hn, self.table, decision.candidates, decision.diversity, policy.temperature)
            place = {track: at for at, track in enumerate(decision.candidates)}
            picks = [place[track] for track in decision.tracks]
            modelled_n = self.model.of(decision.candidates)
            walked = walk_probabilities(scores_Hn, gain, picks, epsilon=decision.epsilon, temperature=policy.temperature)
            for pick, chances_n in zip(picks, walked, strict=True):
                probabilities.append(chances_n[pick])
                expected.append(float(chances_n @ modelled_n))
            ranks += _ranks_of_hits(scores_Hn.mean(axis=0), picks, decision.rewards)
        raw_R = np.array(probabilities) / self.probability_R
        rank = np.array(ranks, dtype=np.float64)
        return Judged(
            weight_R=np.minimum(raw_R, LARGEST_WEIGHT),
            expected_R=np.array(expected),
            clipped_share=float((raw_R > LARGEST_WEIGHT).mean()) if len(raw_R) else 0.0,
            hit_at_10=float((rank < 10).mean()) if len(rank) else 0.0,
            ndcg_at_10=float(np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0).mean()) if len(rank) else 0.0,
        )

    def estimates(self, judged: Judged) -> dict[str, Estimate]:
        """SNIPS of reward and of the session's rest, and the doubly robust reward."""
        w, e = judged.weight_R, judged.expected_R
        return {
            "reward_snips": self._interval(lambda at: snips(w[at], self.reward_R[at])),
            "reward_doubly_robust": self._interval(
                lambda at: doubly_robust(w[at], self.reward_R[at], e[at], self.modelled_R[at])
            ),
            "return_snips": self._interval(lambda at: snips(w[at], self.return_R[at])),
        }

    def snips_difference(self, new: Judged, old: Judged, reward_R: Floats) -> Estimate:
        """SNIPS of the new policy less that of the old one, on the same resampled listeners."""
        return self._interval(lambda at: snips(new.weight_R[at], reward_R[at]) - snips(old.weight_R[at], reward_R[at]))

    def robust_difference(self, new: Judged, old: Judged) -> Estimate:
        """The same with the doubly robust estimate."""

        def difference(at: NDArray[np.int64]) -> float:
            reward, modelled = self.reward_R[at], self.modelled_R[at]
            return doubly_robust(new.weight_R[at], reward, new.expected_R[at], modelled) - doubly_robust(
                old.weight_R[at], reward, old.expected_R[at], modelled
            )

        return self._interval(difference)

    def _interval(self, figure: Any, seed: int = 0) -> Estimate:
        """Bootstrap over listeners: one listener's tracks are no independent witnesses."""
        generator = np.random.default_rng(seed)
        order = np.argsort(self.listener_R, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(self.listener_R[order])) + 1)
        everything = np.arange(len(self.listener_R))
        drawn = [
            figure(np.concatenate([groups[at] for at in generator.integers(len(groups), size=len(groups))]))
            for _ in range(RESAMPLES)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        value = float(figure(everything))
        if len(groups) < 2:  # one listener shows no spread between listeners
            low, high = -np.inf, np.inf
        return Estimate(value=value, low=float(low), high=float(high))


def _ranks_of_hits(mean_n: Floats, picks: Sequence[int], rewards: Sequence[float]) -> list[int]:
    """Rank among the candidates of each shown track that was liked; equal scores count half of each other."""
    ranks = []
    for pick, reward in zip(picks, rewards, strict=True):
        if reward >= LIKED_REWARD:
            ties = int((mean_n == mean_n[pick]).sum()) - 1
            ranks.append(int((mean_n > mean_n[pick]).sum()) + ties // 2)
    return ranks


def reward_means(dataset: ReplayDataset) -> Popularity:
    """Shrunken mean reward of each track in the training part."""
    sums: dict[int, tuple[float, float]] = {}
    for row, reward, held_out in zip(dataset.track_N, dataset.reward_N, dataset.is_held_out_N, strict=True):
        if not held_out:
            track = int(dataset.table.ids_T[row])
            total, plays = sums.get(track, (0.0, 0.0))
            sums[track] = (total + float(reward), plays + 1)
    return Popularity.of_sums(sums)
