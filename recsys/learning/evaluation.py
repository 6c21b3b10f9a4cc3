"""Judges a policy on held-out sessions before it serves. Before: held_out.py, a checkpoint. After: the promotion gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accounts.models import Listener
from recsys import standing
from recsys.learning import checks
from recsys.learning.features import ListenerState, track_table
from recsys.learning.held_out import LARGEST_WEIGHT, HeldOutLog, Judged
from recsys.learning.logged_choices import reward_means
from recsys.learning.logged_slates import Decision
from recsys.learning.off_policy.estimators import Estimator, Floats, difference
from recsys.learning.off_policy.intervals import Estimate, estimate
from recsys.learning.policy import PopularityPolicy, RandomPolicy, RecommenderPolicy, load_policy
from recsys.learning.popularity import Popularity
from recsys.learning.rehearsal import LEAST_SHARE, Rehearsal
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.twin import Twin, read_twin
from recsys.models import Recommendation
from recsys.preferences import preferences_as_of
from recsys.recommending import draw_slate, excluded_tracks, heard_window
from recsys.rewards import active_weights
from training.slots import Check

__all__ = ["evaluate", "judge", "reward_means"]

MOST_REQUESTS = 200
"""For the guards that ask a policy for its first ten."""
ONE_CHOICE = {
    "self_normalised_dr": "reward per shown track (self-normalised doubly robust)",
    "doubly_robust": "reward per shown track (doubly robust)",
    "snips": "reward per shown track (SNIPS)",
}
"""The first one decides; the others fail a version only where they say clearly that it is worse."""
SESSION = {
    "snips_to_the_end": "reward to the session's end (SNIPS)",
    "fitted_q": "reward of a session (fitted Q evaluation)",
    "per_decision": "reward of a session (per-decision weighted doubly robust)",
}


HORIZON = "looking ahead against the bandit, difference"


class ItemMean(RandomPolicy):
    """Mean reward of each track in the training part, and nothing about who listens: estimated beside, never served."""

    temperature = 0.1

    def __init__(self, model: Popularity) -> None:
        self.model = model

    def score(self, state: ListenerState, track_ids: Any) -> Floats:
        """scores_1N."""
        return self.model.of(track_ids)[None]


def evaluate(checkpoint: Path, dataset: ReplayDataset) -> dict[str, Any]:
    """Figures of the run, per policy, the new one and those beside it: each estimate as [value, low, high]."""
    log = HeldOutLog.of(dataset) if dataset.decisions else None
    if log is None or not log.decisions:
        word = "No held-out slates yet: nothing can be estimated."
        return {"held_out_slates": 0, "held_out_listeners": 0, "word": word}
    figures: dict[str, Any] = {"held_out_slates": len(log.decisions), "held_out_listeners": len(set(log.listener_R.tolist()))}
    policies = {"ours": load_policy("dqn", checkpoint), **_beside(log), "random": RandomPolicy()}
    for name, policy in policies.items():
        judged = log.judge(policy)
        figures[name] = {each: [found.value, found.low, found.high] for each, found in _estimates(log, judged).items()} | {
            "snips_by_position": [each.value for each in log.by_position(judged)],
            "effective_samples": judged.effective_samples,
            "clipped_share": judged.clipped_share,
            "hit_at_10": judged.hit_at_10,
            "ndcg_at_10": judged.ndcg_at_10,
        }
    figures["logged_reward_per_track"] = float(log.reward_R.mean())
    figures["estimated_reward_per_track"] = figures["ours"]["self_normalised_dr"][0]
    return figures


def _beside(log: HeldOutLog) -> dict[str, RecommenderPolicy]:
    """What any recommender has to beat."""
    return {"popularity": PopularityPolicy(), "item mean": ItemMean(log.model)}


def _estimates(log: HeldOutLog, judged: Judged) -> dict[str, Estimate]:
    found = {name: estimate(each, log.listener_R) for name, each in log.of_one_choice(judged).items()}
    return found | {name: estimate(each, _clusters(log, name)) for name, each in log.of_the_session(judged).items()}


def _clusters(log: HeldOutLog, name: str) -> Any:
    """Listeners of the estimator's rows: sessions for the one that works on whole sessions, else choices."""
    return log.listener_N if name == "per_decision" else log.listener_R


def judge(checkpoint: Path, champion: Path | None, dataset: ReplayDataset) -> list[Check]:
    """Checks of the gate against the champion (popularity where it has no weights)."""
    log = HeldOutLog.of(dataset)
    ours = load_policy("dqn", checkpoint)
    against = load_policy("dqn", champion) if champion is not None else PopularityPolicy()
    left_out = checks.few_left_out(log.left_out, log.left_out + len(log.decisions))
    listed = [left_out, *_guards_of_serving(ours, against, log)]
    if not log.decisions:
        word = "There are no logged slates of held-out listeners that can be judged, so nothing can be estimated."
        return [
            *listed,
            Check(name="held-out slates", outcome="not proven", explanation=word, figure=0.0),
            *_unknown(checkpoint),
        ]
    explored = checks.enough_explored(log.probability_R)
    if explored.outcome != "pass":
        return [explored, *listed, *_unknown(checkpoint)]
    new, old = log.judge(ours), log.judge(against)
    return [
        explored,
        *checks.overlap_checks(new.raw_weight_R, LARGEST_WEIGHT),
        checks.enough_samples("effective samples of the champion", old.raw_weight_R),
        *_better(log, new, old),
        checks.no_more_skips(_difference(log, log.skip_rate(new), log.skip_rate(old))),
        *listed,
        _rehearsed(ours, against, dataset),
        *_beside_checks(log, new, checkpoint),
    ]


