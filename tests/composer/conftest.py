"""A composer that has really learned, from a few dozen small tunes: tiny, trained once per test run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as settings_of_django
from pytest_django import Settings

from accounts.models import Account
from composer.learning.configuration import ComposerConfiguration
from dqn.checkpoint import hash_folder, read_checkpoint, write_checkpoint
from tests.conftest import STYLES, small_melody
from training.models import PolicyVersion, Promotion
from training.promotion import promote

CHECKPOINT = "checkpoints/tiny-prior"


@dataclass
class Context:
    """What a training asks of its run, without a database."""

    folder: Path
    configuration: Any
    seed: int = 1
    device: str = "cpu"
    parent_folder: Path | None = None
    lines: list[str] = field(default_factory=list)

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Nobody watches."""

    def log(self, text: str) -> None:
        """Keeps the line."""
        self.lines.append(text)


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ENCORE_VAR with the checkpoint of a tiny prior."""
    from composer.learning.prior_training import train_prior
    from composer.learning.replay_dataset import MelodyDataset, Tune, group_of

    melodies = [(small_melody(number, STYLES[number % 4]), STYLES[number % 4]) for number in range(48)]
    dataset = MelodyDataset(tuple(Tune(melody=melody, style=style, group=group_of(melody)) for melody, style in melodies))
    configuration = ComposerConfiguration(stage="prior", epochs=3, hidden=16, is_timed=False, threads=1)
    root = tmp_path_factory.mktemp("var")
    prior = train_prior(
        Context(folder=tmp_path_factory.mktemp("run"), configuration=configuration), dataset, configuration, None
    )
    weights = {f"prior.{name}": weight for name, weight in prior.state_dict().items()}
    kept = {**configuration.to_json(), "styles": list(dataset.styles), "bands": {}, "tunes": len(melodies)}
    (root / CHECKPOINT).parent.mkdir(parents=True)
    write_checkpoint(root / CHECKPOINT, weights, kept, {}, dataset.fingerprint, "tests", 1)
    return root


@pytest.fixture
def composer_version(db: None, trained_folder: Path, settings: Settings) -> PolicyVersion:
    """The tiny prior as champion."""
    settings.ENCORE_VAR = trained_folder
    version = PolicyVersion.objects.create(
        slot="composer", kind="prior", folder=CHECKPOINT, sha256=hash_folder(trained_folder / CHECKPOINT)
    )
    promote("composer", version, Promotion.Kind.FIRST, by=None, reason="tests")
    return version


@pytest.fixture
def dqn_version(composer_version: PolicyVersion, olga: Account) -> PolicyVersion:
    """A policy on the tiny prior as champion. Its heads are random: rules, wishes and tastes are heard, though not learned."""
    version = dqn_of(composer_version, "checkpoints/tiny-dqn")
    promote("composer", version, Promotion.Kind.FORCED, by=olga, reason="tests")
    return version


def dqn_of(prior_version: PolicyVersion, folder: str, **changed: Any) -> PolicyVersion:
    """A policy with random heads on this prior, below ENCORE_VAR; `changed` is what its configuration says otherwise."""
    import torch

    from composer.learning.policy import HEADS, load_policy, new_heads

    root = Path(settings_of_django.ENCORE_VAR)
    place = root / folder
    if not place.exists():
        kept = read_checkpoint(root / prior_version.folder)
        heads = new_heads(load_policy("prior", root / prior_version.folder).writer.prior)
        generator = torch.Generator().manual_seed(1)
        weights: dict[str, Any] = dict(kept.weights)
        for name, head in zip(("advantage", "foresight"), heads, strict=True):
            weights |= {
                f"{name}.{part}": 0.05 * torch.randn(weight.shape, generator=generator)
                for part, weight in head.state_dict().items()
            }
        configuration = ComposerConfiguration(stage="policy", hidden=16, is_timed=False, threads=1)
        settings = kept.configuration | configuration.to_json() | {"heads": HEADS} | changed
        write_checkpoint(place, weights, settings, {}, "0" * 64, "tests", 1)
    return PolicyVersion.objects.create(slot="composer", kind="dqn", folder=folder, sha256=hash_folder(place))


@pytest.fixture
def listener(alice: Account) -> Any:
    """Alice as a listener."""
    return alice.listener


@pytest.fixture
def accompanist_version(composer_version: PolicyVersion, settings: Settings) -> PolicyVersion:
    """An accompanist that has learned nothing yet: random p₀, G = 0. Its chords obey the masks all the same."""
    import torch

    from composer.accompaniment.configuration import AccompanistConfiguration
    from composer.accompaniment.network import ChordAdvantage, ChordPrior

    folder = "checkpoints/tiny-accompanist"
    place = Path(settings.ENCORE_VAR) / folder
    if not place.exists():
        torch.manual_seed(1)
        configuration = AccompanistConfiguration(hidden=8)
        weights = {f"prior.{name}": weight for name, weight in ChordPrior(hidden=8).state_dict().items()}
        weights |= {f"advantage.{name}": weight for name, weight in ChordAdvantage().state_dict().items()}
        write_checkpoint(place, weights, configuration.to_json(), {}, "0" * 64, "tests", 1)
    version = PolicyVersion.objects.create(slot="accompanist", kind="chords", folder=folder, sha256=hash_folder(place))
    promote("accompanist", version, Promotion.Kind.FIRST, by=None, reason="tests")
    return version
