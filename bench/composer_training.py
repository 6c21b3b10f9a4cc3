"""Trains a prior and a policy as the service does, without a database. Before: melodies. After: sequence_tutor.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.report import say
from music.notes import Melody


@dataclass
class Context:
    """A `RunContext` that reports to stderr."""

    configuration: object
    folder: Path
    parent_folder: Path | None = None
    seed: int = 0
    device: str = "cpu"

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Says where the training is, now and then."""
        if step % 50 == 0:
            say(f"{progress or 0:.0%} " + " ".join(f"{name} {value:.3g}" for name, value in metrics.items()))

    def log(self, text: str) -> None:
        """Says a line."""
        say(text)


def train_both(melodies: Sequence[tuple[Melody, str, str]], folder: Path, *, quick: bool) -> Path:
    """The checkpoint of a policy trained from these melodies with the service's own configuration."""
    from composer.learning.configuration import ComposerConfiguration
    from composer.learning.replay_dataset import MelodyDataset, Tune, group_of
    from composer.learning.training import train

    tunes = tuple(Tune(melody=melody, style=style, group=group_of(melody)) for melody, style, _ in melodies)
    dataset = MelodyDataset(tunes, {"tunes": len(tunes)})
    seconds = 20.0 if quick else 0.0
    (folder / "prior").mkdir()
    (folder / "policy").mkdir()
    prior = train(Context(ComposerConfiguration(stage="prior", seconds=seconds), folder / "prior"), dataset)
    configuration = ComposerConfiguration(stage="policy", seconds=seconds)
    return train(Context(configuration, folder / "policy", parent_folder=prior.checkpoint), dataset).checkpoint
