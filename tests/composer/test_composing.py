"""From a wish to a piece: complete recipes, honest failures, nothing twice."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import Account, Listener
from composer import recipes
from composer.composing import IdIsTaken, QueueIsFull, commission, compose_commission
from composer.models import Commission, Piece
from composer.recipes import perform
from composer.steering import ImpossibleSteering, Steering
from composer.tasks import put_back_lost
from music.keys import SCALE_STEPS
from music.midi import write_midi
from music.notes import Score
from recsys.models import Track
from training.models import PolicyVersion, Run

pytestmark = pytest.mark.django_db
JIG = Steering.from_json({"style": "jig", "tonic": 7, "mode": "major", "bars": 4, "tempo": 120})


def composed(listener: Listener, steering: Steering = JIG, **asked: Any) -> Commission:
    made = commission(listener, steering, **asked)
    compose_commission(made.pk)
    return Commission.objects.select_related("piece__track").get(pk=made.pk)


def piece_of(made: Commission) -> Piece:
    assert made.piece is not None, made.error
    return made.piece


@pytest.mark.usefixtures("composer_version")
def test_a_wish_becomes_a_private_track_of_the_listener(listener: Listener) -> None:
    track = piece_of(composed(listener, seed=1)).track

    assert (track.owner, track.collection, track.style, track.metre) == (listener, "pieces", "jig", "6/8")
    assert (track.is_shared, track.is_approved, track.bars, track.tempo) == (False, False, 4, 120)
    assert track.title
    assert track not in Track.objects.recommendable()


@pytest.mark.usefixtures("composer_version")
def test_key_metre_and_length_are_obeyed(listener: Listener) -> None:
    melody = Score.from_json(piece_of(composed(listener, seed=2)).track.score).melody
    scale = {(7 + step) % 12 for step in SCALE_STEPS["major"]}

    assert melody.quarters == 4 * melody.bar_quarters
    assert {note.pitch % 12 for note in melody.notes if note.pitch is not None} <= scale


def test_the_recipe_names_everything_and_gives_the_same_bytes(listener: Listener, composer_version: PolicyVersion) -> None:
    piece = piece_of(composed(listener, seed=3))
    recipe = piece.recipe
    recipes.policy_of.cache_clear()
    again, _ = perform(recipe, composer_version)

    assert write_midi(again) == write_midi(Score.from_json(piece.track.score))
    assert again.title == piece.track.title
    assert recipe["steering"] == JIG.to_json()
    assert (recipe["policy_version"], recipe["checkpoint_sha256"]) == (composer_version.pk, composer_version.sha256)
    assert recipe["prior_sha256"]
    assert recipe["code_revision"]
    assert recipe["encore_version"]
    assert (recipe["seed"], recipe["taste"]) == (3, None)


@pytest.mark.usefixtures("composer_version")
def test_another_seed_is_another_piece(listener: Listener) -> None:
    first, second = piece_of(composed(listener, seed=4)), piece_of(composed(listener, seed=5))

    assert first.track.score != second.track.score


@pytest.mark.usefixtures("composer_version")
def test_composing_twice_makes_one_piece(listener: Listener) -> None:
    made = composed(listener, seed=6)
    compose_commission(made.pk)

    assert Piece.objects.count() == 1


@pytest.mark.usefixtures("composer_version")
def test_a_variation_keeps_its_parent_and_its_name(listener: Listener) -> None:
    parent = piece_of(composed(listener, seed=7))
    variation = piece_of(composed(listener, seed=8, parent=parent))

    assert variation.parent == parent
    assert variation.track.title.startswith(parent.track.title)


def test_without_a_composer_it_says_how_far_learning_is(listener: Listener) -> None:
    Run.objects.create(slot="composer", trigger=Run.Trigger.START, status=Run.Status.RUNNING, progress=0.4)

    made = composed(listener)

    assert made.status == Commission.Status.FAILED
    assert "learning the music, 40 %" in made.error
    assert made.finished_at is not None


def test_without_music_it_says_so(listener: Listener) -> None:
    assert "catalogue is empty" in composed(listener).error


def test_other_weights_than_the_judged_ones_are_not_used(listener: Listener, composer_version: PolicyVersion) -> None:
    composer_version.sha256 = "0" * 64
    composer_version.save()

    made = composed(listener)

    assert made.status == Commission.Status.FAILED
    assert "not those that were evaluated" in made.error


def test_the_same_id_gives_the_same_commission(listener: Listener) -> None:
    asked = uuid.uuid4()
    first = commission(listener, JIG, id=asked)

    assert commission(listener, JIG, id=asked) == first
    assert ProcrastinateJob.objects.filter(args__commission_id=str(asked)).count() == 1


def test_an_id_is_refused_for_another_wish_or_another_listener(listener: Listener, bob: Account) -> None:
    asked = uuid.uuid4()
    commission(listener, JIG, id=asked)

    with pytest.raises(IdIsTaken, match="another wish"):
        commission(listener, Steering(style="jig", bars=8), id=asked)
    with pytest.raises(IdIsTaken, match="another wish"):
        commission(bob.listener, JIG, id=asked)


def test_a_full_queue_refuses_one_listener_and_then_all(listener: Listener, bob: Account, settings: Settings) -> None:
    settings.ENCORE_COMMISSIONS_PER_LISTENER, settings.ENCORE_COMMISSIONS = 1, 2
    commission(listener, JIG)

    with pytest.raises(QueueIsFull, match="1 pieces of yours"):
        commission(listener, JIG)
    settings.ENCORE_COMMISSIONS = 1
    with pytest.raises(QueueIsFull, match="busy"):
        commission(bob.listener, JIG)


@pytest.mark.usefixtures("tracks")
def test_a_style_the_catalogue_does_not_have_is_refused(listener: Listener) -> None:
    with pytest.raises(ImpossibleSteering, match="air, chorale, jig, reel"):
        commission(listener, Steering(style="bebop"))


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(listener: Listener, seed: int) -> None:
    with pytest.raises(ImpossibleSteering, match="0 … 2147483647"):
        commission(listener, JIG, seed=seed)


def make_older(made: Commission, minutes: int) -> None:
    from datetime import timedelta

    Commission.objects.filter(pk=made.pk).update(created_at=made.created_at - timedelta(minutes=minutes))


def test_a_commission_whose_job_is_gone_gets_a_new_one(listener: Listener) -> None:
    made = commission(listener, JIG)
    make_older(made, 2)
    jobs = ProcrastinateJob.objects.filter(args__commission_id=str(made.pk))

    assert put_back_lost(0) == 0
    jobs.delete()
    assert put_back_lost(0) == 1
    assert jobs.count() == 1


def test_a_commission_nobody_finishes_fails_after_an_hour(listener: Listener) -> None:
    made = commission(listener, JIG)
    make_older(made, 61)
    put_back_lost(0)

    made.refresh_from_db()
    assert made.status == Commission.Status.FAILED
    assert "ask again" in made.error
