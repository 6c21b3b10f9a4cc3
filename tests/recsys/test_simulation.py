"""Simulated listeners: the same dice give the same lives, and they never mix with people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Listener
from recsys.models import Feedback, Recommendation, Track
from recsys.simulation import CATCHY_PLEASURE, CATCHY_SURFEIT, SATIATION_HALF_LIFE, NotSimulated, Population

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


def live(listeners: int = 4, seed: int = 7) -> Population:
    population = Population.make(listeners=listeners, seed=seed, start=START)
    population.live(START + timedelta(days=2))
    return population


def signals() -> list[tuple[object, ...]]:
    return list(Feedback.objects.order_by("listener_id", "id").values_list("track_id", "kind", "value", "occurred_at"))


@pytest.mark.django_db
def test_they_act_through_the_log_as_people_do(settings: Settings, tracks: list[Track]) -> None:
    settings.ENCORE_SIMULATED = True
    population = live()

    assert len(population.visits) >= 4
    assert Feedback.objects.filter(kind="play", recommendation__isnull=False).exists()
    assert not Feedback.objects.filter(listener__is_simulated=False).exists()
    assert all(0 < p <= 1 for slate in Recommendation.objects.all() for p in slate.probabilities)


@pytest.mark.django_db
def test_what_is_received_never_lies_before_what_was_recommended(settings: Settings, tracks: list[Track]) -> None:
    settings.ENCORE_SIMULATED = True
    live()

    for row in Feedback.objects.select_related("recommendation"):
        assert row.recommendation is not None
        assert row.recommendation.created_at < row.occurred_at <= row.received_at


@pytest.mark.django_db
def test_catchy_tracks_please_at_once_and_wear_out_what_follows(settings: Settings, tracks: list[Track]) -> None:
    settings.ENCORE_SIMULATED = True
    population = Population.make(listeners=1, seed=7, start=START, catchiness=1.0)
    catalogue, who = population.catalogue, population.listeners[0]
    catchy, other = int(catalogue.catchy_T.argmax()), int(catalogue.catchy_T.argmin())
    plain = replace(who, catchiness=0.0)
    more = float(catalogue.catchy_T[catchy])

    assert who.appeal(catalogue, catchy, START) == pytest.approx(
        plain.appeal(catalogue, catchy, START) + CATCHY_PLEASURE * more
    )
    who.tire(catalogue, catchy, START)
    assert who.surfeit_at(START) == pytest.approx(CATCHY_SURFEIT * more)
    who.tire(catalogue, other, START)
    assert who.surfeit_at(START) == pytest.approx(CATCHY_SURFEIT * more)
    assert who.surfeit_at(START + SATIATION_HALF_LIFE) == pytest.approx(CATCHY_SURFEIT * more / 2)


@pytest.mark.django_db
def test_one_seed_gives_one_life(settings: Settings, tracks: list[Track]) -> None:
    settings.ENCORE_SIMULATED = True
    live()
    first = signals()
    Recommendation.objects.all().delete()
    Listener.objects.filter(is_simulated=True).delete()
    live()

    assert signals() == first


@pytest.mark.django_db
def test_an_installation_of_people_refuses_them(settings: Settings, tracks: list[Track]) -> None:
    settings.ENCORE_SIMULATED = False

    with pytest.raises(NotSimulated, match="database of their own"):
        live()
    with pytest.raises(CommandError, match="ENCORE_SIMULATED"):
        call_command("simulate", listeners=1, days=1)


@pytest.mark.django_db
def test_without_tracks_there_is_nothing_to_listen_to(settings: Settings) -> None:
    settings.ENCORE_SIMULATED = True

    with pytest.raises(NotSimulated, match="import a catalogue first"):
        live()
