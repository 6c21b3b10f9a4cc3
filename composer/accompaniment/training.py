"""Trains the accompanist: the prior by likelihood on chorales, then G by `kl_residual`. After: evaluation, policy.

Shapes: B melodies, T half bars, A chords."""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from composer.accompaniment import evaluation
from composer.accompaniment.configuration import AccompanistConfiguration
from composer.accompaniment.network import ChordAdvantage, ChordPrior
from composer.accompaniment.policy import KIND, ChordPolicy, context_of, load_policy, pad_tasks
from composer.accompaniment.replay_dataset import LONGEST_HALF_BARS, ChoraleDataset
from composer.accompaniment.rewards import reward
from composer.accompaniment.state import DIALS, Task, observe
from dqn.checkpoint import write_checkpoint
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Episodes, Replay
from training.revision import code_revision
from training.slots import RunContext, Trained

CHECKPOINT = "checkpoint"
PRIOR_BATCH = 256
PATIENCE_EPOCHS = 8
PRIOR_PROGRESS = 0.2
MEASURED_MELODIES = 60
Examples = tuple[Tensor, Tensor, Tensor]
"""Features NF, chords before N3, chords N."""


def train(context: RunContext, dataset: ChoraleDataset, cap_seconds: float | None = None) -> Trained:
    """Trains, writes and measures a checkpoint."""
    configuration: AccompanistConfiguration = context.configuration
    torch.set_num_threads(1)
    folder = context.folder / CHECKPOINT
    if not folder.exists():
        torch.manual_seed(context.seed)
        prior = train_prior(context, dataset, configuration)
        limits = [seconds for seconds in (configuration.seconds if configuration.is_timed else None, cap_seconds) if seconds]
        policy = _Training(context, dataset, configuration, prior, min(limits, default=None)).run()
        assert policy.advantage is not None
        weights = {f"prior.{name}": weight for name, weight in prior.state_dict().items()}
        weights |= {f"advantage.{name}": weight for name, weight in policy.advantage.state_dict().items()}
        kept = configuration.to_json() | {"chorales": len(dataset.chorales)}
        write_checkpoint(folder, weights, kept, {}, dataset.fingerprint, code_revision(), context.seed)
    figures = evaluation.figures_of(load_policy(KIND, folder), dataset.held_out)
    return Trained(kind=KIND, checkpoint=folder, figures={**figures, **dataset.description})


