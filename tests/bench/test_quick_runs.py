"""Every benchmark runs to its end: small, on small files of its own, in a process of its own. Nothing of it is kept."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import ROOT, describe, list_benchmarks, measure
from tests.chromium import find_chromium

from .test_next_track import write_plays

pytestmark = pytest.mark.slow

WITH_COMPOSER = (
    "click_to_sound",
    "composer_algorithms",
    "composer_taste",
    "composing_speed",
    "sequence_tutor",
    "steering",
    "style_transfer",
    "sung_words",
)
PEERS = {"learner_speed": ("stable-baselines3", "d3rlpy"), "simulated_listeners": ("implicit",)}
"""Packages of the extra `bench`; a benchmark that lacks one says so by name."""
OF_THE_TESTS = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "ENCORE_VAR", "ENCORE_SECRET_KEY", "ENCORE_LOG_LEVEL")
"""What a shell in which somebody measures does not say."""


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OF_THE_TESTS:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def composer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One checkpoint for all that measure a composer."""
    folder = tmp_path_factory.mktemp("composer") / "checkpoint"
    command = [sys.executable, "-m", "bench.trained_composer", "--out", str(folder), "--every", "60", "--seconds", "4", "4"]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def write_split(path: Path) -> list[str]:
    """One tune of seven is a test tune, one a valid tune."""
    from recsys import corpus

    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "collection", "split", "group"])
        for collection in corpus.BY_NAME.values():
            for number, tune in enumerate(corpus.tunes_of(collection)):
                part = {0: "test", 1: "valid"}.get(number % 7, "train")
                rows.writerow([tune.source, tune.collection, part, tune.source])
    return ["--split", str(path)]


def write_ratings(path: Path) -> list[str]:
    """Forty people who rated thirty of forty tracks each, those of their own half higher."""
    generator = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "item_id", "rating"])
        for person in range(40):
            for track in generator.permutation(40)[:30]:
                rows.writerow([person, track, 1 + 2 * ((person + track) % 2) + generator.integers(2)])
    return ["--train", str(path)]


FILES: dict[str, Callable[[Path], list[str]]] = {
    "melody_prior": write_split,
    "next_track": lambda path: ["--train", str(write_plays(path, seed=1))],
    "real_listeners": write_ratings,
    "sequence_tutor": write_split,
}
"""Files that are no part of the repository, by those that measure nothing without: how a small one is written."""


@pytest.mark.parametrize("name", list_benchmarks())
def test_its_quick_run_reports_figures(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    options = ["--quick", "--seeds", "1"]
    if name in WITH_COMPOSER:
        options += ["--checkpoint", str(request.getfixturevalue("composer"))]
    if name in FILES:
        options += FILES[name](tmp_path / "file.csv")

    found = measure(name, options)

    assert found is not None
    notes = " ".join(found.get("notes", []))
    for package in PEERS.get(name, ()):
        assert importlib.util.find_spec(package.replace("-", "_")) is not None or package in notes
    if name == "click_to_sound" and find_chromium() is None:
        assert "Chromium" in notes
    else:
        assert "\n|---" in describe(found)
