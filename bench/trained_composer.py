"""A composer to measure: the checkpoint given, else one trained here by the product's own code. After: composer benches.

Needs no database: tunes come straight from the starter collections. `python -m bench.trained_composer --out FOLDER` makes the
folder that these benches take as `--checkpoint`."""

from __future__ import annotations

import argparse
import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import say
from bench.run_context import Context

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


def policies(options: argparse.Namespace, dataset: MelodyDataset) -> tuple[ComposerPolicy, ComposerPolicy]:
    """The policy and the bare prior beneath it."""
    from composer.learning.policy import load_policy

    folder = options.checkpoint
    if not folder:
        shorter = 8.0 if options.quick else 1.0
        seconds = {"prior": options.prior_seconds / shorter, "policy": options.policy_seconds / shorter}
        folder = train_both(dataset, seconds, options.device)
    return load_policy("dqn", folder), load_policy("prior", folder)


def train_both(dataset: MelodyDataset, seconds: dict[str, float], device: str, seed: int = 0) -> Path:
    """The checkpoint of a policy and the prior beneath it, in a folder that goes when the program ends. For 0 seconds stands
    the time that the service takes."""
    from composer.learning.configuration import ComposerConfiguration
    from composer.learning.training import make_checkpoint

    root = _folder_for_now()
    parent = None
    for stage in ("prior", "policy"):
        configuration = ComposerConfiguration(stage=stage, seconds=seconds[stage])
        say(f"trains the {stage} for {configuration.budget_seconds(None):.0f} s")
        folder = root / stage
        folder.mkdir()
        run = Context(configuration=configuration, folder=folder, device=device, seed=seed, parent_folder=parent)
        parent = make_checkpoint(run, dataset)
    assert parent is not None
    return parent


def main() -> int:
    """Trains a composer and keeps it."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.trained_composer",
        description="Trains prior and policy by the service's own training on the tunes that the split calls `train`.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="becomes the checkpoint; must not be there yet"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        nargs=2,
        default=[0.0, 0.0],
        metavar=("PRIOR", "POLICY"),
        help="of each stage; 0 as the service",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="learns from every N-th tune: for a first look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} is there already")
    set_up()
    prior, policy = options.seconds
    trained = train_both(read_tunes(options.every), {"prior": prior, "policy": policy}, options.device, options.seed)
    shutil.copytree(trained, options.out)
    say(f"{options.out} is a composer: give it to the benches as --checkpoint")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
