"""The bench's log is one that the gate's own estimators read."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest
from pytest_django import Settings

from bench.predicted_lift import log_of
from bench.simulated_policies import LEARNING_LISTENERS, LOGGING, make_world
from tests.conftest import MakeTracks


@pytest.mark.django_db
def test_who_judges_is_nobody_who_taught(settings: Settings, make_tracks: MakeTracks) -> None:
    make_tracks(120)
    settings.ENCORE_SIMULATED = True
    world = make_world(Namespace(listeners=8, fresh=1, days=2.0), seed=0)
    asked = world.live(LOGGING, len(world.crowd.population.listeners)).asked

    log = log_of(world, asked)

    order = [each.listener.pk for each in world.crowd.population.listeners]
    judging = set(order[LEARNING_LISTENERS : LEARNING_LISTENERS + 8])
    rewards = {(each.listener_id, each.reward) for each in asked if each.listener_id in judging}
    assert len(log.decisions) == sum(each.listener_id in judging for each in asked) > 0
    assert set(zip(log.listener_R.tolist(), log.reward_R.tolist(), strict=True)) == rewards
    assert np.isfinite(np.concatenate(log.psi)).all()