def _difference(log: HeldOutLog, new: Estimator, old: Estimator, name: str = "") -> Estimate:
    return estimate(difference(new, old), _clusters(log, name))


def _better(log: HeldOutLog, new: Judged, old: Judged) -> Iterable[Check]:
    """One line per estimator."""
    mine, theirs = log.of_one_choice(new), log.of_one_choice(old)
    for place, (name, title) in enumerate(ONE_CHOICE.items()):
        yield checks.better(title, _difference(log, mine[name], theirs[name]), decides=place == 0)
    mine, theirs = log.of_the_session(new), log.of_the_session(old)
    for name, title in SESSION.items():
        yield checks.better(title, _difference(log, mine[name], theirs[name], name), decides=False)


def _guards_of_serving(ours: RecommenderPolicy, against: RecommenderPolicy, log: HeldOutLog) -> Iterable[Check]:
    """The first ten of held-out requests, and what would be drawn of them."""
    decisions = log.decisions[:: max(1, len(log.decisions) // MOST_REQUESTS)][:MOST_REQUESTS]
    rows = Recommendation.objects.filter(pk__in=[each.recommendation_id for each in decisions])
    banned: Mapping[int, list[int]] = dict(rows.values_list("pk", "banned"))
    first_tens = {"new": set[int](), "old": set[int]()}
    for decision in decisions:
        never = set(banned.get(decision.recommendation_id, ()))
        first_tens["new"].update(ours.top(decision.state, 10, never))
        first_tens["old"].update(against.top(decision.state, 10, never))
    yield checks.no_disliked(refused_tracks_drawn(ours, decisions), len(decisions))
    if decisions:
        catalogue = max(1, int(track_table().recommendable_T.sum()))
        yield checks.enough_coverage(len(first_tens["new"]) / catalogue, len(first_tens["old"]) / catalogue)


def refused_tracks_drawn(policy: RecommenderPolicy, decisions: Sequence[Decision]) -> int:
    """Of slates of ten drawn anew as `recommend` draws them, how many tracks their listeners had disliked or banned by then.

    Serving finds by one query what to leave out; here the listener's standing, which pages show, says what was refused."""
    table, refused = track_table(), 0
    listeners = Listener.objects.in_bulk({each.listener_id for each in decisions})
    for decision in decisions:
        listener, moment = listeners.get(decision.listener_id), decision.state.moment
        if listener is None:  # erased since the log was read
            continue
        dials = preferences_as_of(listener, moment)
        excluded = excluded_tracks(listener, moment, window=heard_window(dials, table))
        slate = draw_slate(policy, decision.state, table, excluded, dials, (), 10, seed=decision.recommendation_id)
        stands = standing.current(listener, moment, tracks=slate.tracks)
        refused += len(stands.disliked | stands.banned)
    return refused


def _rehearsed(ours: RecommenderPolicy, against: RecommenderPolicy, dataset: ReplayDataset) -> Check:
    rehearsal = Rehearsal(track_table(), dataset.as_of, active_weights())
    return checks.holds_its_own(*rehearsal.difference(ours, against), LEAST_SHARE)


def _beside_checks(log: HeldOutLog, new: Judged, checkpoint: Path) -> Iterable[Check]:
    """Does learning pay here, and does looking ahead? Estimated on the same log; they inform."""
    for name, policy in _beside(log).items():
        found = log.of_one_choice(log.judge(policy))["self_normalised_dr"]
        words = "Reward per shown track (self-normalised doubly robust) that this policy would have had on the same log."
        yield checks.beside(f"{name} on the same log", estimate(found, log.listener_R), words)
    twin = read_twin(checkpoint)
    if twin is not None:
        yield checks.beside(HORIZON, *_horizon(log, new, twin))


def _unknown(checkpoint: Path) -> Iterable[Check]:
    """Where nothing can be estimated, the verdict says so of the horizon too."""
    if read_twin(checkpoint) is not None:
        yield Check(name=HORIZON, outcome="not proven", explanation="This log can't say whether the long horizon pays.")


def gain_of_looking_ahead(log: HeldOutLog, ahead: Judged, bandit: Judged) -> Estimate:
    """Discounted reward to the session's end of the policy with a horizon less that of the bandit."""
    return _difference(log, log.of_the_session(ahead)["snips_to_the_end"], log.of_the_session(bandit)["snips_to_the_end"])


def _horizon(log: HeldOutLog, new: Judged, twin: Twin) -> tuple[Estimate, str]:
    other = log.judge(load_policy("dqn", twin.folder))
    ahead, bandit = (other, new) if twin.serves_bandit else (new, other)
    found = gain_of_looking_ahead(log, ahead, bandit)
    if twin.serves_bandit:
        words = "The long horizon does not pay on this log: the bandit (discount 0) is what this version serves."
    else:
        words = "The long horizon pays on this log: what looks ahead is what this version serves, not the bandit (discount 0)."
    return found, f"{words} Reward to the session's end (SNIPS) of the one less the other."
