"""Measures a composer against people and against the champion. Before: training. After: the gate's verdict, the run's figures.

Shapes: n pieces, F features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from composer.bands import Bands, band_miss, banded
from composer.constraints import Plan
from composer.copies import (
    SHARED_SHARE,
    CatalogueIndex,
    Originality,
    copied_share,
    copy_limits,
    mean_shared_share,
    usual_shares,
)
from composer.learning.blind_answers import blind_check
from composer.learning.features import observe_melodies
from composer.learning.network import Prior
from composer.learning.policy import ComposerPolicy, load_policy
from composer.learning.replay_dataset import MelodyDataset, Tune, style_number
from composer.learning.writing import Written
from composer.measures import Measured, distinct_share
from composer.rewards import RuleWeights
from composer.steering import HABITS, Steering
from music.notes import Melody
from training.slots import Check

PIECES = 192
BARS = 8
MEASURED_AT_ONCE = 64
BOOTSTRAPS = 1000
MAXIMUM_COPIED_SHARE = 0.02
MINIMUM_DISTINCT = 0.8
MAXIMUM_KL = 0.6
"""Nats per step, of tunes as they are served (docs/composer.md says which other bounds there are)."""
JUDGED = ("rules_per_bar", "leaps_unresolved", "unique_highest", "repeated_bars", "changed_endings", "range_semitones")
"""Measures among the figures of a run; the dashboard shows all of them beside people's (`learning/measuring.py`)."""


