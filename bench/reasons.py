"""Whether named causes are causes: takes the strongest out of the log, runs the model again. Before: recsys. After: make bench.

A throwaway PostgreSQL, simulated listeners with a log, a trained Q-network. Ranks are those among a slate's candidates."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from bench.report import Report, make_parser, read_options, say
from bench.site import START, World, fit_dqn, serve_by, throwaway_site


def rank_of(scores_N: np.ndarray, place: int) -> int:
    """How many others score higher."""
    return int((scores_N > scores_N[place]).sum())


LOGGED = ("heard", "heard_style", "heard_lately", "declared")
"""Causes that lie in the log of the listener: one track, those of one style, all of the last ones; and a declared style."""


@dataclass(kw_only=True)
class Found:
    """What deleting did, over all slates."""

    deleted: list[str] = field(default_factory=list)
    """The kind of each cause that was deleted."""
    score_fell: list[bool] = field(default_factory=list)
    """Against the mean of the candidates."""
    rank_fell: list[bool] = field(default_factory=list)
    """Whether more candidates score higher than before."""
    named: list[str] = field(default_factory=list)
    """The kind of cause named first for each track of a slate; empty where none is."""
    moment_named: list[bool] = field(default_factory=list)
    """Whether a track names a part of the moment, first or later."""
    shares: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Standard deviation over the candidates, by that of the score: of the residual, the moment, and each part of it. As
    logged, over the tracks of the longest slate: of the residual, and of what is told together instead of one by one."""

    def add(self, listener: Any) -> None:
        """A fresh slate; for each track that names a cause of the log, the log without the strongest such cause."""
        from recsys import recommending
        from recsys.learning.explanation import MOMENT
        from recsys.learning.features import build_state
        from recsys.reasons import OTHERS

        slate = recommending.recommend(listener, count=5, surface="bench")
        _, policy, _ = recommending.policy_for(listener)
        candidates = list(slate.candidates)
        state = build_state(listener, slate.created_at)
        before_N = policy.score(state, candidates).mean(axis=0)
        explained = policy.explain(state, candidates, candidates)
        # What is the same for all candidates moves none of them: the spread is what the residual must not explain.
        for name, kinds in {"residual": ("residual",), "moment": tuple(MOMENT), **{kind: (kind,) for kind in MOMENT}}.items():
            added_N = [sum(reason.contribution for reason in reasons if reason.kind in kinds) for reasons in explained]
            self.shares[name].append(float(np.std(added_N) / np.std(before_N)))
        longest = recommending.recommend(listener, count=recommending.MOST_TRACKS, surface="bench")
        for name, kinds in {"logged_residual": ("residual",), "logged_others": tuple(OTHERS.values())}.items():
            added_N = [sum(each["contribution"] for each in told if each["kind"] in kinds) for told in longest.reasons]
            self.shares[name].append(float(np.std(added_N) / np.std(longest.scores)))
        for track, reasons in zip(slate.tracks, slate.reasons, strict=True):
            named = [reason for reason in reasons if reason["text"]]
            self.named.append(named[0]["kind"])
            self.moment_named.append(any(reason["kind"] in MOMENT for reason in named))
            cause = next((reason for reason in named if reason["kind"] in LOGGED), None)
            if cause is not None:
                self.deleted.append(cause["kind"])
                place = candidates.index(track)
                after_N = scores_without(listener, cause, policy, slate.created_at, candidates)
                self.score_fell.append(bool(after_N[place] - after_N.mean() < before_N[place] - before_N.mean()))
                self.rank_fell.append(rank_of(after_N, place) > rank_of(before_N, place))


def scores_without(listener: Any, cause: Mapping[str, Any], policy: Any, moment: datetime, candidates: list[int]) -> np.ndarray:
    """The candidates' scores, had the listener left no feedback about some tracks, or not declared a style."""
    from django.db import transaction

    from recsys.learning.features import build_state
    from recsys.models import Feedback, Preferences

    with transaction.atomic():
        if cause["kind"] == "declared":
            for version in Preferences.objects.filter(listener=listener):
                version.styles.remove(cause["style"])
                version.save()
        Feedback.objects.filter(listener=listener, track_id__in=cause.get("tracks", [])).delete()
        scores_N: np.ndarray = policy.score(build_state(listener, moment), candidates).mean(axis=0)
        transaction.set_rollback(True)
    return scores_N


def main() -> int:
    """Measures and reports."""
    parser = make_parser(__doc__, seeds=3)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--tracks", type=int, default=600)
    parser.add_argument("--days", type=float, default=4.0, help="of listening before the training")
    parser.add_argument("--updates", type=int, default=1500)
    options = read_options(parser)
    if options.quick:
        options.seeds, options.listeners, options.tracks, options.days, options.updates = 1, 20, 120, 1.0, 100
    report = Report("reasons", options)
    found = Found()
    with throwaway_site() as folder:
        from recsys import catalogue
        from recsys.simulation import Population

        catalogue.import_first(options.tracks)
        for seed in range(options.seeds):
            kept = folder / "var" / "bench" / str(seed)
            kept.mkdir(parents=True)
            population = Population.make(listeners=options.listeners, seed=seed, start=START)
            world = World(population=population, options=options, folder=kept, seed=seed)
            serve_by("popularity", "")
            say(f"seed {seed}: {population.live(world.end_of(0))} sessions under popularity")
            fit_dqn(world, 1)
            for simulated in population.listeners:
                found.add(simulated.listener)
    fell = Counter(kind for kind, fell in zip(found.deleted, found.rank_fell, strict=True) if fell)
    kinds = ", ".join(f"{many} {kind} (rank fell: {fell[kind]})" for kind, many in Counter(found.deleted).most_common())
    report.note(f"{len(found.deleted)} named causes of {len(found.shares['residual'])} slates were deleted: {kinds}")
    report.note(
        "deleted is the strongest named cause that a listener's log holds: feedback, or a declared style. Popularity is "
        "everybody's, and hour, weekday, session and history are no rows: these are never deleted"
    )
    for kind in sorted(set(found.named)):
        report.add_samples("ours", f"first_named_{kind}", [named == kind for named in found.named])
    report.add_samples("ours", "score_falls_without_strongest_cause", found.score_fell, target=0.95)
    report.add_samples("ours", "rank_falls_without_strongest_cause", found.rank_fell, target=0.95)
    report.add_samples("ours", "moment_named", found.moment_named)
    for name, shares in found.shares.items():
        aim = 0.10 if "residual" in name else None
        report.add_samples("ours", f"{name}_share_of_spread", shares, target=aim, smaller_is_better=True)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
