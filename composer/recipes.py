"""A recipe: everything a piece came from, and the piece again from it. Before: composing.py gathers. After: Piece, exports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings

from composer.melody_tasks import MelodyTask
from composer.prompting.lyrics import verse_of
from composer.prompting.underlay import fit_of, underlay
from composer.steering import Steering
from composer.titles import title_of
from music.notes import Score, Voice
from music.styles import PROGRAMS
from training import checkpoints
from training.models import PolicyVersion
from training.revision import code_revision

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SLOT = "composer"
FORMAT = 1
Report = Callable[[float], None]


class UnusableVersion(Exception):  # noqa: N818 – names what it is
    """The policy version's weights are gone or are not those that were evaluated."""


def write_recipe(
    version: PolicyVersion,
    steering: Steering,
    taste_D: NDArray[np.float64] | None,
    *,
    seed: int,
    parent_title: str = "",
    task: MelodyTask | None = None,
    prompt: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The recipe of a piece that is about to be composed. Same recipe under the same code revision, same bytes."""
    policy = policy_of(version)
    return {
        "format": FORMAT,
        "policy_version": version.pk,
        "policy_kind": version.kind,
        "checkpoint_sha256": version.sha256,
        "prior_sha256": str(getattr(policy, "prior_sha256", "")),
        "code_revision": code_revision(),
        "encore_version": settings.ENCORE_VERSION,
        "seed": seed,
        "steering": steering.to_json(),
        # Exactly as used: floats survive JSON, and the taste of later answers is another one.
        "taste": None if taste_D is None else [float(weight) for weight in taste_D],
        "parent_title": parent_title,
        # What is done with a melody, and this melody; None for a new piece.
        "task": None if task is None else task.to_json(),
        # What the steering was read from. Only lyrics are used again: they choose among drafts of a new piece, and are set
        # under the notes, of a given melody too.
        "prompt": prompt or None,
    }


def perform(recipe: dict[str, Any], version: PolicyVersion, report: Report | None = None) -> tuple[Score, dict[str, Any]]:
    """The piece of a recipe, and the figures the policy gives about it."""
    steering = Steering.from_json(recipe["steering"])
    taste_D = None if recipe["taste"] is None else np.array(recipe["taste"], dtype=np.float64)
    prompt = recipe.get("prompt") or {}
    verse = verse_of(prompt["text"]) if prompt.get("kind") == "lyrics" else None
    if recipe.get("task"):
        from composer.performing import perform_task

        task = MelodyTask.from_json(recipe["task"])
        score, figures = perform_task(task, steering, taste_D, policy_of(version), seed=recipe["seed"], report=report)
    else:
        fit = None if verse is None else partial(fit_of, verse)
        composed = policy_of(version).compose(steering, taste_D, seed=recipe["seed"], report=report, fit=fit)
        title = title_of(seed=recipe["seed"], style=steering.style, mode=steering.mode, parent_title=recipe["parent_title"])
        voice = Voice(name="Melody", melody=composed.melody, program=PROGRAMS.get(steering.style, 0))
        score, figures = Score(title=title, voices=(voice,)), dict(composed.figures)
    if steering.chords:
        figures["chords"] = steering.chart
    sung, *others = score.voices
    # Words of its own that a given melody kept are no longer asked for together with others: `commission` refuses it.
    if verse is not None and not sung.lyrics:
        words = underlay(verse, sung.melody)
        score = replace(score, voices=(replace(sung, lyrics=words.lyrics), *others))
        figures["lyrics"] = words.figures()
    return score, figures


@lru_cache(maxsize=4)
def policy_of(version: PolicyVersion) -> Any:
    """The policy of a version, loaded once per process. Loads torch: for workers and commands, never for requests."""
    try:
        return checkpoints.policy_of(version)
    except checkpoints.UNUSABLE as error:
        raise UnusableVersion(f"the weights of version {version.pk} are gone, or not those that were evaluated") from error


def is_readable(version: PolicyVersion) -> bool:
    """Whether the version's checkpoint can be loaded; the log says why where it can't."""
    try:
        policy_of(version)
    except UnusableVersion as trouble:
        logger.error("%s: %s", trouble, trouble.__cause__)
        return False
    return True


def readable(serving: PolicyVersion) -> PolicyVersion:
    """The version, or the newest before it whose checkpoint can be read, until the alarm has made that one champion. Where
    none can it is the version itself, and whoever loads it is told why."""
    return next(filter(is_readable, (serving, *checkpoints.stand_ins(serving))), serving)
