"""A composer to measure: the checkpoint given, else one trained here by the product's own code. After: composer benches.

Needs no database: tunes come straight from the starter collections."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report import say

if TYPE_CHECKING:
    from composer.learning.policy import ComposerPolicy
    from composer.learning.replay_dataset import MelodyDataset


def add_composer_options(parser: argparse.ArgumentParser) -> None:
    """Options that say which composer is measured."""
    parser.add_argument("--checkpoint", type=Path, help="folder of a `dqn` checkpoint; without it one is trained here")
    parser.add_argument("--prior-seconds", type=float, default=120.0, help="training of the prior, without --checkpoint")
    parser.add_argument("--policy-seconds", type=float, default=240.0, help="training of the policy, without --checkpoint")


def set_up() -> None:
    """Django's models without a database, in a folder of their own."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("ENCORE_VAR", str(_folder_for_now()))
    os.environ.setdefault("ENCORE_SECRET_KEY", "only for a benchmark")
    os.environ.setdefault("ENCORE_LOG_LEVEL", "WARNING")
    import django

    django.setup()


def _folder_for_now() -> Path:
    """A folder that goes when the benchmark ends."""
    folder = tempfile.mkdtemp(prefix="encore-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def read_tunes(every: int) -> MelodyDataset:
    """Every N-th tune of the starter collections, of those that may be learned from."""
    from bench import split_tunes
    from composer.learning.replay_dataset import MelodyDataset, Tune, group_of
    from recsys import corpus

    split, names = split_tunes.read_split(split_tunes.SPLIT), tuple(corpus.BY_NAME)
    tunes = [
        Tune(melody=tune.score.melody, style=tune.style, group=group_of(tune.score.melody))
        for tune in split_tunes.read_tunes(split, names, lambda number: number % every == 0)
        if tune.split == "train" and sum(note.pitch is not None for note in tune.score.melody.notes) >= 8
    ]
    say(f"{len(tunes)} tunes of the starter collections")
    return MelodyDataset(tuple(tunes), {"tunes": len(tunes)})


@dataclass(kw_only=True)
class Run:
    """What a training asks of its run, without a database."""

    configuration: Any
    folder: Path
    device: str
    seed: int = 0
    parent_folder: Path | None = None

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Nobody draws the curves."""

    def log(self, text: str) -> None:
        """Tells the person who waits."""
        say(text)


def policies(options: argparse.Namespace, dataset: MelodyDataset) -> tuple[ComposerPolicy, ComposerPolicy]:
    """The policy and the bare prior beneath it."""
    from composer.learning.configuration import ComposerConfiguration
    from composer.learning.policy import load_policy
    from composer.learning.training import train

    if options.checkpoint:
        return load_policy("dqn", options.checkpoint), load_policy("prior", options.checkpoint)
    shorter = 8.0 if options.quick else 1.0
    root = _folder_for_now()
    parent = None
    for stage, seconds in (("prior", options.prior_seconds), ("policy", options.policy_seconds)):
        say(f"trains the {stage} for {seconds / shorter:.0f} s")
        configuration = ComposerConfiguration(stage=stage, seconds=seconds / shorter)
        folder = root / stage
        folder.mkdir()
        run = Run(configuration=configuration, folder=folder, device=options.device, parent_folder=parent)
        parent = train(run, dataset).checkpoint
    assert parent is not None
    return load_policy("dqn", parent), load_policy("prior", parent)
