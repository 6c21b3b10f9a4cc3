"""Measures an accompanist on chorales it never saw. Before: training.py. After: gate, figures of the run, bench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer.accompaniment.chords import CHORDS, HOLDS_AP
from composer.accompaniment.policy import KIND, ChordPolicy, load_policy
from composer.accompaniment.replay_dataset import Chorale, ChoraleDataset
from composer.accompaniment.rewards import reward
from composer.accompaniment.state import Task
from training.slots import Check

BOOTSTRAPS = 1000
PLAIN_DIALS = np.zeros(2)
LEAST_HARMONY = 0.75
"""Share of accented melody notes that the chord must hold before a first accompanist may serve."""


def agreement(own_T: NDArray[np.int64], other_T: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether two chords have root and third in common: V7 agrees with V, vii° does not."""
    roots = np.array([chord.root for chord in CHORDS])
    thirds = np.array([chord.pitch_classes[1] for chord in CHORDS])
    same: NDArray[np.bool_] = (roots[own_T] == roots[other_T]) & (thirds[own_T] == thirds[other_T])
    return same


def clashes(task: Task, chords_T: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the note on the beginning of each half bar is foreign to its chord."""
    rows = np.arange(len(chords_T))
    has_note_T = task.heard.accented_TP.sum(axis=1) > 0
    clash_T: NDArray[np.bool_] = has_note_T & ((task.heard.accented_TP @ HOLDS_AP.T)[rows, chords_T] == 0)
    return clash_T


def figures_of(policy: ChordPolicy, chorales: Sequence[Chorale], seed: int = 1) -> dict[str, float]:
    """Averages over chorales, for people; nothing where none is held out."""
    if not chorales:
        return {}
    rows = measure(policy, chorales, seed)
    return {name: float(values.mean()) for name, values in rows.items()}


def measure(policy: ChordPolicy, chorales: Sequence[Chorale], seed: int = 1) -> dict[str, NDArray[np.float64]]:
    """For each chorale: agreement with Bach, clashes on strong beats, reward per half bar."""
    rows: list[dict[str, float]] = []
    for number, chorale in enumerate(chorales):
        task, chords_T, figures = policy.harmonise(chorale.score.melody, seed=seed * 1000 + number)
        rows.append(
            {
                "agrees_with_bach": float(agreement(chords_T, chorale.chords_T).mean()),
                "clashes_on_strong_beats": float(clashes(task, chords_T).mean()),
                "bach_clashes_on_strong_beats": float(clashes(task, chorale.chords_T).mean()),
                "reward_per_half_bar": float(reward(task, chords_T, PLAIN_DIALS).mean()),
                "bach_reward_per_half_bar": float(reward(task, chorale.chords_T, PLAIN_DIALS).mean()),
                "kl_per_half_bar": float(figures["kl_per_step"]),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def judge(checkpoint: Path, champion: Path | None, dataset: ChoraleDataset) -> list[Check]:
    """The gate's checks: harmony that fits, and against a champion more reward without less of Bach."""
    if not dataset.held_out:
        return [Check(name="harmony", outcome="not proven", explanation="No chorale is held out to measure on.")]
    own = measure(load_policy(KIND, checkpoint), dataset.held_out)
    fits = 1 - float(own["clashes_on_strong_beats"].mean())
    checks = [
        Check(
            name="chords hold the melody on strong beats",
            outcome="pass" if fits >= LEAST_HARMONY else "fail",
            explanation=f"{fits:.0%} of the accented notes of melodies it never saw belong to their chord.",
            figure=fits,
            threshold=LEAST_HARMONY,
        )
    ]
    if champion is None:
        return checks
    other = measure(load_policy(KIND, champion), dataset.held_out)
    checks.append(_compared("reward per half bar", own["reward_per_half_bar"] - other["reward_per_half_bar"], 0.0))
    checks.append(_compared("agreement with Bach", own["agrees_with_bach"] - other["agrees_with_bach"], -0.03))
    return checks


def _compared(name: str, difference_n: NDArray[np.float64], threshold: float) -> Check:
    """Passes where the lower end of the 95 % interval by chorale is above the threshold."""
    generator = np.random.default_rng(0)
    drawn = [difference_n[generator.integers(len(difference_n), size=len(difference_n))].mean() for _ in range(BOOTSTRAPS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Check(
        name=name,
        outcome="pass" if low > threshold else "fail" if high < threshold else "not proven",
        explanation=f"{difference_n.mean():+.3f} against the champion on chorales neither saw (95 % interval).",
        figure=float(difference_n.mean()),
        low=float(low),
        high=float(high),
        threshold=threshold,
    )
