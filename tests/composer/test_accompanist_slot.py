"""The accompanist as a slot: what it wants, what it learns from, and that it serves once a run is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from composer.accompaniment.replay_dataset import FEWEST_CHORALES
from composer.accompaniment.slot import FEWEST_TRACKS, SLOT, wanted_run
from recsys.catalogue import track_of
from recsys.models import CatalogueImport, Track
from tests.composer.test_accompaniment import choir
from tests.conftest import MakeTracks
from training.execution import execute
from training.models import Run
from training.promotion import champion_of
from training.runs import request_run

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = {"epochs": 1, "hidden": 8, "rollouts": 1, "rollout_melodies": 4, "updates_per_rollout": 1, "batch_size": 4}


def add_choirs(count: int) -> None:
    """Pieces in four voices of the catalogue."""
    tracks = [track_of(choir(number), style="chorale", collection="tests", source=f"choir/{number}") for number in range(count)]
    for number, track in enumerate(tracks):
        track.content_hash = f"c{number:063x}"
    Track.objects.bulk_create(tracks)


def test_it_wants_to_learn_once_the_catalogue_is_there(make_tracks: MakeTracks) -> None:
    assert wanted_run() is None
    make_tracks(FEWEST_TRACKS)
    arriving = CatalogueImport.objects.create(collection="tests")
    assert wanted_run() is None

    arriving.delete()

    assert wanted_run() == {}


def test_a_run_makes_the_version_that_serves(make_tracks: MakeTracks, settings: Settings, tmp_path: Path) -> None:
    settings.ENCORE_VAR = tmp_path
    make_tracks(FEWEST_TRACKS)
    add_choirs(FEWEST_CHORALES)
    run = request_run(SLOT, Run.Trigger.START, configuration=SHORT)
    execute(run.pk)
    run.refresh_from_db()

    assert run.status == Run.Status.FINISHED, run.outcome
    assert run.dataset["chorales"] == FEWEST_CHORALES
    assert run.versions.get().kind == "chords"
    assert wanted_run() is None


def test_without_four_voices_it_says_what_is_missing(make_tracks: MakeTracks, settings: Settings, tmp_path: Path) -> None:
    settings.ENCORE_VAR = tmp_path
    make_tracks(FEWEST_TRACKS)
    run = request_run(SLOT, Run.Trigger.START, configuration=SHORT)
    execute(run.pk)
    run.refresh_from_db()

    assert run.status == Run.Status.SKIPPED
    assert f"at least {FEWEST_CHORALES}" in run.outcome
    assert champion_of(SLOT) is None
    assert wanted_run() is None
