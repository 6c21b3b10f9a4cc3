"""Trains the recommender's Q-network. Before: replay_dataset.py. After: evaluation.py judges, dqn_policy.py serves.

Letters: B batch, H heads, A listed tracks, N transitions, M states, T tracks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from django.conf import settings
from torch import Tensor
from torch.nn.functional import huber_loss

from dqn.checkpoint import read_state, write_checkpoint, write_state
from dqn.learner import Learner
from dqn.replay import Replay
from recsys.learning.choice import ChoiceModel
from recsys.learning.choice_training import choice_of
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.credit import returns_of
from recsys.learning.dqn_policy import export
from recsys.learning.evaluation import evaluate
from recsys.learning.factors import Known, taste_models_of
from recsys.learning.features import Scaling
from recsys.learning.lookahead import lookahead_of
from recsys.learning.network import RecommenderNetwork, observe, tastes_of
from recsys.learning.next_choices import NextChoices, next_tracks_of
from recsys.learning.next_tracks import NextTracks
from recsys.learning.replay import Gathering, Played
from recsys.learning.replay_dataset import ReplayDataset
from training.slots import RunContext, StopRequested, Trained

STATE = "state.safetensors"
CHECKPOINT = "checkpoint"
AFTER_PULL = 1.0
"""How strongly what content leads to is held at its closed form: a few hundred gradient steps on returns know less."""


def train(context: RunContext, dataset: ReplayDataset, known: Known | None = None) -> Trained:
    """Trains for the configured updates, or what is left of them; writes and evaluates a checkpoint.

    `known` is what `known_of` found, where two trainings share it."""
    torch.set_num_threads(1)  # more threads help no network of this size, and take time from the other processes
    configuration: RecommenderConfiguration = context.configuration
    scaling = Scaling.of(dataset.table)
    # A bandit learns from a log that was read for looking ahead: what follows a track is nothing to it.
    taught = dataset if configuration.discount > 0 else replace(dataset, discount_N=np.zeros_like(dataset.discount_N))
    tables, choices = next_tracks_of(dataset) if configuration.next_track_weight > 0 else (None, None)
    known = known or known_of(configuration, dataset, context.seed)
    learner, replay = prepare(
        configuration, taught, scaling, seed=context.seed, device=context.device, choices=choices, known=known
    )
    kept = read_state(context.folder / STATE)
    if kept is not None:
        learner.load_state_dict(kept)
        context.log(f"Goes on after {learner.updates} updates.")
    _run(context, learner, replay, taught)
    checkpoint = context.folder / CHECKPOINT
    if not checkpoint.exists():
        choice = _choice(context, learner, taught)
        write_network(checkpoint, learner.network, scaling, configuration, dataset, choice, seed=context.seed, tables=tables)
    # Made again where the checkpoint is there: an earlier attempt may have ended in between.
    export(checkpoint, dataset.table)
    figures = evaluate(checkpoint, dataset)
    context.report(learner.updates, progress=1.0, **{name: v for name, v in figures.items() if isinstance(v, float)})
    return Trained(kind="dqn", checkpoint=checkpoint, figures=figures)


def _choice(context: RunContext, learner: Learner, dataset: ReplayDataset) -> ChoiceModel | None:
    """How listeners choose from a slate, by what the network says of its tracks."""
    configuration: RecommenderConfiguration = context.configuration
    assert isinstance(learner.network, RecommenderNetwork)
    choice, figures = choice_of(learner.network, dataset, discount=configuration.discount)
    context.report(learner.updates, **figures)
    return choice


def known_of(configuration: RecommenderConfiguration, dataset: ReplayDataset, seed: int) -> Known:
    """What listeners' answers say of the tracks; the same whatever the discount."""
    return taste_models_of(
        dataset,
        models=configuration.taste_models,
        width=configuration.identity_width,
        passed_over_weight=configuration.passed_over_weight,
        seed=seed,
    )


def prepare(
    configuration: RecommenderConfiguration,
    dataset: ReplayDataset,
    scaling: Scaling,
    *,
    seed: int,
    device: str,
    choices: NextChoices | None = None,
    known: Known | None = None,
) -> tuple[Learner, Replay[Played]]:
    """A fresh learner and the replay it draws from."""
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    torch.manual_seed(seed)
    content_TX = scaling.content(dataset.table)
    taste_models, left_out = known or known_of(configuration, dataset, seed)
    lookahead = lookahead_of(dataset, content_TX, taste_models) if configuration.discount > 0 else None
    network = RecommenderNetwork(configuration, content_TX, len(scaling.styles), taste_models, lookahead)
    gathering = Gathering(dataset, configuration, left_out, device, choices)
    learner = Learner(network, configuration.learner(seed=seed, device=device), _further_losses(network))
    gathering.states["taste_MZ"] = tastes_of(network, gathering.states)
    return learner, gathering.replay()


