"""Who competes in Sequence Tutor's table: people, a random walk, the best of 64, Q, Psi and G. After: sequence_tutor.py.

Everybody writes two bars of C major 4/4 in sixteenths, as `short_plan` asks for; `write_asked` alone asks as a listener can."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import say
from bench.run_context import Context
from bench.sequence_tutor_rows import C_MAJOR, HIGHEST_MIDI, HOLD, LOWEST_MIDI, STEPS, TONIC, Tokens, judge, raster, round_off
from bench.split_tunes import read_split, split_of
from music.notes import Melody

BATCH = 250
WISH: dict[str, Any] = {
    "tonic": 0,
    "mode": "major",
    "metre": [4, 4],
    "bars": 2,
    "lowest": LOWEST_MIDI,
    "highest": HIGHEST_MIDI,
    "primer": [[60, "1/2"]],
}
"""The table's task as the API takes it: nothing in it asks for the grid of sixteenths, and the primer is an eighth of C4."""


def human_tokens(split: Path, part: str, most: int) -> Tokens:
    """The first 32 sixteenths of that part's major tunes in two or four quarters, moved to C within the tokens."""
    from music.parsing import UnreadableMusic, read_in_process
    from recsys.corpus import COLLECTIONS, tunes_of

    parts = read_split(split)
    if not parts:
        return np.zeros((0, STEPS), dtype=np.int64)
    found: list[Tokens] = []
    for tune in (t for collection in COLLECTIONS for t in tunes_of(collection) if split_of(t.source, parts) == part):
        if len(found) == most:
            break
        try:
            melody = read_in_process(tune.content, tune.suffix)[0].score.melody
        except (UnreadableMusic, IndexError):
            continue
        tokens = _in_c(melody)
        if tokens is not None:
            found.append(tokens)
    return np.array(found) if found else np.zeros((0, STEPS), dtype=np.int64)


def _in_c(melody: Melody) -> Tokens | None:
    """The tune moved to C, in the octave that fits the tokens."""
    if melody.bar_quarters not in (2, 4) or melody.mode != "major":
        return None
    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    for octave in (0, -12, 12, -24):
        shift = octave - (melody.tonic if melody.tonic <= 6 else melody.tonic - 12)
        if pitches and min(pitches) + shift >= LOWEST_MIDI and max(pitches) + shift <= HIGHEST_MIDI:
            return raster(melody.transposed(shift))
    return None


def in_key_random_walk(count: int, seed: int) -> Tokens:
    """Six lines: eighths that step up or down the scale at random from the tonic, now and then by two."""
    generator = np.random.default_rng([seed, 7])
    scale = [2 + pitch for pitch in range(36) if pitch % 12 in C_MAJOR]
    tokens_nT = np.full((count, STEPS), HOLD)
    for row in tokens_nT:
        place = scale.index(TONIC)
        for step in range(0, STEPS, 2):
            row[step] = scale[place]
            place = int(np.clip(place + generator.choice([-2, -1, 1, 2], p=[0.15, 0.35, 0.35, 0.15]), 0, len(scale) - 1))
    return tokens_nT


def write_short(
    policy: Any, count: int, seed: int, is_free: bool = False
) -> tuple[Tokens, NDArray[np.float64], NDArray[np.float64]]:
    """Tokens, mean log p₀ and KL per sixteenth of a policy's two-bar pieces, in the commonest styles in turn."""
    from composer.learning.wishes import short_plan

    tokens, logs, kls = [], [], []
    for start in range(0, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        plans = [short_plan(policy.styles[number % min(8, len(policy.styles))]) for number in numbers]
        plans = [replace(plan, is_free=is_free) for plan in plans]
        written = policy.write(plans, [None] * len(plans), seeds=[seed * 1_000_003 + number for number in numbers])
        tokens += [raster(melody) for melody in written.melodies]
        logs.append(written.log_prior_B / STEPS)
        kls.append(written.kl_B / STEPS)
    return np.array(tokens), np.concatenate(logs), np.concatenate(kls)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Pieces of WISH."""

    tokens_nT: Tokens
    log_p0_n: NDArray[np.float64]
    """Per sixteenth."""
    kl_n: NDArray[np.float64]
    beside_n: NDArray[np.int64]
    """Notes that begin or end beside the grid of sixteenths."""
    notes_n: NDArray[np.int64]


def write_asked(policy: Any, count: int, seed: int) -> Asked:
    """What a commission of WISH without a taste brings, in the commonest styles in turn."""
    from composer.constraints import Plan
    from composer.steering import Steering

    numbers = range(count)
    styles = [policy.styles[number % min(8, len(policy.styles))] for number in numbers]
    plans = [Plan(steering=Steering.from_json(WISH | {"style": style})) for style in styles]
    parts = [
        policy.write_original(plans[start : start + BATCH], [None] * len(part), seeds=[seed * 1_000_003 + n for n in part])
        for start in range(0, count, BATCH)
        if (part := numbers[start : start + BATCH])
    ]
    melodies = [melody for part in parts for melody in part.melodies]
    tokens, beside = zip(*(round_off(melody) for melody in melodies), strict=True)
    return Asked(
        tokens_nT=np.array(tokens),
        log_p0_n=np.concatenate([part.log_prior_B for part in parts]) / STEPS,
        kl_n=np.concatenate([part.kl_B for part in parts]) / STEPS,
        beside_n=np.array(beside),
        notes_n=np.array([len(melody.notes) for melody in melodies]),
    )


def best_of(policy: Any, count: int, seed: int, of: int = 64) -> tuple[Tokens, NDArray[np.float64]]:
    """Of 64 pieces of the masked prior the one that keeps most rules: repeated motif first counted once."""
    tokens_nT, logs, _ = write_short(policy, count * of, seed + 500)
    chosen = []
    for start in range(0, count * of, of):
        found = [judge(tokens) for tokens in tokens_nT[start : start + of]]
        worth = [4 * m.a1 + 2 * m.a2 + m.a3 + 0.3 * m.repeated_motif + 0.05 * m.motif for m in found]
        chosen.append(start + int(np.argmax(worth)))
    return tokens_nT[chosen], logs[chosen]


def ablation(folder: Path, algorithm: str, updates: int, seed: int = 0) -> Any:
    """A policy of another algorithm on the same prior, trained on two-bar pieces alone with the rewards of ours."""
    from composer.learning.configuration import ComposerConfiguration
    from composer.learning.policy import load_policy
    from composer.learning.policy_training import PolicyTraining
    from composer.learning.replay_dataset import MelodyDataset

    say(f"trains {algorithm}: {updates} updates, seed {seed}")
    configuration = ComposerConfiguration(
        algorithm=algorithm,
        updates=updates,
        is_timed=False,
        imitation_weight=0.0,
        short_share=1.0,
        maximum_kl=100.0,
        minimum_distinct=0.0,
        threads=1,
    )
    context = Context(configuration=configuration, folder=Path(tempfile.mkdtemp()), seed=seed)
    training = PolicyTraining(context, MelodyDataset(()), configuration, load_policy("prior", folder), None)
    training.run()
    training.learner.network.eval()
    return training.policy