@torch.no_grad()
def bits_per_note(prior: Prior, tunes: Sequence[Tune], styles: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """−log₂ p₀ of each tune and its notes, rests among them. The first pitch is free, as are style, metre, mode and length."""
    bits_n, notes_n = np.zeros(len(tunes)), np.array([len(tune.melody.notes) for tune in tunes])
    by_length = np.argsort(notes_n, kind="stable")
    for rows in np.array_split(by_length, max(1, len(tunes) // MEASURED_AT_ONCE)):
        numbers = [style_number(tunes[row].style, styles) for row in rows]
        seen = observe_melodies([tunes[row].melody for row in rows], numbers)
        given = (torch.from_numpy(seen[name]).to(prior.offsets.device) for name in ("index", "pitch", "duration"))
        pitch_nats_BN, duration_nats_BN = prior.nats(*given)
        pitch_nats_BN[:, 0] = 0.0
        nats_BN = (pitch_nats_BN + duration_nats_BN).double().cpu().numpy()
        bits_n[rows] = (nats_BN * seen["valid"]).sum(axis=1) / math.log(2)
    return bits_n, np.maximum(notes_n, 1)


def evaluate_prior(prior: Prior, dataset: MelodyDataset) -> dict[str, float]:
    """Bits per note on the tunes held out."""
    if not dataset.held_out:
        return {}
    bits_n, notes_n = bits_per_note(prior, dataset.held_out, dataset.styles)
    return {"bits_per_note": float(bits_n.sum() / notes_n.sum()), "held_out_tunes": float(len(bits_n))}


def typical_steerings(styles: Sequence[str], count: int) -> list[Steering]:
    """What listeners ask for: the commonest styles in turn, in their usual metre, with the usual range."""
    made = []
    for number in range(count):
        style = styles[number % min(len(styles), 8)] if styles else "song"
        metre, tempo = HABITS.get(style, ((4, 4), 120.0))
        made.append(Steering(style=style, tonic=(2, 7, 0, 9)[number % 4], metre=metre, tempo=tempo, bars=BARS))
    return made


def write_sample(policy: ComposerPolicy, count: int = PIECES, seed: int = 1) -> tuple[Written, list[Steering]]:
    """Pieces for the steerings people ask for, without a taste."""
    steerings = typical_steerings(policy.styles, count)
    plans = [Plan(steering=steering) for steering in steerings]
    seeds = [seed * 1_000_003 + number for number in range(count)]
    return policy.write_original(plans, [None] * count, seeds=seeds), steerings


def figures_of(written: Written, steerings: Sequence[Steering], bands: Bands, dataset: MelodyDataset) -> dict[str, float]:
    """Averages over the pieces."""
    each = piece_figures(written.melodies, steerings, bands)
    figures = {name: float(values_n.mean()) for name, values_n in each.items()}
    figures["distinct"] = distinct_share(written.melodies)
    figures["kl_per_step"] = float((written.kl_B / np.maximum(written.steps_B, 1)).mean())
    figures["log_prior_per_step"] = float((written.log_prior_B / np.maximum(written.steps_B, 1)).mean())
    styles = [steering.style for steering in steerings]
    figures["shared_runs_of_ten"] = mean_shared_share(written.melodies, dataset.taught_runs)
    figures["shared_runs_of_ten_allowed"] = allowed_share(dataset, styles)
    return figures | {"copied": copied_share(written.melodies, styles, originality_of(dataset))}


def allowed_share(dataset: MelodyDataset, styles: Sequence[str]) -> float:
    """Share of the runs of ten notes that pieces of these styles may have in common with the tunes learned from: as many as
    people's unseen tunes of each style have."""
    usual = usual_shares(((tune.style, tune.melody) for tune in dataset.held_out), dataset.taught_runs)
    return float(np.mean([max(SHARED_SHARE, usual.get(style, usual.get("", 0.0))) for style in styles]))


def originality_of(dataset: MelodyDataset) -> Originality:
    """The runs of all its tunes, and how long a run people's unseen tunes share with the others."""
    limits = copy_limits(((tune.style, tune.melody) for tune in dataset.held_out), dataset.taught_runs)
    return Originality(catalogue=CatalogueIndex.of(tune.melody for tune in dataset.tunes), limits=limits)


def piece_figures(melodies: Sequence[Melody], steerings: Sequence[Steering], bands: Bands) -> dict[str, NDArray[np.float64]]:
    """For each piece: reward of the rules per bar, distance to people's bands, leaps, repeated bars, one climax."""
    each = Measured.of(melodies, [steering.style for steering in steerings]).values
    misses = [band_miss(banded(m), bands, steering.style, m.metre) for m, steering in zip(melodies, steerings, strict=True)]
    return {name: each[name] for name in JUDGED} | {"band_miss": np.array(misses)}


def human_figures(dataset: MelodyDataset, bands: Bands) -> dict[str, float]:
    """The same figures of tunes that people wrote."""
    tunes = [tune for tune in dataset.held_out if tune.melody.bars >= 4][:PIECES]
    if not tunes:
        return {}
    steerings = [Steering(style=tune.style[:40] or "song") for tune in tunes]
    each = piece_figures([tune.melody for tune in tunes], steerings, bands)
    return {f"human_{name}": float(values_n.mean()) for name, values_n in each.items()}


def judge(checkpoint: Path, champion: Path | None, dataset: MelodyDataset) -> list[Check]:
    """The gate's checks of a prior or a policy against the champion and against people."""
    challenger, champions = _load(checkpoint), None if champion is None else _load(champion)
    if challenger.kind == "prior":
        return _judge_prior(challenger, champions, dataset)
    checks = _judge_policy(challenger, champions, dataset)
    return checks if champion is None else [*checks, blind_check(checkpoint, champion, dataset.answers)]


def _judge_prior(challenger: ComposerPolicy, champion: ComposerPolicy | None, dataset: MelodyDataset) -> list[Check]:
    if not dataset.held_out:
        return [Check(name="bits per note", outcome="not proven", explanation="No tune is held out to measure on.")]
    bits_n, notes_n = bits_per_note(challenger.writer.prior, dataset.held_out, challenger.styles)
    own = float(bits_n.sum() / notes_n.sum())
    if champion is None:
        explanation = f"It predicts tunes it never saw with {own:.2f} bits per note; there is nothing to beat yet."
        return [Check(name="bits per note", outcome="pass", explanation=explanation, figure=own)]
    other_n, _ = bits_per_note(champion.writer.prior, dataset.held_out, champion.styles)
    low, high = _bootstrap(lambda rows: float((other_n[rows] - bits_n[rows]).sum() / notes_n[rows].sum()), len(bits_n))
    saved = float((other_n - bits_n).sum() / notes_n.sum())
    return [
        Check(
            name="bits per note saved on unseen tunes",
            outcome="pass" if low > 0 else "fail" if high < 0 else "not proven",
            explanation=f"{own:.2f} bits per note, {saved:+.2f} better than the champion's prior (95 % interval by tune).",
            figure=saved,
            low=low,
            high=high,
            threshold=0.0,
        )
    ]


def _judge_policy(challenger: ComposerPolicy, champion: ComposerPolicy | None, dataset: MelodyDataset) -> list[Check]:
    bands = Bands(challenger.settings["bands"])
    written, steerings = write_sample(challenger)
    figures = figures_of(written, steerings, bands, dataset)
    checks = [
        _at_most(
            "copies of the catalogue",
            figures["copied"],
            MAXIMUM_COPIED_SHARE,
            "of the pieces share a longer run of notes with a tune than one in a hundred of people's unseen tunes of the style",
        ),
        _at_most(
            "runs shared with the catalogue",
            figures["shared_runs_of_ten"],
            figures["shared_runs_of_ten_allowed"],
            "of the runs of ten notes stand in a tune too, which those of people's unseen tunes of these styles may as well",
        ),
        _at_most("distance to the prior", figures["kl_per_step"], MAXIMUM_KL, "nats per step lie between it and the prior"),
        _at_least("different pieces", figures["distinct"], MINIMUM_DISTINCT, "of the pieces differ from each other"),
    ]
    if champion is None:
        return checks
    other, _ = write_sample(champion)
    own_n = _worth(written.melodies, steerings, bands)
    other_n = _worth(other.melodies, steerings, bands)
    difference_n = own_n - other_n
    low, high = _bootstrap(lambda rows: float(difference_n[rows].mean()), len(difference_n))
    checks.append(
        Check(
            name="rules and human bands",
            outcome="pass" if low > 0 else "fail" if high < 0 else "not proven",
            explanation=f"Its pieces are worth {difference_n.mean():+.2f} more per piece than the champion's (95 % interval).",
            figure=float(difference_n.mean()),
            low=low,
            high=high,
            threshold=0.0,
        )
    )
    return checks


def _worth(melodies: Sequence[Melody], steerings: Sequence[Steering], bands: Bands) -> NDArray[np.float64]:
    each, weights = piece_figures(melodies, steerings, bands), RuleWeights()
    return each["rules_per_bar"] * BARS - weights.band * each["band_miss"]


def _bootstrap(statistic: Any, count: int) -> tuple[float, float]:
    generator = np.random.default_rng(0)
    drawn = [statistic(generator.integers(count, size=count)) for _ in range(BOOTSTRAPS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _at_most(name: str, figure: float, bound: float, words: str) -> Check:
    return Check(
        name=name,
        outcome="pass" if figure <= bound else "fail",
        explanation=f"{figure:.3g} {words}; at most {bound:.3g}.",
        figure=figure,
        threshold=bound,
    )


def _at_least(name: str, figure: float, bound: float, words: str) -> Check:
    return Check(
        name=name,
        outcome="pass" if figure >= bound else "fail",
        explanation=f"{figure:.3g} {words}; at least {bound:g}.",
        figure=figure,
        threshold=bound,
    )


def _load(folder: Path) -> ComposerPolicy:
    """The policy in a checkpoint, of whichever kind it is."""
    from dqn.checkpoint import read_checkpoint

    kind = "dqn" if read_checkpoint(folder).configuration["stage"] == "policy" else "prior"
    return load_policy(kind, folder)
