"""What the gate finds on the log decides who serves the next request: nothing is forced here."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import Listener
from recsys.learning.configuration import RecommenderConfiguration
from recsys.models import Track
from recsys.recommending import recommend
from tests.recsys.learning.conftest import FIRST_ID, SMALL
from tests.recsys.learning.logged_world import live_under_popularity
from tests.recsys.learning.test_refusal import settings_of
from training import promotion
from training.models import PolicyVersion, Promotion, Run, Verdict

LEARNS = replace(SMALL, updates=300, held_out_share=0.5, serving_temperature=0.3, compare_with_bandit=False)
PLAYS_ANYTHING = replace(LEARNS, updates=20, serving_temperature=100.0)


def retrained(configuration: RecommenderConfiguration) -> tuple[PolicyVersion, Verdict, str]:
    """The version that a person's command made, what the gate said of it, and the words about it."""
    out = io.StringIO()
    call_command("retrain", "recommender", "--here", "--seed=3", *settings_of(configuration), stdout=out)
    version = Run.objects.latest("pk").versions.get()
    return version, version.verdicts.get(), out.getvalue()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_version_that_the_gate_finds_worse_serves_nobody_and_one_that_it_finds_better_serves(
    settings: Settings, tmp_path: Path, checkerboard_tracks: list[Track]
) -> None:
    settings.ENCORE_VAR = tmp_path
    champion = promotion.ensure_first_version("recommender")
    live_under_popularity(listeners=180, visits=4)
    listeners = [Listener.objects.get(pk=FIRST_ID + number) for number in range(4)]

    def serving() -> set[PolicyVersion]:
        return {recommend(listener, count=5, surface="home").policy_version for listener in listeners}

    worse, verdict, words = retrained(PLAYS_ANYTHING)
    assert verdict.outcome == Verdict.Outcome.REFUSE
    assert words.endswith(f"Made version {worse.pk} (dqn). The gate refuses it.\n")
    assert serving() == {champion}

    better, verdict, words = retrained(LEARNS)
    assert {check["name"]: check["figure"] for check in verdict.checks if check["outcome"] != "pass"} == {}
    assert verdict.outcome == Verdict.Outcome.PROMOTE
    assert words.endswith(f"Made version {better.pk} (dqn). It serves now.\n")
    assert Promotion.objects.get(version=better).verdict == verdict
    assert serving() == {better}
