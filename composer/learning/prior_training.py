"""Trains the prior by maximum likelihood. Before: replay_dataset. After: training.py writes the checkpoint.

Shapes as in network.py. A training that was cut goes on from `context.folder`, at the batch it had reached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from composer.learning.configuration import ComposerConfiguration
from composer.learning.evaluation import evaluate_prior
from composer.learning.network import Prior, forget_styles
from composer.learning.replay_dataset import MelodyDataset, Observed, observe_tunes
from dqn.checkpoint import read_state, write_state
from training.slots import RunContext, StopRequested

STATE = "prior_state.safetensors"
REPORT_EVERY_UPDATES = 20
LOWEST_LEARNING_RATE = 1e-4
FORGOTTEN_STYLE_SHARE = 0.1
"""Of the melodies are read without their style, so that a style never seen is no surprise."""
Clock = Callable[[], float]
PATIENT_EPOCHS = 4
"""Without a better epoch a training ends, and its best weights are kept."""
KEEP_EVERY_UPDATES = 50
"""A worker that was killed loses no more than so many updates; one that is asked to stop loses none."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a training goes on: the next batch of an epoch, and the dice as they lay."""

    epoch: int
    batch: int = 0
    dice: torch.Tensor | None = None
    """Of the forgotten styles."""
    global_dice: torch.Tensor | None = None


@dataclass
class Best:
    """The weights that predicted the tunes held out best, and how many epochs since then did worse."""

    bits_per_note: float = math.inf
    waited_epochs: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def see(self, prior: Prior, bits_per_note: float) -> None:
        """Takes the end of an epoch in."""
        self.waited_epochs += 1
        if bits_per_note < self.bits_per_note:
            weights = {name: weight.clone() for name, weight in prior.state_dict().items()}
            self.bits_per_note, self.waited_epochs, self.weights = bits_per_note, 0, weights

    @property
    def is_over(self) -> bool:
        """Whether waiting longer would only learn the tunes by heart."""
        return self.waited_epochs >= PATIENT_EPOCHS


class Budget:
    """How much of a training is done, by time and by epochs, whichever is further. Goes on where an earlier attempt stopped."""

    def __init__(self, *, seconds: float | None, spent_seconds: float = 0.0, clock: Clock = time.monotonic) -> None:
        self.seconds, self._clock = seconds, clock
        self._start = clock() - spent_seconds

    @property
    def spent_seconds(self) -> float:
        """Seconds since the beginning, earlier attempts included."""
        return self._clock() - self._start

    def share(self, done: float) -> float:
        """0 … 1: the larger of the share that is done and the share of time that is gone."""
        return min(1.0, max(done, self.spent_seconds / self.seconds if self.seconds else 0.0))


def train_prior(
    context: RunContext,
    dataset: MelodyDataset,
    configuration: ComposerConfiguration,
    seconds: float | None,
    clock: Clock = time.monotonic,
) -> Prior:
    """The prior of the dataset's training tunes. A benchmark on a shared machine counts seconds by a `clock` of its own."""
    torch.set_num_threads(configuration.threads)
    torch.manual_seed(context.seed)
    buckets = list(observe_tunes(dataset.training, dataset.styles))
    prior = Prior(hidden=configuration.hidden).to(context.device)
    optimizer = torch.optim.Adam(prior.parameters(), lr=configuration.prior_learning_rate, betas=(0.9, 0.98))
    place, budget, best = _resume(context, prior, optimizer, seconds, clock)
    for epoch in range(place.epoch, configuration.epochs):
        if budget.share(0.0) >= 1.0 or best.is_over:
            break
        begin = place if epoch == place.epoch else Place(epoch=epoch)
        updates = _train_epoch(context, buckets, prior, optimizer, configuration, begin, budget, best)
        figures = evaluate_prior(prior.eval(), dataset)
        if figures:
            best.see(prior, figures["bits_per_note"])
        _keep(context, prior, optimizer, Place(epoch=epoch + 1), budget, best)
        if figures:
            context.report((epoch + 1) * updates, held_out_bits_per_note=figures["bits_per_note"])
    if best.weights:
        prior.load_state_dict(best.weights)
    return prior.eval().cpu()


