"""Carries out a task on a melody. Before: recipes.py. After: the piece's score. Loads torch: for workers and commands only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.accompaniment.accompany import accompany
from composer.melody_tasks import MelodyTask, between
from composer.steering import Steering
from composer.titles import title_of_task
from music.keys import join_rests
from music.notes import Melody, Score, Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Report = Callable[[float], None]


def perform_task(
    task: MelodyTask,
    steering: Steering,
    taste_D: NDArray[np.float64] | None,
    policy: Any,
    *,
    seed: int,
    report: Report | None = None,
) -> tuple[Score, dict[str, Any]]:
    """The score that the task makes of its melody, and figures about it. `policy` is the composer's or the accompanist's."""
    title = title_of_task(task, seed=seed)
    if task.kind == "accompany":
        voices, figures = accompany(
            policy,
            task.melody,
            task.texture,
            seed=seed,
            motion=task.motion,
            colour=task.colour,
            program=task.program,
        )
        return Score(title=title, voices=voices), figures
    melody, figures = _TASKS[task.kind](task, steering, taste_D, policy, seed, report)
    return Score(title=title, voices=(Voice(name="Melody", melody=melody, program=task.program),)), figures


def _continue(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody as it is, and what the composer writes after it."""
    composed = policy.compose(steering, taste_D, seed=seed, report=report)
    own = task.melody
    end = own.quarters - own.pickup
    added = between(composed.melody, end, composed.melody.quarters)
    return replace(own, notes=join_rests((*own.notes, *added))), dict(composed.figures)


def _rewrite(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody with the bars in question from the composer; the other bars stay as they are, to the note."""
    composed = policy.compose(steering, taste_D, seed=seed, report=report)
    own, bar = task.melody, task.melody.bar_quarters
    start, end = (task.first_bar - 1) * bar, task.last_bar * bar
    # A last bar that gives its pickup back is short, and stays so.
    new = between(composed.melody, start, min(end, own.quarters - own.pickup))
    before = between(own, own.pickup * 0, own.pickup + start)
    after = between(own, own.pickup + end, own.quarters)
    return replace(own, notes=join_rests((*before, *new, *after))), dict(composed.figures)


def _vary(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody in its own style, with as many of its strong notes as the closeness says."""
    from composer.style_transfer import transfer

    return transfer(
        policy, task.melody, steering, taste_D, own_style=task.source_style, blend=1 - task.closeness, seed=seed, report=report
    )


def _transfer(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody in another style."""
    from composer.style_transfer import transfer

    return transfer(
        policy, task.melody, steering, taste_D, own_style=task.source_style, blend=task.blend, seed=seed, report=report
    )


_TASKS: dict[str, Any] = {"continue": _continue, "rewrite": _rewrite, "vary": _vary, "transfer": _transfer}
