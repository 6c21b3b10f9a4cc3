"""What is asked of a composer is heard in its pieces: steering, exact wishes, taste. One small training, the same each time.

Bounds are far below what a full training reaches (docs/benchmarks.md), and far above what who hears nothing reaches."""

from __future__ import annotations

import numpy as np
import pytest

from bench.run_context import Context
from bench.steering import EXACT, any_wish, as_exported, asked_and_shown, usual, write
from bench.trained_composer import read_tunes
from composer.judging import taste_liking
from composer.learning.configuration import ComposerConfiguration
from composer.learning.policy import ComposerPolicy, load_policy
from composer.learning.training import make_checkpoint
from music.features import NAMES, features

pytestmark = pytest.mark.slow

PIECES = 60
TASTE = 0.1
"""Standard deviation of what is liked of each feature: as surely as after some forty answers."""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> ComposerPolicy:
    """Learned from every twentieth tune, by epochs and updates instead of a clock."""
    root, dataset, parent = tmp_path_factory.mktemp("composer"), read_tunes(20), None
    for stage, length in (("prior", {"epochs": 4}), ("policy", {"updates": 256})):
        configuration = ComposerConfiguration(stage=stage, is_timed=False, threads=1, **length)  # type: ignore[arg-type]
        folder = root / stage
        folder.mkdir()
        parent = make_checkpoint(Context(configuration=configuration, folder=folder, parent_folder=parent), dataset)
    return load_policy("dqn", parent)


@pytest.mark.parametrize("wish", ["density", "leaps"])
def test_more_is_heard_where_more_is_asked(policy: ComposerPolicy, wish: str) -> None:
    asked_n, shown_n = asked_and_shown(policy, wish, PIECES, np.random.default_rng(5), 0)

    assert np.corrcoef(asked_n, shown_n)[0, 1] > 0.5


def test_every_exact_wish_is_obeyed(policy: ComposerPolicy) -> None:
    generator = np.random.default_rng(6)
    wishes = [any_wish(policy, generator) for _ in range(PIECES)]

    pieces = [as_exported(melody) for melody in write(policy, wishes, 0).melodies]

    asked = {
        name: [obeys(*pair) for pair in zip(pieces, wishes, strict=True) if is_asked(pair[1])]
        for name, (is_asked, obeys) in EXACT.items()
    }
    assert all(len(obeyed) >= 10 and all(obeyed) for obeyed in asked.values()), asked


def test_a_piece_for_a_taste_is_more_to_it_than_one_for_nobody(policy: ComposerPolicy) -> None:
    generator = np.random.default_rng(7)
    wishes = [usual(policy, number, generator) for number in range(PIECES)]
    tastes = TASTE * generator.normal(size=(PIECES, len(NAMES)))

    own, plain = (
        [composed.melody for composed in policy.compose_many(wishes, heard, seeds=range(PIECES))]
        for heard in (list(tastes), [None] * PIECES)
    )

    wins = [
        taste_liking(features(mine), taste) > taste_liking(features(other), taste)
        for mine, other, taste in zip(own, plain, tastes, strict=True)
    ]
    assert np.mean(wins) > 0.7