def _further_losses(started: RecommenderNetwork) -> Callable[[torch.nn.Module, Played], dict[str, Tensor]]:
    """What teaches the towers: the reward of each played track. What holds the weights of what follows near their start. And
    what teaches the gates: the track that was really played next."""
    configuration = started.configuration
    start_XH = started.after_XH.detach().clone()

    def losses(network: torch.nn.Module, batch: Played) -> dict[str, Tensor]:
        assert isinstance(network, RecommenderNetwork)
        expected_BH = network.reward(batch.observation)
        moved_XH = network.after_XH - start_XH.to(network.after_XH.device)
        reward_loss = huber_loss(expected_BH, batch.own_reward_B[:, None].expand_as(expected_BH))
        found = {
            "reward_loss": configuration.reward_weight * reward_loss,
            "moved": AFTER_PULL * (moved_XH**2).sum() / moved_XH.shape[1],
        }
        if batch.next_choice is not None:
            found["next_track_loss"] = configuration.next_track_weight * network.next_track_loss(batch.next_choice)
        return found

    return losses


def write_network(
    folder: Path,
    network: torch.nn.Module,
    scaling: Scaling,
    configuration: RecommenderConfiguration,
    dataset: ReplayDataset,
    choice: ChoiceModel | None,
    *,
    seed: int,
    tables: NextTracks | None = None,
) -> None:
    """The checkpoint: weights, the choice model, what follows what, what scales the tracks, and whose each embedding is."""
    weights: dict[str, Any] = dict(network.state_dict())
    weights |= {} if tables is None else tables.weights()
    weights |= {"mean_D": scaling.mean_D, "spread_D": scaling.spread_D, "track_ids": dataset.table.ids_T}
    weights |= {} if choice is None else choice.weights()
    write_checkpoint(
        folder,
        weights,
        {**configuration.to_json(), "styles": list(scaling.styles), "rewards": asdict(dataset.weights)},
        {"dataset": dataset.description},
        dataset.fingerprint,
        str(settings.ENCORE_VERSION),
        seed,
    )


def _run(context: RunContext, learner: Learner, replay: Replay[Played], dataset: ReplayDataset) -> None:
    """Updates in stretches between two kept states. A stop keeps the state and leaves; a lost lease writes nothing more."""
    configuration: RecommenderConfiguration = context.configuration
    held_out = _HeldOut(dataset, learner)
    updates_in_all = configuration.updates_for(len(replay))

    def report(updates: int, means: Mapping[str, float]) -> None:
        context.report(
            updates,
            progress=0.95 * updates / updates_in_all,
            td_loss=means["loss"],
            **{name: means[name] for name in ("reward_loss", "next_track_loss") if name in means},
            td_error=means["absolute_error"],
            mean_q=means["value"],
            **held_out.figures(),
        )

    while learner.updates < updates_in_all:
        stretch = min(configuration.save_every_updates, updates_in_all - learner.updates)
        try:
            learner.run(replay, stretch, report, configuration.report_every_updates)
        except StopRequested:
            write_state(context.folder / STATE, learner.state_dict())
            raise
        write_state(context.folder / STATE, learner.state_dict())


class _HeldOut:
    """How far Q of the tracks that held-out listeners played lies from what their sessions then brought."""

    def __init__(self, dataset: ReplayDataset, learner: Learner, most: int = 1000) -> None:
        self.learner = learner
        chosen = np.flatnonzero(dataset.is_held_out_N)[:most]
        self.is_empty = len(chosen) == 0
        if self.is_empty:
            return
        device = learner.device
        returns = returns_of(dataset)
        states = {
            name: torch.as_tensor(array[dataset.state_N[chosen]], device=device) for name, array in dataset.states.items()
        }
        self.observation = observe(states, torch.arange(len(chosen), device=device)) | {
            "pool_A": torch.zeros(1, dtype=torch.int64, device=device),
            "taken_B": torch.as_tensor(dataset.track_N[chosen], device=device),
        }
        self.returns_B = torch.as_tensor(returns[chosen], dtype=torch.float32, device=device)

    def figures(self) -> dict[str, float]:
        """Mean Q, mean absolute distance to the return, and their correlation."""
        if self.is_empty:
            return {}
        network = self.learner.network
        network.eval()
        with torch.no_grad():
            q_B = network(self.observation)[:, :, 0].mean(dim=1)
        network.train()
        together = torch.stack([q_B, self.returns_B])
        figures = {"held_out_q": float(q_B.mean()), "held_out_error": float((q_B - self.returns_B).abs().mean())}
        if len(q_B) > 2 and float(together.std(dim=1).min()) > 0:
            figures["held_out_correlation"] = float(torch.corrcoef(together)[0, 1])
        return figures
