"""One run of the composer: the prior, or the policy on it. Before: replay_dataset. After: evaluation judges, policy serves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from composer.bands import Bands, banded
from composer.forms import Forms
from composer.gamuts import Gamuts
from composer.learning import evaluation
from composer.learning.configuration import ComposerConfiguration
from composer.learning.measuring import measure_version
from composer.learning.policy import CATALOGUE_RUNS, HEADS, ComposerPolicy, hash_weights, load_policy, policy_of
from composer.learning.prior_training import train_prior
from composer.learning.replay_dataset import MelodyDataset
from dqn.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from training.revision import code_revision
from training.slots import NotEnoughToLearnFrom, RunContext, Trained

CHECKPOINT = "checkpoint"


def train(context: RunContext, dataset: MelodyDataset) -> Trained:
    """Trains what the configuration's stage names; writes and measures a checkpoint."""
    kind = "prior" if context.configuration.stage == "prior" else "dqn"
    folder = make_checkpoint(context, dataset)
    policy = load_policy(kind, folder)
    figures = evaluation.evaluate_prior(policy.writer.prior, dataset) if kind == "prior" else {}
    figures |= _sample_figures(policy, dataset) | {"tunes": policy.settings["tunes"]}
    return Trained(kind=kind, checkpoint=folder, figures=figures, details=measure_version(policy, dataset))


def make_checkpoint(context: RunContext, dataset: MelodyDataset) -> Path:
    """Trains, unless an earlier attempt of the run came so far."""
    configuration: ComposerConfiguration = context.configuration
    seconds = configuration.budget_seconds(getattr(settings, "ENCORE_TRAINING_SECONDS", None))
    folder = context.folder / CHECKPOINT
    if not folder.exists():
        make = _make_prior if configuration.stage == "prior" else _make_policy
        make(folder, context, dataset, configuration, seconds)
    return folder


def _make_prior(
    folder: Path, context: RunContext, dataset: MelodyDataset, configuration: ComposerConfiguration, seconds: float | None
) -> None:
    prior = train_prior(context, dataset, configuration, seconds)
    weights = {f"prior.{name}": weight for name, weight in prior.state_dict().items()}
    measured = {"bands": measure_bands(dataset)} | measure_plans(dataset)
    _write(folder, weights, context, dataset, configuration, measured, styles=dataset.styles)


def _make_policy(
    folder: Path, context: RunContext, dataset: MelodyDataset, configuration: ComposerConfiguration, seconds: float | None
) -> None:
    from composer.learning.policy_training import train_policy

    if context.parent_folder is None:
        raise NotEnoughToLearnFrom("There is no prior to start from yet; train one first (stage `prior`).")
    parent = read_checkpoint(context.parent_folder)
    prior = policy_of("prior", parent)
    if not Bands(prior.settings["bands"]).are_current:
        prior = replace(prior, settings=prior.settings | {"bands": measure_bands(dataset)})
    plans = measure_plans(dataset)
    prior = replace(prior, forms=Forms(plans["forms"]), gamuts=Gamuts(plans["gamuts"]))
    trained = train_policy(context, dataset, configuration, prior, seconds)
    weights: dict[str, Any] = {name: weight for name, weight in parent.weights.items() if name.startswith("prior.")}
    weights |= trained
    measured = {"bands": prior.settings["bands"]} | plans
    _write(folder, weights, context, dataset, configuration, measured, parent=parent)


def _write(
    folder: Path,
    weights: dict[str, Any],
    context: RunContext,
    dataset: MelodyDataset,
    configuration: ComposerConfiguration,
    measured: dict[str, Any],
    *,
    styles: tuple[str, ...] = (),
    parent: Checkpoint | None = None,
) -> None:
    """Writes a checkpoint. Beside its own configuration it keeps what it needs to compose: styles, bands, forms, gamuts, the
    prior's width, and what of the catalogue a piece may share."""
    originality = evaluation.originality_of(dataset)
    weights = weights | {CATALOGUE_RUNS: originality.catalogue.runs_G}
    kept: dict[str, Any] = {**configuration.to_json(), "styles": list(styles), **measured, "tunes": len(dataset.tunes)}
    kept["copy_limits"] = dict(originality.limits)
    if parent is not None:
        kept |= {name: parent.configuration[name] for name in ("hidden", "styles", "tunes")}
        kept["heads"] = HEADS
        kept["prior_sha256"] = hash_weights(parent.weights)
    write_checkpoint(folder, weights, kept, {}, dataset.fingerprint, code_revision(), context.seed)


def measure_bands(dataset: MelodyDataset) -> dict[str, Any]:
    """People's bands of each figure, by style and metre, from the tunes that may be learned from."""
    tunes = dataset.training[:: max(1, len(dataset.training) // MEASURED_TUNES)]
    figures_nX = np.stack([banded(tune.melody) for tune in tunes])
    bands = Bands.measure(figures_nX, [tune.style for tune in tunes], [tune.melody.metre for tune in tunes])
    return {group: list(edges) for group, edges in bands.of_group.items()}


def measure_plans(dataset: MelodyDataset) -> dict[str, Any]:
    """People's forms by style, and gamuts by mode and style, from as many tunes as bands are measured on."""
    tunes = [(tune.style, tune.melody) for tune in dataset.training[:: max(1, len(dataset.training) // MEASURED_TUNES)]]
    return {"forms": Forms.measure(tunes).of_style, "gamuts": Gamuts.measure(tunes).of_group}


MEASURED_TUNES = 4000
"""Enough for bands, forms and gamuts of the common styles; measuring all of them would take longer than it is worth."""


def _sample_figures(policy: ComposerPolicy, dataset: MelodyDataset) -> dict[str, float]:
    """What its pieces are like, and what people's are."""
    bands = Bands(policy.settings["bands"])
    written, steerings = evaluation.write_sample(policy, count=96)
    return evaluation.figures_of(written, steerings, bands, dataset) | evaluation.human_figures(dataset, bands)
