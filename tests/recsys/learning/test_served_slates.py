"""Slates drawn by what each track adds, through `recommend`: what is served, and that its logged probabilities are exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from accounts.models import Account
from dqn.policy import sequence_probabilities
from recsys.learning.features import build_state, track_table
from recsys.learning.replay_dataset import build
from recsys.learning.training import train
from recsys.models import Recommendation, Track
from recsys.recommending import policy_for, recommend
from recsys.slates import slate_gain
from tests.recsys.learning.conftest import MONDAY, SMALL, Context
from tests.recsys.learning.logged_world import live_under_popularity
from tests.recsys.learning.test_served_versions import promote, register
from training.models import PolicyVersion

BY_CHOICE = replace(SMALL, slates_by_choice=True, updates=100)
LATER = MONDAY + timedelta(days=3)


@pytest.fixture
def version(checkerboard_tracks: list[Track], settings: Settings, tmp_path: Path, olga: Account) -> PolicyVersion:
    """Trained on a log of slates from which everything was played in order; it serves."""
    settings.ENCORE_VAR = tmp_path
    live_under_popularity(listeners=40)
    trained = train(Context(folder=tmp_path, configuration=BY_CHOICE), build(BY_CHOICE, as_of=LATER))
    made = register(trained.checkpoint)
    promote(made, olga)
    return made


def slate(account: Account, count: int, seed: int) -> Recommendation:
    """Of the ten reels, at one moment."""
    return recommend(account.listener, count=count, surface="api", styles=["reel"], moment=LATER, seed=seed)


def test_what_is_served_was_drawn_by_choice_with_the_probabilities_that_are_logged(
    version: PolicyVersion, alice: Account
) -> None:
    rows = [slate(alice, 3, seed) for seed in range(300)]

    _, policy, _ = policy_for(alice.listener)
    state, candidates = build_state(alice.listener, LATER), rows[0].candidates
    scores = policy.score(state, candidates)
    choices = policy.choices(state, candidates, scores)
    assert choices is not None
    gain = slate_gain(policy, state, scores, track_table(), candidates, count=3, diversity=rows[0].dials["diversity"])
    first = {}
    for row in rows:
        assert (row.policy_version, row.candidates) == (version, candidates)
        picks = [candidates.index(track_id) for track_id in row.tracks]
        exact = sequence_probabilities(gain, picks, epsilon=row.epsilon, temperature=policy.temperature)
        assert row.probabilities == pytest.approx(exact)
        first[row.tracks[0]] = row.probabilities[0]
    seen = Counter(row.tracks[0] for row in rows)
    for track_id, chance in first.items():
        assert seen[track_id] / 300 == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 300))


def test_the_choice_model_changes_what_a_slate_is_and_not_what_the_radio_plays(
    version: PolicyVersion, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, policy, _ = policy_for(alice.listener)
    by_choice = {count: [slate(alice, count, seed) for seed in range(20)] for count in (1, 3)}
    monkeypatch.setattr(policy, "choice", None)
    by_scores = {count: [slate(alice, count, seed) for seed in range(20)] for count in (1, 3)}

    radio, slates = (
        [(a.tracks, a.probabilities) == (b.tracks, b.probabilities) for a, b in zip(by_choice[n], by_scores[n], strict=True)]
        for n in (1, 3)
    )
    assert all(radio)
    assert not any(slates)
