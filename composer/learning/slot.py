"""What the composer offers to training. Before: this package. After: composer/apps.py registers it. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.learning.configuration import ComposerConfiguration
from training.slots import Check, Panel, RunContext, SlotFunctions, Trained

if TYPE_CHECKING:
    from training.models import PolicyVersion

SLOT = "composer"
SCORES_TITLE = "Blind pairs, over all listeners"
FIRST_RUN_TUNES = 250
FIRST_RUN_SECONDS = 75.0
FIRST_POLICY_SECONDS = 540.0
"""Somebody waits for the first one; those that follow by schedule take five times as long and write better."""
ENOUGH_OF_THE_CATALOGUE = 0.8
"""A prior that learned from less than this share of the catalogue is trained anew."""


def count_new_feedback(since: datetime | None) -> int:
    """Opinions about tracks and choices received after the moment: they change the tastes the composer must serve."""
    from django.conf import settings

    from recsys.models import Choice, Feedback

    received = {"received_at__gt": since} if since else {}
    return sum(
        model.objects.filter(listener__is_simulated=settings.ENCORE_SIMULATED, **received).count()
        for model in (Feedback, Choice)
    )


def build_replay_dataset(context: RunContext) -> Any:
    """The catalogue's melodies."""
    from composer.learning import replay_dataset

    return replay_dataset.build_replay_dataset(context)


def train(context: RunContext, dataset: Any) -> Trained:
    """Trains a prior or a policy. torch is imported here, in the worker, and nowhere else."""
    from composer.learning import training

    return training.train(context, dataset)


def judge(checkpoint: Path, champion: Path | None, dataset: Any) -> Sequence[Check]:
    """The gate's checks."""
    from composer.learning import evaluation

    return evaluation.judge(checkpoint, champion, dataset)


def export(checkpoint: Path) -> None:
    """Nothing: pieces are composed in workers, which have torch."""


def load_policy(kind: str, folder: Path | None) -> Any:
    """The policy of a version. Loads torch: only workers call it."""
    from composer.learning import policy

    return policy.load_policy(kind, folder)


def guard_metrics(version_id: int, since: datetime) -> Mapping[str, float]:
    """What listeners did with the pieces of one version made since a moment: skip rate of plays, opinions, mean stars."""
    from django.db.models import Avg, Count, F, Q
    from django.db.models.functions import Least

    from composer.models import Piece
    from recsys.models import Feedback
    from recsys.rewards import active_weights

    weights, said = active_weights(), Feedback.Kind
    pieces = Piece.objects.filter(policy_version_id=version_id, created_at__gte=since)
    early = Least(weights.early_leave_seconds, weights.early_leave_share * F("track__duration_seconds"))
    feedback = Feedback.objects.filter(track__piece__in=pieces).aggregate(
        plays=Count("id", Q(kind=said.PLAY)),
        left_early=Count("id", Q(kind=said.PLAY, value__lt=early)),
        opinions=Count("id", Q(kind__in=(said.LIKE, said.DISLIKE))),
        disliked=Count("id", Q(kind=said.DISLIKE)),
        mean_rating=Avg("value", filter=Q(kind=said.RATE)),
    )
    return {
        "pieces": float(pieces.count()),
        "plays": float(feedback["plays"]),
        "skip_rate": feedback["left_early"] / max(feedback["plays"], 1),
        "opinions": float(feedback["opinions"]),
        "disliked_share": feedback["disliked"] / max(feedback["opinions"], 1),
        "mean_rating": float(feedback["mean_rating"] or 0.0),
    }


def replay_logged_requests(count: int) -> Mapping[str, float]:
    """Composes the last pieces again from their recipes: the share that came out the same."""
    from composer.models import Piece
    from composer.recipes import perform

    pieces = list(Piece.objects.select_related("track", "policy_version").order_by("-id")[:count])
    same = [perform(piece.recipe, piece.policy_version)[0].to_json() == piece.track.score for piece in pieces]
    return {"requests": float(len(same)), "largest_difference": float(not all(same))}


def wanted_run() -> Mapping[str, Any] | None:
    """A prior from the first tunes, then one from all of them, then the policy; later runs follow the schedule."""
    from recsys.models import CatalogueImport, Track
    from training.models import PolicyVersion, Run

    newest = Run.objects.filter(slot=SLOT).order_by("-id").first()
    if newest is not None and newest.status in (Run.Status.FAILED, Run.Status.STOPPED):
        return None  # a person looks into it; asking again by itself would fail again for ever
    tunes = Track.objects.filter(owner__isnull=True).count()
    if tunes < FIRST_RUN_TUNES:
        return None
    learned = {kind: _most_tunes(PolicyVersion.objects.filter(slot=SLOT, kind=kind)) for kind in ("prior", "dqn")}
    if not learned["prior"] and not learned["dqn"]:
        return {"stage": "prior", "seconds": FIRST_RUN_SECONDS}
    if CatalogueImport.objects.filter(finished_at__isnull=True).exists():
        return None
    enough = ENOUGH_OF_THE_CATALOGUE * tunes
    if max(learned.values()) < enough:
        return {"stage": "prior"}
    if learned["dqn"] >= enough:
        return None
    return {"stage": "policy"} if learned["dqn"] else {"stage": "policy", "seconds": FIRST_POLICY_SECONDS}


def panels() -> Sequence[Panel]:
    """The running scores of blind pairs over all listeners."""
    from composer.pair_scores import scores_of_all

    return (Panel(template="admin/composer/pair_scores.html", context={"scores": scores_of_all(), "title": SCORES_TITLE}),)


def version_panels(version: PolicyVersion) -> Sequence[Panel]:
    """What blind pairs say of a version on trial, and its measures beside people's."""
    from composer.pair_scores import scores_on_trial
    from training.models import VersionDetails

    shown = []
    if scores := scores_on_trial(version.pk):
        context = {"scores": scores, "title": "Blind pairs with the champion of its time"}
        shown.append(Panel(template="admin/composer/pair_scores.html", context=context))
    found = VersionDetails.objects.filter(version=version).first()
    measures = found.details if found else {}
    return (*shown, Panel(template="admin/composer/measures.html", context=measures))


def _most_tunes(versions: Any) -> float:
    """Tunes of the catalogue, those held out included, that the most learned of these versions knows."""
    return max((float(figures.get("tunes", 0)) for figures in versions.values_list("figures", flat=True)), default=0.0)


COMPOSER = SlotFunctions(
    name=SLOT,
    title="Composer",
    configuration=ComposerConfiguration,
    count_new_feedback=count_new_feedback,
    build_replay_dataset=build_replay_dataset,
    train=train,
    judge=judge,
    export=export,
    load_policy=load_policy,
    guard_metrics=guard_metrics,
    replay_logged_requests=replay_logged_requests,
    wanted_run=wanted_run,
    first_kind=None,
    panels=panels,
    version_panels=version_panels,
)
