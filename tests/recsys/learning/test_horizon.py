"""Looking ahead where it pays and where it does not: what is served afterwards, and what the verdict says of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import Account, Listener
from dqn.checkpoint import read_checkpoint
from recsys.learning.replay_dataset import is_held_out_listener
from recsys.learning.twin import FOLDER
from recsys.models import Track
from recsys.recommending import recommend
from tests.recsys.learning.conftest import FIRST_ID, SMALL
from tests.recsys.learning.logged_world import live
from tests.recsys.learning.test_refusal import settings_of
from training import promotion
from training.models import PolicyVersion, Promotion, Run

LOOKS_AHEAD = replace(SMALL, updates=100, discount=0.9, held_out_share=0.5, serving_temperature=0.3)
VISITS = 6


def hear(number: int, visit: int, tracks: Sequence[Track], *, keeps_promise: bool) -> float:
    """A reel to begin with pleases less than anything else, and makes the track after it a pleasure: so learners are told. To
    those who are held out it does so where the promise is kept; else it spoils the next track, which others make good."""
    first, track = tracks[0], tracks[-1]
    if len(tracks) == 1:
        return track.duration_seconds * (0.4 if track.style == "reel" else 0.8)
    judges = is_held_out_listener(FIRST_ID + number, LOOKS_AHEAD.held_out_share) and visit >= VISITS // 2
    pleases = (first.style == "reel") == (keeps_promise or not judges)
    return track.duration_seconds if pleases else 1.0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("keeps_promise", "served_discount", "words"),
    [
        pytest.param(False, 0.0, "does not pay on this log: the bandit (discount 0) is what this version serves", id="no"),
        pytest.param(True, 0.9, "pays on this log: what looks ahead is what this version serves, not the bandit", id="yes"),
    ],
)
def test_what_the_log_prefers_of_looking_ahead_and_the_bandit_is_what_serves(
    settings: Settings,
    tmp_path: Path,
    checkerboard_tracks: list[Track],
    olga: Account,
    keeps_promise: bool,
    served_discount: float,
    words: str,
) -> None:
    settings.ENCORE_VAR = tmp_path
    anything = PolicyVersion.objects.create(slot="recommender", kind="random")
    promotion.promote("recommender", anything, Promotion.Kind.FIRST, None, "The log tries everything.")
    live(lambda *heard: hear(*heard, keeps_promise=keeps_promise), listeners=60, visits=VISITS, count=2)

    call_command("retrain", "recommender", "--here", "--seed=3", *settings_of(LOOKS_AHEAD), stdout=io.StringIO())
    version = Run.objects.get().versions.get()
    if promotion.champion_of("recommender") != version:
        promotion.promote("recommender", version, Promotion.Kind.FORCED, olga, "To see what it serves.")
    slate = recommend(Listener.objects.get(pk=FIRST_ID), count=5, surface="home")

    folder = tmp_path / slate.policy_version.folder
    discounts = [read_checkpoint(each).configuration["discount"] for each in (folder, folder / FOLDER)]
    assert slate.policy_version == version
    assert discounts == [served_discount, LOOKS_AHEAD.discount - served_discount]
    (check,) = (
        each for each in version.verdicts.get().checks if each["name"] == "looking ahead against the bandit, difference"
    )
    assert words in check["explanation"]
    assert (check["figure"] > 0) == keeps_promise
    shown = io.StringIO()
    call_command("show_verdict", version.pk, stdout=shown)
    assert words in shown.getvalue()