def _train_epoch(
    context: RunContext,
    buckets: list[Observed],
    prior: Prior,
    optimizer: torch.optim.Optimizer,
    configuration: ComposerConfiguration,
    begin: Place,
    budget: Budget,
    best: Best,
) -> int:
    """One pass over the tunes, or the rest of it; the number of its updates. Its randomness depends on seed and epoch only: a
    resumed run is the same."""
    epoch = begin.epoch
    generator = torch.Generator().manual_seed(context.seed * 1000 + epoch)
    torch.manual_seed(context.seed * 1000 + epoch)
    batches = list(_batches(buckets, configuration.prior_batch_size, np.random.default_rng([context.seed & 0x7FFFFFFF, epoch])))
    if begin.dice is not None and begin.global_dice is not None:
        generator.set_state(begin.dice)
        torch.set_rng_state(begin.global_dice)
    bits: list[float] = []
    prior.train()

    def keep(next_batch: int) -> None:
        place = Place(epoch=epoch, batch=next_batch, dice=generator.get_state(), global_dice=torch.get_rng_state())
        _keep(context, prior, optimizer, place, budget, best)

    for number, batch in list(enumerate(batches))[begin.batch :]:
        share = budget.share((epoch + number / len(batches)) / configuration.epochs)
        if share >= 1.0:
            break
        _set_learning_rate(optimizer, configuration, share)
        bits.append(_update(prior, optimizer, batch, configuration, generator))
        if number % KEEP_EVERY_UPDATES == KEEP_EVERY_UPDATES - 1:
            keep(number + 1)
        if number % REPORT_EVERY_UPDATES == 0 or number == len(batches) - 1:
            recent = float(np.mean(bits[-REPORT_EVERY_UPDATES:]))
            try:
                context.report(epoch * len(batches) + number, progress=share, training_bits_per_note=recent)
            except StopRequested:
                keep(number + 1)
                raise
    return len(batches)


def _update(
    prior: Prior,
    optimizer: torch.optim.Optimizer,
    batch: Observed,
    configuration: ComposerConfiguration,
    generator: torch.Generator,
) -> float:
    index_BNF = forget_styles(torch.from_numpy(batch.index), FORGOTTEN_STYLE_SHARE, generator)
    given = (index_BNF, *(torch.from_numpy(each) for each in (batch.pitch, batch.duration, batch.valid)))
    index_BNF, pitch_BN, duration_BN, valid_BN = (tensor.to(prior.offsets.device) for tensor in given)
    pitch_nats_BN, duration_nats_BN = prior.nats(index_BNF, pitch_BN, duration_BN)
    loss = ((pitch_nats_BN + duration_nats_BN) * valid_BN).sum() / valid_BN.sum()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(prior.parameters(), 1.0)
    optimizer.step()
    return loss.item() / math.log(2)


def _set_learning_rate(optimizer: torch.optim.Optimizer, configuration: ComposerConfiguration, share: float) -> None:
    """A short rise, then a cosine down to the end."""
    high, low = configuration.prior_learning_rate, LOWEST_LEARNING_RATE
    rate = low + (high - low) * 0.5 * (1 + math.cos(math.pi * share))
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, 0.1 + share / 0.03)


def _batches(buckets: list[Observed], size: int, generator: np.random.Generator) -> Iterator[Observed]:
    """Batches of similar length in random order, cut to their longest melody."""
    places = [
        (number, part)
        for number, bucket in enumerate(buckets)
        for part in np.array_split(generator.permutation(len(bucket.pitch)), max(1, round(len(bucket.pitch) / size)))
    ]
    for place in generator.permutation(len(places)):
        number, rows = places[place]
        bucket = buckets[number]
        longest = int(bucket.valid[rows].sum(axis=1).max())
        yield Observed(
            index=bucket.index[rows, :longest],
            pitch=bucket.pitch[rows, :longest],
            duration=bucket.duration[rows, :longest],
            valid=bucket.valid[rows, :longest],
        )


def _keep(
    context: RunContext, prior: Prior, optimizer: torch.optim.Optimizer, place: Place, budget: Budget, best: Best
) -> None:
    """Keeps what going on needs."""
    state = {f"weight.{name}": weight for name, weight in prior.state_dict().items()}
    for number, kept in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in kept.items()}
    state |= {"epoch": torch.tensor(place.epoch), "batch": torch.tensor(place.batch)}
    if place.dice is not None and place.global_dice is not None:
        state |= {"dice": place.dice, "global_dice": place.global_dice}
    state["spent_seconds"] = torch.tensor(budget.spent_seconds)
    state |= {f"best.{name}": weight for name, weight in best.weights.items()}
    state |= {
        "best_bits_per_note": torch.tensor(best.bits_per_note, dtype=torch.float64),
        "waited_epochs": torch.tensor(best.waited_epochs),
    }
    write_state(context.folder / STATE, state)


def _resume(
    context: RunContext, prior: Prior, optimizer: torch.optim.Optimizer, seconds: float | None, clock: Clock
) -> tuple[Place, Budget, Best]:
    """Loads what an earlier attempt kept; where to go on, the time that is left and the best weights so far."""
    state = read_state(context.folder / STATE)
    if state is None:
        return Place(epoch=0), Budget(seconds=seconds, clock=clock), Best()
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    prior.load_state_dict(_named(tensors, "weight."))
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            kept.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
    place = Place(
        epoch=int(tensors["epoch"]),
        batch=int(tensors["batch"]),
        dice=tensors.get("dice"),
        global_dice=tensors.get("global_dice"),
    )
    context.log(f"goes on with batch {place.batch + 1} of epoch {place.epoch + 1}")
    best = Best()
    if "waited_epochs" in tensors:
        best = Best(float(tensors["best_bits_per_note"]), int(tensors["waited_epochs"]), _named(tensors, "best."))
    return place, Budget(seconds=seconds, spent_seconds=float(tensors["spent_seconds"]), clock=clock), best


def _named(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
