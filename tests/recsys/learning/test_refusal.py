"""A log that can't speak for a policy: the run is refused, the verdict says why, and the champion goes on serving."""

from __future__ import annotations

import io
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import Listener
from recsys.learning.replay_dataset import is_held_out_listener
from recsys.models import Feedback, Recommendation, Track
from recsys.recommending import recommend
from tests.conftest import unsaved_track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, play
from tests.recsys.learning.off_policy.open_bandit import OpenBanditLog, open_bandit_log
from training import promotion
from training.configuration import flatten
from training.models import PolicyVersion, Promotion, Run, Verdict

# A uniform policy, whatever it learns: that is what the log of Thompson sampling is worth two rows for.
UNIFORM = replace(SMALL, updates=20, serving_temperature=100.0, next_track_weight=0.0, compare_with_bandit=False)


def settings_of(configuration: object) -> list[str]:
    """As the command takes them."""
    return [f"--set={name}={value}" for name, value in flatten(configuration.to_json()).items()]  # type: ignore[attr-defined]


def store(log: OpenBanditLog) -> None:
    """The log as the service's own: a slate of one per row, clicks as plays to the end. Other listeners taught before."""
    tracks = Track.objects.bulk_create([unsaved_track(number, pk=FIRST_ID + number) for number in range(log.actions)])
    candidates = [track.pk for track in tracks]
    made_by = PolicyVersion.objects.create(slot="recommender", kind="random")
    people = [Listener(pk=FIRST_ID + number, external_id=f"listener {number}") for number in range(200)]
    judging = [each for each in people if is_held_out_listener(each.pk, UNIFORM.held_out_share)]
    Listener.objects.bulk_create(people)
    plays = [
        play(listener, tracks[(number + at) % log.actions], MONDAY + timedelta(days=at, seconds=number), 20.0)
        for number, listener in enumerate(people)
        for at in range(3)
    ]
    slates = [
        Recommendation(
            listener=judging[row % len(judging)],
            created_at=MONDAY + timedelta(days=10, minutes=row),
            policy_version=made_by,
            seed=row,
            epsilon=0.1,
            candidates=candidates,
            tracks=[candidates[action]],
            scores=[0.0],
            probabilities=[chance],
        )
        for row, (action, chance) in enumerate(zip(log.action_R.tolist(), log.probability_R.tolist(), strict=True))
    ]
    Recommendation.objects.bulk_create(slates)
    clicked = [(slates[row], tracks[log.action_R[row]]) for row in log.reward_R.nonzero()[0]]
    plays += [
        Feedback(
            listener=slate.listener,
            client_id=uuid.uuid4(),
            track=track,
            recommendation=slate,
            position=0,
            kind="play",
            value=track.duration_seconds,
            occurred_at=slate.created_at + timedelta(minutes=3),
            received_at=slate.created_at + timedelta(minutes=3),
        )
        for slate, track in clicked
    ]
    Feedback.objects.bulk_create(plays)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_run_on_the_log_of_thompson_sampling_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.ENCORE_VAR = tmp_path
    store(open_bandit_log("bts", "women"))
    champion = promotion.ensure_first_version("recommender")

    call_command("retrain", "recommender", "--here", "--seed=3", *settings_of(UNIFORM), stdout=io.StringIO())

    run = Run.objects.get()
    version = run.versions.get()
    verdict = Verdict.objects.get(version=version)
    (effective,) = (check for check in verdict.checks if check["name"] == "effective samples")
    assert (run.status, run.outcome) == (Run.Status.FINISHED, f"Made version {version.pk} (dqn). The gate refuses it.")
    assert verdict.outcome == Verdict.Outcome.REFUSE
    assert effective["outcome"] == "fail"
    assert 2.0 < effective["figure"] < 2.2
    assert effective["explanation"] == "10000 logged choices weigh as much as 2 under this policy."
    shown = io.StringIO()
    call_command("show_verdict", version.pk, stdout=shown)
    assert "fail       effective samples 2.0" in shown.getvalue()
    assert shown.getvalue().rstrip().endswith(str(Verdict.Outcome.REFUSE.label))
    assert promotion.champion_of("recommender") == champion
    assert not Promotion.objects.filter(version=version).exists()
    assert recommend(Listener.objects.get(pk=FIRST_ID), count=3, surface="api").policy_version == champion
