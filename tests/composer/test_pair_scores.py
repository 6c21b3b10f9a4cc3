"""Running scores: known intervals, ties, sides, clusters, and the gate's check."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import Account, Listener
from composer import pairs
from composer.learning.blind_answers import BlindAnswers, blind_check, read_answers
from composer.models import BlindPair, Side
from composer.pair_scores import interval_of, scores_of, scores_of_all, scores_on_trial, wilson
from recsys.models import Choice
from training.gate import outcome_of
from training.models import PolicyVersion
from training.slots import Check

Author = BlindPair.Author


@pytest.mark.parametrize(
    ("wins", "answers", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, 857–872), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_s_interval_is_the_published_one(wins: int, answers: int, low: float, high: float) -> None:
    assert wilson(wins, answers) == pytest.approx((low, high), abs=5e-5)


def test_listeners_who_agree_leave_the_interval_and_listeners_who_differ_widen_it() -> None:
    agreeing = interval_of([(6, 10)] * 10)
    differing = interval_of([(10, 10)] * 6 + [(0, 10)] * 4)

    assert agreeing == pytest.approx(wilson(60, 100))
    assert differing is not None
    # All-or-nothing listeners: 100 answers are worth ten, one each (n − 1 of them, as variances are).
    assert differing == pytest.approx(wilson(0.6 * 9, 9), abs=1e-9)
    assert interval_of([]) is None


@pytest.fixture
def versions(db: None) -> tuple[PolicyVersion, PolicyVersion]:
    """A champion and a version on trial."""
    return tuple(  # type: ignore[return-value]
        PolicyVersion.objects.create(slot="composer", kind="dqn", folder=f"checkpoints/composer/{name}")
        for name in ("champion", "trial")
    )


def said(listener: Listener, first: str, second: str, answer: str, versions: tuple[PolicyVersion, PolicyVersion]) -> BlindPair:
    champion, trial = versions
    choice = Choice.objects.create(
        listener=listener,
        client_id=uuid.uuid4(),
        answer=answer,
        first_features=[],
        second_features=[],
        occurred_at=timezone.now(),
    )
    return BlindPair.objects.create(
        listener=listener,
        first_author=first,
        second_author=second,
        champion=champion,
        trial=trial if Author.CHALLENGER in (first, second) else None,
        seed=1,
        status="ready",
        choice=choice,
    )


def test_a_score_counts_both_sides_ties_by_half_and_skips_not(
    alice: Account, bob: Account, versions: tuple[PolicyVersion, PolicyVersion]
) -> None:
    for first, second, answer in (
        (Author.COMPOSER, Author.HUMAN, "first"),
        (Author.HUMAN, Author.COMPOSER, "second"),
        (Author.HUMAN, Author.COMPOSER, "first"),
        (Author.COMPOSER, Author.HUMAN, "no_difference"),
        (Author.COMPOSER, Author.HUMAN, "skip"),
        (Author.COMPOSER, Author.COMPOSER, "first"),
    ):
        said(alice.listener, first, second, answer, versions)
    said(bob.listener, Author.HUMAN, Author.COMPOSER, "first", versions)

    own = {(score.author, score.rival): score for score in scores_of(alice.listener)}["composer", "human"]
    everybody = {(score.author, score.rival): score for score in scores_of_all()}["composer", "human"]

    assert (own.wins, own.ties, own.answers, own.listeners, own.share) == (2.5, 1, 4, 1, 0.625)
    assert (own.low, own.high) == pytest.approx(wilson(2.5, 4))
    assert own.words == "Not enough answers yet: 4 of 10."
    assert (everybody.wins, everybody.answers, everybody.listeners) == (2.5, 5, 2)


def test_enough_answers_say_who_is_preferred_or_that_it_is_undecided(
    alice: Account, versions: tuple[PolicyVersion, PolicyVersion]
) -> None:
    for number in range(12):
        said(alice.listener, Author.COMPOSER, Author.PRIOR, "first" if number else "second", versions)
        said(alice.listener, Author.PRIOR, Author.HUMAN, "second" if number else "first", versions)
        said(alice.listener, Author.COMPOSER, Author.HUMAN, "first" if number % 2 else "second", versions)

    words = [score.words for score in scores_of(alice.listener)]

    assert words[0] == "The composer is preferred."
    assert words[1].startswith("Undecided")
    assert words[2] == "The human tune is preferred."


def told(wins: float, answers: int, trial: str = "t", champion: str = "c") -> BlindAnswers:
    return BlindAnswers(trial=trial, champion=champion, listener=1, wins=wins, answers=answers)


def checked(settings: Settings, *answers: BlindAnswers) -> Check:
    root = Path(settings.ENCORE_VAR)
    return blind_check(root / "t", root / "c", answers)


def test_the_gate_counts_blind_answers_once_there_are_enough(settings: Settings) -> None:
    assert checked(settings).outcome == "not counted"
    few = checked(settings, told(29, 29))
    assert (few.outcome, few.figure, few.low) == ("not counted", 1.0, None)

    better, worse, open_still = (checked(settings, told(wins, 40)) for wins in (30, 10, 22))

    assert [check.outcome for check in (better, worse, open_still)] == ["pass", "fail", "not proven"]
    assert (better.figure, better.threshold) == (0.75, 0.5)
    assert (better.low, better.high) == pytest.approx(wilson(30, 40))


def test_answers_about_other_versions_are_not_counted(settings: Settings) -> None:
    assert checked(settings, told(40, 40, trial="other"), told(40, 40, champion="other")).outcome == "not counted"


def test_what_is_not_counted_decides_nothing() -> None:
    passed, failed, uncounted = (
        Check(name="c", outcome=outcome, explanation="") for outcome in ("pass", "fail", "not counted")
    )

    assert outcome_of([passed, uncounted]) == "promote"
    assert outcome_of([failed, uncounted]) == "refuse"
    assert outcome_of([uncounted]) == "not_proven"


@pytest.mark.django_db
def test_the_answers_of_a_verdict_can_be_read_again_as_they_were(
    alice: Account, bob: Account, versions: tuple[PolicyVersion, PolicyVersion], tmp_path: Path
) -> None:
    said(alice.listener, Author.CHALLENGER, Author.COMPOSER, "first", versions)
    said(alice.listener, Author.COMPOSER, Author.CHALLENGER, "first", versions)
    said(alice.listener, Author.COMPOSER, Author.CHALLENGER, "no_difference", versions)
    said(alice.listener, Author.COMPOSER, Author.PRIOR, "first", versions)
    champion, trial = versions

    before = read_answers(tmp_path)
    note = json.loads((tmp_path / "dataset.json").read_text())
    said(bob.listener, Author.CHALLENGER, Author.COMPOSER, "first", versions)

    expected = BlindAnswers(trial=trial.folder, champion=champion.folder, listener=alice.listener.pk, wins=1.5, answers=3)
    assert before == (expected,)
    assert note["choices_until"] < Choice.objects.latest("pk").pk
    assert read_answers(tmp_path) == before
    assert len(read_answers(tmp_path / "another")) == 2
    (score,) = scores_on_trial(trial.pk)
    assert (score.wins, score.answers, score.listeners) == (2.5, 4, 2)


@pytest.mark.django_db
def test_the_gate_looks_again_when_enough_were_answered(alice: Account, versions: tuple[PolicyVersion, PolicyVersion]) -> None:
    for _ in range(28):
        said(alice.listener, Author.CHALLENGER, Author.COMPOSER, "first", versions)

    def judged() -> int:
        return ProcrastinateJob.objects.filter(task_name="training.judge_version", args__version_id=versions[1].pk).count()

    for number, judgements in ((29, 0), (30, 1), (31, 1)):
        pair = said(alice.listener, Author.CHALLENGER, Author.COMPOSER, "first", versions)
        BlindPair.objects.filter(pk=pair.pk).update(choice=None)
        pair.choice.delete()  # type: ignore[union-attr]
        for place in (0, 1):
            Side.objects.create(pair=pair, place=place, score={}, features=[])
        pairs.answer(alice.listener, pair.pk, "first", client_id=uuid.uuid4())

        assert judged() == judgements, number
