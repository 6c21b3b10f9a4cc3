"""The recommender's verdict: every check is there, it can be recomputed, and the bandit was trained beside."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Listener
from dqn.checkpoint import hash_folder, read_checkpoint
from recsys.learning import twin
from recsys.learning.evaluation import evaluate, judge
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import train
from recsys.models import Feedback, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, Context, play
from tests.recsys.learning.logged_world import live_under_popularity
from training import gate, promotion
from training.models import PolicyVersion, Run
from training.slots import Check

TINY = replace(SMALL, updates=40)


@pytest.fixture
def logged(checkerboard_tracks: list[Track]) -> ReplayDataset:
    """What the listeners did."""
    live_under_popularity(listeners=20, visits=4)
    return build(TINY, as_of=MONDAY + timedelta(days=9))


@pytest.fixture
def trained(logged: ReplayDataset, settings: object, tmp_path: Path) -> Path:
    """A checkpoint below ENCORE_VAR with its bandit inside."""
    settings.ENCORE_VAR = tmp_path  # type: ignore[attr-defined]
    context = Context(folder=tmp_path / "run", configuration=TINY)
    both = twin.train_both(context, logged)
    for name in ("ours", "popularity", "item mean", "random", "ahead" if both.figures["serves_bandit"] else "bandit"):
        assert len(both.figures[name]["snips"]) == 3
    assert "bandit_td_loss" in context.points
    return both.checkpoint


@pytest.fixture
def version(trained: Path, tmp_path: Path) -> PolicyVersion:
    """The version of that checkpoint."""
    run = Run.objects.create(slot="recommender", trigger="admin", configuration=TINY.to_json(), seed=3)
    return PolicyVersion.objects.create(
        slot="recommender", kind="dqn", run=run, folder=str(trained.relative_to(tmp_path)), sha256=hash_folder(trained)
    )


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_verdict_has_every_check(trained: Path, logged: ReplayDataset) -> None:
    found = by_name(judge(trained, None, logged))

    assert {
        "slates without chances",
        "explored choices",
        "effective samples",
        "effective samples of the champion",
        "clipped weights",
        "reward per shown track (SNIPS), difference",
        "reward per shown track (doubly robust), difference",
        "reward per shown track (self-normalised doubly robust), difference",
        "reward to the session's end (SNIPS), difference",
        "reward of a session (fitted Q evaluation), difference",
        "reward of a session (per-decision weighted doubly robust), difference",
        "skip rate, difference",
        "coverage",
        "disliked tracks served",
        "reward per simulated session",
        "popularity on the same log",
        "item mean on the same log",
        "looking ahead against the bandit, difference",
    } <= set(found)
    assert [check.name for check in found.values() if check.predicts_lift] == [
        "reward per shown track (self-normalised doubly robust), difference"
    ]
    assert all(check.outcome in ("pass", "fail", "not proven") for check in found.values())
    against_itself = by_name(judge(trained, trained, logged))[
        "reward per shown track (self-normalised doubly robust), difference"
    ]
    assert (against_itself.outcome, against_itself.figure) == ("not proven", 0.0)


def with_chances(log: ReplayDataset, chance: float, *, every: int = 1) -> ReplayDataset:
    """The log with this chance at each choice of every nth slate."""
    decisions = [
        replace(each, probabilities=(chance,) * len(each.probabilities)) if at % every == 0 else each
        for at, each in enumerate(log.decisions)
    ]
    return replace(log, decisions=tuple(decisions))


def test_slates_without_chances_are_left_out_and_counted(trained: Path, logged: ReplayDataset) -> None:
    spoilt = with_chances(logged, 0.0, every=4)
    kept = replace(logged, decisions=tuple(each for at, each in enumerate(logged.decisions) if at % 4))

    found, expected = by_name(judge(trained, None, spoilt)), by_name(judge(trained, None, kept))

    said = found.pop("slates without chances")
    left_out = len(logged.decisions) - len(kept.decisions)
    assert (said.outcome, said.figure) == ("not proven", left_out / len(logged.decisions))
    assert said.explanation.startswith(f"{left_out} of {len(logged.decisions)} held-out slates")
    assert expected.pop("slates without chances").outcome == "pass"
    assert found == expected


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_log_that_says_nothing_of_other_policies_proves_nothing(trained: Path, logged: ReplayDataset, chance: float) -> None:
    told = with_chances(logged, chance)

    checks = judge(trained, None, told)
    figures = evaluate(trained, told)

    assert gate.outcome_of(checks) == "not_proven"
    words = {0.0: "nothing can be estimated", 1.0: "can't say what another policy would have brought"}[chance]
    assert any(words in check.explanation for check in checks if check.outcome == "not proven")
    assert ("word" in figures) == (chance == 0.0)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_log_that_tried_nothing_does_not_choose_between_looking_ahead_and_the_bandit(
    logged: ReplayDataset, tmp_path: Path, chance: float
) -> None:
    context, told = Context(folder=tmp_path / "run", configuration=TINY), with_chances(logged, chance)

    both = twin.train_both(context, told)

    assert both.figures["serves_bandit"] is False
    assert "This log can't say whether looking ahead pays" in context.lines[-1]
    check = by_name(judge(both.checkpoint, None, told))["looking ahead against the bandit, difference"]
    assert (check.outcome, check.figure) == ("not proven", None)


def test_visits_of_one_track_are_learned_from_and_judged(checkerboard_tracks: list[Track], tmp_path: Path) -> None:
    live_under_popularity(listeners=20, visits=6, count=1)
    log = build(TINY, as_of=MONDAY + timedelta(days=9))
    assert {len(each.tracks) for each in log.decisions} == {1}

    checkpoint = twin.train_both(Context(folder=tmp_path / "run", configuration=TINY), log).checkpoint

    found = by_name(judge(checkpoint, None, log))["reward to the session's end (SNIPS), difference"]
    of_one = by_name(judge(checkpoint, None, log))["reward per shown track (SNIPS), difference"]
    assert (found.figure, found.low, found.high) == (of_one.figure, of_one.low, of_one.high)


def test_anyone_recomputes_a_verdict_from_the_database(
    version: PolicyVersion, checkerboard_tracks: list[Track], capsys: pytest.CaptureFixture[str]
) -> None:
    promotion.ensure_first_version("recommender")
    verdict = gate.judge(version)
    # What comes later is not part of it.
    late = [play(listener, checkerboard_tracks[0], timezone.now(), 1.0) for listener in Listener.objects.all()]
    Feedback.objects.bulk_create(late)
    out = io.StringIO()

    call_command("show_verdict", str(version.pk), "--recompute", stdout=out)

    assert f"All {len(verdict.checks)} checks come out the same." in out.getvalue()


def test_the_bandit_lies_beside_the_policy_and_the_better_one_is_what_serves(trained: Path, logged: ReplayDataset) -> None:
    beside = twin.read_twin(trained)
    assert beside is not None

    serves, lies_beside = (read_checkpoint(folder).configuration["discount"] for folder in (trained, beside.folder))
    assert {serves, lies_beside} == {0.0, TINY.discount}
    assert beside.serves_bandit == (serves == 0.0)
    ahead, bandit = (beside.folder, trained) if beside.serves_bandit else (trained, beside.folder)
    gain = twin.gain_of(ahead, bandit, logged)
    assert gain is not None
    assert beside.serves_bandit == (gain <= 0)
    check = by_name(judge(trained, None, logged))["looking ahead against the bandit, difference"]
    assert check.figure == pytest.approx(gain)
    assert ("does not pay" in check.explanation) == beside.serves_bandit


def test_without_the_comparison_one_policy_is_trained(logged: ReplayDataset, tmp_path: Path) -> None:
    alone = replace(TINY, compare_with_bandit=False)

    both = twin.train_both(Context(folder=tmp_path / "both", configuration=alone), logged)
    one = train(Context(folder=tmp_path / "one", configuration=alone), logged)

    assert twin.read_twin(both.checkpoint) is None
    assert read_checkpoint(both.checkpoint).configuration == read_checkpoint(one.checkpoint).configuration
