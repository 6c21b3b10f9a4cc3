"""What the accompanist offers to training. Before: this package. After: composer/apps.py registers it. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from composer.accompaniment.configuration import AccompanistConfiguration
from training.slots import Check, RunContext, SlotFunctions, Trained

SLOT = "accompanist"
FEWEST_TRACKS = 100
"""A smaller catalogue holds too few pieces in four voices."""
ENOUGH_OF_THE_CATALOGUE = 0.8
"""An accompanist that learned when the catalogue was smaller than this share of today's is trained anew."""


def count_new_feedback(since: datetime | None) -> int:
    """None: it learns from the catalogue alone, so a schedule skips it."""
    return 0


def build_replay_dataset(context: RunContext) -> Any:
    """The catalogue's pieces in four voices."""
    from composer.accompaniment import replay_dataset

    return replay_dataset.build_replay_dataset(context)


def train(context: RunContext, dataset: Any) -> Trained:
    """Trains prior and policy. torch is imported here, in the worker, and nowhere else."""
    from django.conf import settings

    from composer.accompaniment import training

    return training.train(context, dataset, cap_seconds=settings.ENCORE_TRAINING_SECONDS)


def judge(checkpoint: Path, champion: Path | None, dataset: Any) -> Sequence[Check]:
    """The gate's checks."""
    from composer.accompaniment import evaluation

    return evaluation.judge(checkpoint, champion, dataset)


def export(checkpoint: Path) -> None:
    """Nothing: pieces are accompanied in workers, which have torch."""


def load_policy(kind: str, folder: Path | None) -> Any:
    """The policy of a version. Loads torch: only workers call it."""
    from composer.accompaniment import policy

    return policy.load_policy(kind, folder)


def guard_metrics(version_id: int, since: datetime) -> Mapping[str, float]:
    """What listeners did with the pieces of one version since a moment: the same figures as the composer's."""
    from composer.learning.slot import guard_metrics as of_composer

    return of_composer(version_id, since)


def replay_logged_requests(count: int) -> Mapping[str, float]:
    """Accompanies the last melodies again from their recipes: the share that came out the same is 1 − the difference."""
    from composer.models import Piece
    from composer.recipes import perform

    own = Piece.objects.select_related("track", "policy_version").filter(policy_version__slot=SLOT)
    pieces = list(own.order_by("-id")[:count])
    same = [perform(piece.recipe, piece.policy_version)[0].to_json() == piece.track.score for piece in pieces]
    return {"requests": float(len(same)), "largest_difference": float(not all(same))}


def wanted_run() -> Mapping[str, Any] | None:
    """One run as soon as the catalogue is there, and another when it has grown by a quarter. Cheap: asked every few seconds."""
    from recsys.models import CatalogueImport, Track
    from training.models import PolicyVersion, Run

    catalogue = Track.objects.filter(owner__isnull=True)
    newest = Run.objects.filter(slot=SLOT).order_by("-id").first()
    if newest is not None:
        if newest.status in (Run.Status.FAILED, Run.Status.STOPPED):
            return None  # a person looks into it; asking again by itself would fail again for ever
        if not catalogue.filter(created_at__gt=newest.created_at).exists():
            return None
    if CatalogueImport.objects.filter(finished_at__isnull=True).exists():
        return None
    versions = PolicyVersion.objects.filter(slot=SLOT).values_list("figures", flat=True)
    known = max((float(figures.get("tracks", 0)) for figures in versions), default=0.0)
    tracks = catalogue.count()
    return {} if tracks >= FEWEST_TRACKS and known < ENOUGH_OF_THE_CATALOGUE * tracks else None


ACCOMPANIST = SlotFunctions(
    name=SLOT,
    title="Accompanist",
    configuration=AccompanistConfiguration,
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
)
