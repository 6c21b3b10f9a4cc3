"""What the recommender offers to training. Before: this package. After: recsys/apps.py registers it. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q

from recsys.learning.configuration import RecommenderConfiguration
from training.slots import Check, ObservedLift, RunContext, Served, SlotFunctions, Trained

SLOT = "recommender"
FIRST_RUN_FEEDBACK = 200
"""So many plays and opinions start the first training by themselves."""


def count_new_feedback(since: datetime | None) -> int:
    """Rows of this installation's kind of listeners received after the moment."""
    from recsys.models import Feedback

    rows = Feedback.objects.filter(listener__is_simulated=settings.ENCORE_SIMULATED)
    return (rows.filter(received_at__gt=since) if since else rows).count()


def build_replay_dataset(context: RunContext) -> Any:
    """The log as transitions."""
    from recsys.learning import replay_dataset

    return replay_dataset.build_replay_dataset(context)


def train(context: RunContext, dataset: Any) -> Trained:
    """Trains the Q-network and its bandit. torch is imported there, in the worker, and nowhere else."""
    from recsys.learning import twin

    return twin.train_both(context, dataset)


def judge(checkpoint: Path, champion: Path | None, dataset: Any) -> Sequence[Check]:
    """The gate's checks."""
    from recsys.learning import evaluation

    return evaluation.judge(checkpoint, champion, dataset)


def export(checkpoint: Path) -> None:
    """The track matrix beside the weights."""
    from recsys.learning import dqn_policy

    dqn_policy.export(checkpoint)


def load_policy(kind: str, folder: Path | None) -> Any:
    """The policy of a version."""
    from recsys.learning import policy

    return policy.load_policy(kind, folder)


def guard_metrics(version_id: int, since: datetime) -> Mapping[str, float]:
    """What listeners did with a version's slates."""
    from recsys.learning import guards

    return guards.guard_metrics(version_id, since)


def observed_lift(new: Served, old: Served) -> ObservedLift | None:
    """Reward per shown track of one version's slates less that of another's."""
    from recsys.learning import lift

    return lift.observed_lift(new, old)


def replay_logged_requests(count: int) -> Mapping[str, float]:
    """The largest difference between logged scores and those of the same request replayed."""
    from recsys import recommending
    from recsys.models import Recommendation

    newest = Recommendation.objects.order_by("-id").values_list("pk", flat=True)[:count]
    differences = [recommending.replay(pk).largest_difference for pk in newest]
    return {"requests": float(len(differences)), "largest_difference": max(differences, default=0.0)}


def wanted_run() -> Mapping[str, Any] | None:
    """The first training, as soon as there is enough feedback and no trained version yet; later ones follow the schedule."""
    from recsys.models import Feedback
    from training.models import PolicyVersion, Run

    if PolicyVersion.objects.filter(slot=SLOT, kind="dqn").exists() or Run.objects.filter(slot=SLOT).exists():
        return None
    rows = Feedback.objects.filter(~Q(kind="skip"), listener__is_simulated=settings.ENCORE_SIMULATED)
    # Counted up to the threshold only: this is asked every few seconds.
    return {} if len(rows.values_list("pk")[:FIRST_RUN_FEEDBACK]) >= FIRST_RUN_FEEDBACK else None


RECOMMENDER = SlotFunctions(
    name=SLOT,
    title="Recommender",
    configuration=RecommenderConfiguration,
    count_new_feedback=count_new_feedback,
    build_replay_dataset=build_replay_dataset,
    train=train,
    judge=judge,
    export=export,
    load_policy=load_policy,
    guard_metrics=guard_metrics,
    replay_logged_requests=replay_logged_requests,
    wanted_run=wanted_run,
    observed_lift=observed_lift,
    first_kind="popularity",
    starts_anew=True,
)
