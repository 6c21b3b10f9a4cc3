"""A trained version that serves: what it answers to, and what serves where its checkpoint can't."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.core import mail
from pytest_django import Settings

from accounts.models import Account, Listener
from dqn.checkpoint import MANIFEST, WEIGHTS, hash_folder, read_checkpoint, write_checkpoint
from recsys import recommending
from recsys.learning.dqn_policy import TRACK_MATRIX, export
from recsys.recommending import recommend
from training import alarms, promotion
from training.models import PolicyVersion, Promotion

SLOT = "recommender"


def register(folder: Path, sha256: str | None = None) -> PolicyVersion:
    """A version of the checkpoint in `folder` below ENCORE_VAR."""
    return PolicyVersion.objects.create(slot=SLOT, kind="dqn", folder=folder.name, sha256=sha256 or hash_folder(folder))


def promote(version: PolicyVersion, by: Account) -> None:
    promotion.promote(SLOT, version, Promotion.Kind.FORCED, by, "for the test")


def served_to(listener: Listener) -> PolicyVersion:
    return recommend(listener, count=3, surface="api").policy_version


@pytest.fixture
def folder(trained: Path, settings: Settings, tmp_path: Path) -> Path:
    """The checkerboard's checkpoint with its track matrix, a copy that may be written to."""
    settings.ENCORE_VAR = tmp_path
    shutil.copytree(trained, tmp_path / "champion")
    export(tmp_path / "champion")
    return tmp_path / "champion"


@pytest.fixture
def champion(folder: Path, olga: Account) -> PolicyVersion:
    """It serves."""
    version = register(folder)
    promote(version, olga)
    return version


def missing(folder: Path) -> str:
    sha256 = hash_folder(folder)
    shutil.rmtree(folder)
    return sha256


def truncated(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-3])
    return sha256


def of_an_older_format(folder: Path) -> str:
    found = read_checkpoint(folder)
    weights = {name: weight for name, weight in found.weights.items() if name != "lookahead_H"}
    shutil.rmtree(folder)
    write_checkpoint(folder, weights, found.configuration, {}, found.dataset_fingerprint, "test", found.seed)
    return hash_folder(folder)


def with_another_track_matrix(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / TRACK_MATRIX
    np.save(file, np.load(file) + 1)
    return sha256


def with_another_configuration(folder: Path) -> str:
    sha256, file = hash_folder(folder), folder / MANIFEST
    manifest = json.loads(file.read_text())
    manifest["configuration"]["serving_temperature"] = 9.0
    file.write_text(json.dumps(manifest))
    return sha256


UNUSABLE = [missing, truncated, of_an_older_format, with_another_track_matrix, with_another_configuration]


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_the_version_before_serves_in_place_of_one_that_cannot(
    champion: PolicyVersion, folder: Path, alice: Account, olga: Account, spoil: Callable[[Path], str]
) -> None:
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    broken = register(other, spoil(other))
    promote(broken, olga)

    assert served_to(alice.listener) == champion

    done = alarms.watch(SLOT)
    assert done is not None
    assert done.reason.startswith(f"Alarm: The checkpoint of version {broken.pk} can't be used")
    assert promotion.champion_of(SLOT) == champion
    assert [letter.to for letter in mail.outbox] == [[olga.email]]


@pytest.mark.parametrize("spoil", UNUSABLE)
def test_popularity_serves_where_nothing_served_before(
    folder: Path, alice: Account, olga: Account, spoil: Callable[[Path], str]
) -> None:
    promote(register(folder, spoil(folder)), olga)

    assert served_to(alice.listener).kind == "popularity"


def test_a_version_that_cannot_be_loaded_is_tried_once_a_while(
    folder: Path, alice: Account, olga: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = folder.rename(folder.with_name("elsewhere"))
    version = PolicyVersion.objects.create(slot=SLOT, kind="dqn", folder=folder.name, sha256=hash_folder(whole))
    promote(version, olga)

    assert [served_to(alice.listener).kind for _ in range(3)] == ["popularity"] * 3
    assert caplog.text.count(f"policy version {version.pk} can't be loaded") == 1

    whole.rename(folder)
    assert served_to(alice.listener).kind == "popularity"
    monkeypatch.setattr(recommending, "_asked_again_at", {})
    assert served_to(alice.listener) == version


def test_a_new_listener_of_whom_nothing_is_known_is_served(champion: PolicyVersion, alice: Account) -> None:
    row = recommend(alice.listener, count=3, surface="api")

    assert row.policy_version == champion
    assert all(reasons for reasons in row.reasons)