def train_prior(context: RunContext, dataset: ChoraleDataset, configuration: AccompanistConfiguration) -> ChordPrior:
    """The prior that predicts chorales best that it did not learn from; frozen."""
    generator = torch.Generator().manual_seed(context.seed)
    # Every eighth chorale tells when to stop. Those held out are not looked at.
    own = [chorale for number, chorale in enumerate(dataset.training) if number % 8]
    others = [chorale for number, chorale in enumerate(dataset.training) if number % 8 == 0]
    learnt, watched = _examples(own), _examples(others)
    prior = ChordPrior(configuration.hidden, configuration.dropout)
    optimizer = torch.optim.Adam(prior.parameters(), lr=configuration.prior_learning_rate, weight_decay=1e-4)
    best, best_nats, since = copy.deepcopy(prior.state_dict()), float("inf"), 0
    for epoch in range(1, configuration.epochs + 1):
        prior.train()
        for rows in torch.split(torch.randperm(len(learnt[2]), generator=generator), PRIOR_BATCH):
            loss = cross_entropy(prior(learnt[0][rows], learnt[1][rows]), learnt[2][rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        prior.eval()
        with torch.no_grad():
            nats = float(cross_entropy(prior(watched[0], watched[1]), watched[2]))
        context.report(epoch, progress=PRIOR_PROGRESS * epoch / configuration.epochs, prior_nats_per_chord=nats)
        since = 0 if nats < best_nats else since + 1
        if nats < best_nats:
            best, best_nats = copy.deepcopy(prior.state_dict()), nats
        if since >= PATIENCE_EPOCHS:
            break
    context.log(f"The prior predicts Bach's chords with {best_nats:.2f} nats per half bar.")
    prior.load_state_dict(best)
    return prior.eval().requires_grad_(False)


def _examples(chorales: Any) -> Examples:
    features_NF = np.concatenate([chorale.task.features_TF for chorale in chorales]).astype(np.float32)
    before_N3 = np.concatenate([context_of(chorale.chords_T) for chorale in chorales])
    chords_N = np.concatenate([chorale.chords_T for chorale in chorales])
    return torch.from_numpy(features_NF), torch.from_numpy(before_N3), torch.from_numpy(chords_N)


class _Training:
    """Rollouts, replay and learner of one run."""

    def __init__(
        self,
        context: RunContext,
        dataset: ChoraleDataset,
        configuration: AccompanistConfiguration,
        prior: ChordPrior,
        seconds: float | None,
    ) -> None:
        self.context, self.configuration, self.seconds = context, configuration, seconds
        self.generator = np.random.default_rng(context.seed)
        self.chorales = [c.task for c in dataset.training if len(c.task.cut) <= LONGEST_HALF_BARS]
        folk = [observe(melody) for melody in dataset.melodies]
        self.folk = [task for task in folk if len(task.cut) <= LONGEST_HALF_BARS] or self.chorales
        settings = LearnerConfiguration(
            algorithm=configuration.algorithm,
            discount=1.0,
            lambda_return=configuration.lambda_return,
            learning_rate=configuration.learning_rate,
            batch_size=configuration.batch_size,
            polyak=configuration.polyak,
            huber_delta=5.0,
            temperature=configuration.temperature,
            seed=context.seed,
        )
        self.advantage = ChordAdvantage()
        self.learner = Learner(self.advantage, settings)
        self.policy = ChordPolicy(
            prior=prior, advantage=self.advantage, algorithm=configuration.algorithm, temperature=configuration.temperature
        )
        self.replay: Replay[Episodes] = Replay(configuration.replay_melodies)

    def run(self) -> ChordPolicy:
        started = time.monotonic()
        for number in range(1, self.configuration.rollouts + 1):
            figures = self._rollout()
            figures |= self.learner.run(self.replay, self.configuration.updates_per_rollout)
            share = number / self.configuration.rollouts
            self.context.report(number, progress=PRIOR_PROGRESS + (1 - PRIOR_PROGRESS) * share, **figures)
            if self.seconds is not None and time.monotonic() - started > self.seconds:
                self.context.log(f"Stopped by the clock after {number} rollouts.")
                break
        self.advantage.eval()
        return self.policy

    def _rollout(self) -> dict[str, float]:
        """Harmonises some melodies with the newest weights and keeps every step."""
        count = self.configuration.rollout_melodies
        tasks = []
        for is_folk in self.generator.random(count) < self.configuration.folk_share:
            pool = self.folk if is_folk else self.chorales
            tasks.append(pool[int(self.generator.integers(len(pool)))])
        # Half of the melodies are harmonised as anyone would, the others for a wish.
        dials_BD = self.generator.uniform(-1, 1, (count, len(DIALS))) * (self.generator.random((count, 1)) < 0.5)
        drawn = self.policy.draw(tasks, dials_BD, self.generator)
        rewards = [reward(task, drawn.chords_BT[row, : len(task.cut)], dials_BD[row]) for row, task in enumerate(tasks)]
        self.replay.add(_episodes(tasks, dials_BD, drawn.before_BT3, drawn.log_prior_BTA, drawn.chords_BT, rewards))
        steps = sum(len(task.cut) for task in tasks)
        return {
            "reward_per_half_bar": float(sum(r.sum() for r in rewards)) / steps,
            "kl_per_half_bar": float(drawn.kl_B.sum()) / steps,
        }


def _episodes(
    tasks: list[Task],
    dials_BD: NDArray[np.float64],
    before_BT3: NDArray[np.int64],
    log_prior_BTA: NDArray[np.float32],
    chords_BT: NDArray[np.int64],
    rewards: list[NDArray[np.float64]],
) -> Episodes:
    """The rollout, padded to the longest melody there may be, as the learner takes it."""
    count, drawn = chords_BT.shape
    features_BTF, open_BTA = pad_tasks(tasks, LONGEST_HALF_BARS)
    lengths_B1 = np.array([[len(task.cut)] for task in tasks])
    valid_BT = np.arange(LONGEST_HALF_BARS) < lengths_B1
    reward_BT = np.zeros((count, LONGEST_HALF_BARS), dtype=np.float32)
    for row, values in enumerate(rewards):
        reward_BT[row, : len(values)] = values

    def padded(values: NDArray[Any]) -> Tensor:
        whole = np.zeros((count, LONGEST_HALF_BARS, *values.shape[2:]), dtype=values.dtype)
        whole[:, :drawn] = values
        return torch.from_numpy(whole)

    dials_BTD = np.repeat(dials_BD[:, None], LONGEST_HALF_BARS, axis=1).astype(np.float32)
    is_last_BT = np.arange(LONGEST_HALF_BARS) == lengths_B1 - 1
    return Episodes(
        observation={
            "features": torch.from_numpy(features_BTF),
            "before": padded(before_BT3),
            "dials": torch.from_numpy(dials_BTD),
        },
        mask_BTA=torch.from_numpy(open_BTA),
        action_BT=padded(np.where(valid_BT[:, :drawn], chords_BT, 0)),
        reward_BT=torch.from_numpy(reward_BT),
        discount_BT=torch.from_numpy((valid_BT & ~is_last_BT).astype(np.float32)),
        valid_BT=torch.from_numpy(valid_BT),
        log_prior_BTA=padded(log_prior_BTA),
    )
