"""What follows a track is found where it is there, and not where there is only noise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from accounts.models import Listener
from recsys.learning.credit import returns_of
from recsys.learning.factors import taste_models_of
from recsys.learning.lookahead import HALF_LIFE_MINUTES, bayesian_regression, heard_content, lookahead_of
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, play

COST = 0.4
"""What a wearing track takes from every later reward, until it fades."""
APART = timedelta(minutes=10)
"""Of two plays in a session."""
CONTENT_TX = np.random.default_rng(7).normal(size=(40, 4)).astype(np.float32)
"""The first feature wears out what follows."""


@pytest.fixture
def wearing_log(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """Thirty listeners, three sessions of sixteen plays each. Who is weary is played less of what wears out."""
    generator = np.random.default_rng(8)
    feedback, worth = [], {}
    for number in range(30):
        listener = Listener.objects.create(external_id=f"listener {number}")
        weariness, before = 0.0, MONDAY
        for place in range(48):
            ended = MONDAY + timedelta(days=place // 16) + APART * (place % 16)
            weariness *= 0.5 ** ((ended - before) / timedelta(minutes=HALF_LIFE_MINUTES))
            pull_T = np.exp(-1.5 * weariness * CONTENT_TX[:, 0])
            row = int(generator.choice(40, p=pull_T / pull_T.sum()))
            feedback.append(play(listener, checkerboard_tracks[row], ended, 1.0))
            worth[listener.pk, ended] = 1.0 - COST * weariness + 0.3 * generator.normal()
            weariness, before = weariness + float(CONTENT_TX[row, 0]), ended
    Feedback.objects.bulk_create(feedback)
    dataset = build(SMALL, as_of=MONDAY + timedelta(days=10))
    # Transitions of a listener's session stand from its last to its first, sessions from first to last.
    keys = [
        (listener, MONDAY + timedelta(days=day) + APART * place)
        for listener in dict.fromkeys(dataset.listener_N.tolist())
        for day in range(3)
        for place in reversed(range(16))
    ]
    return replace(dataset, reward_N=np.array([worth[key] for key in keys], dtype=np.float32))


def test_what_wears_out_is_found_though_the_weary_are_spared(wearing_log: ReplayDataset) -> None:
    models, _ = taste_models_of(wearing_log, models=1, width=2, passed_over_weight=0.0, seed=1)
    found_X = lookahead_of(wearing_log, CONTENT_TX, models).content_X
    rest_N, one_N = returns_of(wearing_log) - wearing_log.reward_N, np.ones(len(wearing_log.state_N))
    wears_N = CONTENT_TX[wearing_log.track_N, 0].astype(np.float64)
    weary_N = heard_content(wearing_log, CONTENT_TX, wearing_log.state_N)[:, 0]
    known = np.linalg.lstsq(np.column_stack([one_N, weary_N, wears_N]), rest_N)[0][-1]
    unaware = np.linalg.lstsq(np.column_stack([one_N, wears_N]), rest_N)[0][-1]

    assert abs(found_X[0] - known) < 0.1 * abs(known)
    assert np.abs(found_X[1:]).max() < 0.1 * abs(known)
    assert abs(unaware - known) > 0.3 * abs(known)


def test_heard_content_halves_with_time(wearing_log: ReplayDataset) -> None:
    state_N = wearing_log.state_N[:16][::-1]
    track_N = wearing_log.track_N[:16][::-1]
    heard_NX = heard_content(wearing_log, CONTENT_TX, state_N)
    half = 0.5 ** (APART / timedelta(minutes=HALF_LIFE_MINUTES))

    assert np.abs(heard_NX[0]).max() == 0.0
    for place in range(1, 16):
        wanted_X = sum(CONTENT_TX[track_N[k]] * half ** (place - k) for k in range(place))
        assert np.abs(heard_NX[place] - wanted_X).max() < 0.05


def test_weights_are_found_whatever_is_known_before() -> None:
    generator = np.random.default_rng(4)
    before_NP = np.column_stack([np.ones(2000), generator.normal(size=(2000, 3))])
    after_NX = generator.normal(size=(2000, 5)) + before_NP[:, 1:2]
    weight_X = np.array([0.5, -0.5, 0.0, 0.25, 0.0])
    value_N = 7.0 * before_NP[:, 1] + after_NX @ weight_X + 0.5 * generator.normal(size=2000)

    assert np.abs(bayesian_regression(before_NP, after_NX, value_N) - weight_X).max() < 0.1


def test_noise_is_not_taken_for_weights() -> None:
    generator = np.random.default_rng(4)
    before_NP, after_NX = np.ones((500, 1)), generator.normal(size=(500, 60))
    value_N = generator.normal(size=500)
    found = bayesian_regression(before_NP, after_NX, value_N)
    plain = np.linalg.lstsq(after_NX, value_N, rcond=None)[0]

    assert np.linalg.norm(found) < 0.5 * np.linalg.norm(plain)


def test_columns_that_repeat_what_is_known_are_harmless() -> None:
    generator = np.random.default_rng(4)
    one_N = np.ones((200, 1))
    after_NX = np.column_stack([generator.normal(size=200), np.ones(200)])
    found = bayesian_regression(np.hstack([one_N, one_N]), after_NX, 2.0 * after_NX[:, 0])

    assert abs(found[0] - 2.0) < 0.1
    assert abs(found[1]) < 1e-6
