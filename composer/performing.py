"""Carries out a task on a melody. Before: recipes.py. After: the piece's score. Loads torch: for workers and commands only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from composer.accompaniment.accompany import accompany
from composer.melody_bars import between, evened, evened_bars, full_bars, printed_bars
from composer.melody_tasks import MelodyTask
from composer.steering import Steering
from composer.titles import title_of_task
from music.keys import join_rests
from music.notes import Melody, Note, Score, Voice

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
            given=task.chord_bars,
        )
        return Score(title=title, voices=(replace(voices[0], lyrics=task.lyrics), *voices[1:])), figures
    melody, figures = _TASKS[task.kind](task, steering, taste_D, policy, seed, report)
    voice = Voice(name="Melody", melody=melody, program=task.program, lyrics=_words(task, task.melody, task.lyrics, melody))
    others = {"voices_kept": len(task.voices), "voices_left_out": task.voices_left_out}
    figures |= {name: count for name, count in others.items() if count}
    return Score(title=title, voices=(voice, *(_resting(task, other, melody) for other in task.voices))), figures


def _words(task: MelodyTask, own: Melody, lyrics: tuple[str, ...], now: Melody) -> tuple[str, ...]:
    """What is sung to the notes of a voice that stayed. Those of bars written anew hold the syllable before them; those that a
    continuation adds are not sung."""
    if task.kind != "rewrite":
        return lyrics
    stayed = task.words_that_stay(own, lyrics)
    found = tuple(stayed.get(at, "") for at in now.onsets() if at[1].pitch is not None)
    return found if any(found) else ()


def _resting(task: MelodyTask, voice: Voice, melody: Melody) -> Voice:
    """Another voice as it was, with a rest where the melody is new: it was made for other notes."""
    own, (begin, end) = voice.melody, task.written_anew
    before, after = between(own, Fraction(0), begin), between(own, end, own.quarters)
    new = melody.quarters - (task.melody.quarters - (end - begin))
    rest = begin + new - sum((note.quarters for note in before), Fraction(0))
    now = replace(own, notes=join_rests((*before, Note(None, rest), *after)), odd_bars=melody.odd_bars)
    return replace(voice, melody=now, lyrics=_words(task, own, voice.lyrics, now))


def _continue(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody as it is, and what the composer writes after it."""
    composed = policy.compose(steering, taste_D, seed=seed, report=report)
    own, bar, last = task.melody, task.melody.bar_quarters, full_bars(task.melody) - 1
    added = between(composed.melody, evened(own).quarters - own.pickup, composed.melody.quarters)
    # What is added fills a last bar that was short.
    odd_bars = tuple((number, length) for number, length in own.odd_bars if number < last or length > bar)
    return replace(own, notes=join_rests((*own.notes, *added)), odd_bars=odd_bars), dict(composed.figures)


def _rewrite(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody with the bars in question from the composer; the other bars stay as they are, to the note."""
    composed = policy.compose(steering, taste_D, seed=seed, report=report)
    own, bar, bars = task.melody, task.melody.bar_quarters, printed_bars(task.melody)
    first, last = task.first_bar - 1, task.last_bar - 1
    # A last bar that gives its pickup back is short, and stays so.
    new = between(composed.melody, first * bar, min((last + 1) * bar, evened(own).quarters - own.pickup))
    before = between(own, Fraction(0), bars[first][0])
    after = between(own, bars[last][1], own.quarters)
    # Other bars keep the length that was printed; new ones have that of the metre.
    odd_bars = tuple(
        (number, length)
        for number, length in own.odd_bars
        if not first <= number <= last or (number == len(bars) - 1 and length < bar)
    )
    return replace(own, notes=join_rests((*before, *new, *after)), odd_bars=odd_bars), dict(composed.figures)


def _vary(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody in its own style, with as many of its strong notes as the closeness says."""
    return _retell(task, steering, taste_D, policy, 1 - task.closeness, seed, report)


def _transfer(
    task: MelodyTask, steering: Steering, taste_D: NDArray[np.float64] | None, policy: Any, seed: int, report: Report | None
) -> tuple[Melody, dict[str, Any]]:
    """The melody in another style."""
    return _retell(task, steering, taste_D, policy, task.blend, seed, report)


def _retell(
    task: MelodyTask,
    steering: Steering,
    taste_D: NDArray[np.float64] | None,
    policy: Any,
    blend: float,
    seed: int,
    report: Report | None,
) -> tuple[Melody, dict[str, Any]]:
    from composer.style_transfer import transfer

    melody = evened(task.melody) if blend else task.melody
    told, figures = transfer(
        policy, melody, steering, taste_D, own_style=task.source_style, blend=blend, seed=seed, report=report
    )
    odd = evened_bars(task.melody) if blend else []
    return told, figures | ({"evened_bars": odd} if odd else {})


_TASKS: dict[str, Any] = {"continue": _continue, "rewrite": _rewrite, "vary": _vary, "transfer": _transfer}
