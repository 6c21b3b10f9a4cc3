"""A small world whose right recommendation is known: even listeners like reels and airs, odd ones jigs and chorales."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from accounts.models import Listener
from recsys.learning import features
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import train
from recsys.models import Feedback, Track
from tests.conftest import unsaved_track

FIRST_ID = 1_000_000
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SMALL = RecommenderConfiguration(
    updates=400,
    most_passes=100,
    batch_size=64,
    pool_size=16,
    content_width=16,
    identity_width=4,
    taste_models=2,
    tower_width=8,
    save_every_updates=100,
    discount=0.5,
)


def likes(listener_number: int, track: Track) -> bool:
    """The checkerboard."""
    return (track.style in ("reel", "air")) == (listener_number % 2 == 0)


def play(listener: Listener, track: Track, ended: datetime, seconds: float, **fields: object) -> Feedback:
    """A play as it is logged, received when it ended."""
    given = {"received_at": ended} | fields
    return Feedback(
        listener=listener, client_id=uuid.uuid4(), track=track, kind="play", value=seconds, occurred_at=ended, **given
    )


@dataclass(kw_only=True)
class Context:
    """A run without a database row."""

    folder: Path
    configuration: RecommenderConfiguration = SMALL
    seed: int = 3
    device: str = "cpu"
    parent_folder: Path | None = None
    stop_at_step: int | None = None
    stop_with: type[Exception] = RuntimeError
    points: dict[str, list[float]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Keeps the curves; raises where a test wants the run to end."""
        for name, value in metrics.items():
            self.points.setdefault(name, []).append(value)
        if step == self.stop_at_step:
            self.stop_at_step = None
            raise self.stop_with

    def log(self, text: str) -> None:
        """Keeps the line."""
        self.lines.append(text)


@pytest.fixture(autouse=True)
def no_table_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps its table until a newer track comes; tracks of the next test have the ids of the last one."""
    monkeypatch.setattr(features, "_kept", None)


@pytest.fixture
def checkerboard_tracks(db: None) -> list[Track]:
    """Forty tracks of four styles, with the same ids in every test: what was trained in one serves in another."""
    return Track.objects.bulk_create([unsaved_track(number, pk=FIRST_ID + number) for number in range(40)])


@pytest.fixture
def checkerboard(checkerboard_tracks: list[Track]) -> list[Listener]:
    """Twenty-four listeners who each tried thirty-two tracks in four sessions, heard out what they like and left the rest."""
    generator = np.random.default_rng(5)
    # Ids decide who is held out: the same ones in every run, whatever ran before in this database.
    listeners = [Listener.objects.create(pk=FIRST_ID + number, external_id=f"listener {number}") for number in range(24)]
    rows = []
    for number, listener in enumerate(listeners):
        order = generator.permutation(len(checkerboard_tracks))
        for place, at in enumerate(order[:32]):
            track = checkerboard_tracks[at]
            ended = MONDAY + timedelta(days=place // 8, minutes=3 * (place % 8), seconds=number)
            seconds = track.duration_seconds if likes(number, track) else 2.0
            rows.append(play(listener, track, ended, seconds))
    Feedback.objects.bulk_create(rows)
    return listeners


@pytest.fixture
def dataset(checkerboard: list[Listener]) -> ReplayDataset:
    """Everything that happened."""
    return build(SMALL, as_of=MONDAY + timedelta(days=10))


@pytest.fixture(scope="session")
def checkerboard_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what was trained on the checkerboard is kept for all tests."""
    return tmp_path_factory.mktemp("checkerboard")


@pytest.fixture
def trained(dataset: ReplayDataset, checkerboard_run: Path) -> Path:
    """A checkpoint trained on the checkerboard, by the first test that asks for it; read it, never write to it."""
    checkpoint = checkerboard_run / "checkpoint"
    return checkpoint if checkpoint.exists() else train(Context(folder=checkerboard_run), dataset).checkpoint
