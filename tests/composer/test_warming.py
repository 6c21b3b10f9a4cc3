"""A worker of composing is ready before its first job."""

from __future__ import annotations

import threading

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import Listener
from composer import recipes, warming
from composer.composing import commission
from composer.constraints import Plan
from composer.learning.foreseeing import Asked
from composer.models import Commission, Piece
from composer.steering import Steering
from tests.composer.conftest import dqn_of
from training.models import PolicyVersion


@pytest.mark.django_db
def test_a_warm_worker_has_loaded_what_serves_and_kept_no_piece(composer_version: PolicyVersion) -> None:
    recipes.policy_of.cache_clear()

    warming.warm()

    loaded = recipes.policy_of.cache_info().misses
    recipes.policy_of(composer_version)
    assert loaded == recipes.policy_of.cache_info().misses == 1
    assert not Piece.objects.exists()
    # Foresight is looked at only where something is asked of it.
    assert Asked.of([Plan(steering=Steering.from_json(warming.STEERING))], None) is not None


@pytest.mark.django_db
def test_it_loads_what_serves_in_the_place_of_a_broken_champion(
    composer_version: PolicyVersion, dqn_version: PolicyVersion
) -> None:
    PolicyVersion.objects.filter(pk=dqn_version.pk).update(sha256="0" * 64)
    recipes.policy_of.cache_clear()

    warming.warm()

    loaded = recipes.policy_of.cache_info().misses
    recipes.policy_of(composer_version)
    assert loaded == recipes.policy_of.cache_info().misses


@pytest.mark.django_db
def test_before_the_first_training_there_is_nothing_to_load() -> None:
    warming.warm()


@pytest.mark.django_db(transaction=True)
def test_the_command_is_a_worker_that_warms_itself(listener: Listener, composer_version: PolicyVersion) -> None:
    with connection.cursor() as cursor:
        # Unmanaged tables: Django does not empty them between tests.
        cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_periodic_defers CASCADE")
    recipes.policy_of.cache_clear()
    made = commission(listener, Steering.from_json({"bars": 4}), seed=1)

    call_command("composing", "worker", "--queues", "interactive", "--one-shot", "--no-listen-notify")
    for thread in threading.enumerate():
        if thread.name == warming.THREAD:
            thread.join()

    made.refresh_from_db()
    assert made.status == Commission.Status.DONE


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_can_load_nothing_goes_on(composer_version: PolicyVersion, caplog: pytest.LogCaptureFixture) -> None:
    broken = dqn_of(composer_version, "checkpoints/older-dqn", heads=1)
    PolicyVersion.objects.filter(pk=composer_version.pk).update(folder=broken.folder, sha256=broken.sha256, kind="dqn")
    recipes.policy_of.cache_clear()

    warming.begin().join()

    assert "could not be made ready to compose" in caplog.text
