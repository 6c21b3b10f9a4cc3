"""Reasons are measured: what a cause contributes is what is lost without it, and a named one carries the track's rank."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.db import transaction

from accounts.models import Listener
from recsys.learning.dqn_policy import DqnPolicy
from recsys.learning.explanation import LATELY, MOMENT, OF_ONE_STYLE, SINGLE, Cause, _told
from recsys.learning.features import TrackTable, build_state, encode_state, encode_without
from recsys.learning.policy import falls
from recsys.learning.replay_dataset import ReplayDataset
from recsys.learning.windows import CLOCK_NAMES, WINDOW
from recsys.models import Feedback
from tests.recsys.learning.conftest import MONDAY, play

NOW = MONDAY + timedelta(days=3, minutes=30)


@pytest.fixture
def policy(trained: Path) -> DqnPolicy:
    """Trained on the checkerboard."""
    return DqnPolicy.load(trained)


def rank(scores: np.ndarray, at: int) -> int:
    return int((scores > scores[at]).sum())


def test_reasons_sum_to_the_score_and_leave_alike_of_every_candidate(
    policy: DqnPolicy, checkerboard: list[Listener], dataset: ReplayDataset
) -> None:
    state = build_state(checkerboard[3], NOW)
    ids = dataset.table.ids_T.tolist()
    explained = policy.explain(state, ids[:5], ids)
    left = [reason.contribution for reasons in explained for reason in reasons if reason.kind == "residual"]

    for reasons, score in zip(explained, policy.score(state, ids[:5]).mean(axis=0), strict=True):
        assert sum(reason.contribution for reason in reasons) == pytest.approx(score, abs=1e-9)
        assert {"popular", *MOMENT, "residual"} <= {reason.kind for reason in reasons}
    assert left == pytest.approx([left[0]] * 5, abs=1e-5)


def test_a_track_falls_without_a_cause_that_carries_it_and_keeps_its_rank_without_another(
    policy: DqnPolicy, checkerboard: list[Listener]
) -> None:
    ids = TrackTable.load().ids_T.tolist()
    seen = []
    for listener in checkerboard[:12]:
        state = build_state(listener, NOW)
        track_id = policy.top(state, 3, [])[2]
        before = policy.score(state, ids).mean(axis=0)
        place = ids.index(track_id)
        for cause in [reason for reason in policy.explain(state, [track_id], ids)[0] if reason.track_ids][:4]:
            with transaction.atomic():
                Feedback.objects.filter(listener=listener, track_id__in=cause.track_ids).delete()
                after = policy.score(build_state(listener, NOW), ids).mean(axis=0)
                transaction.set_rollback(True)
            less = after[place] - after.mean() < before[place] - before.mean()
            assert cause.carries == (rank(after, place) > rank(before, place) and less)
            seen.append(cause.carries)
    assert set(seen) == {True, False}


def test_a_state_without_a_track_is_the_one_that_the_log_without_it_gives(
    checkerboard: list[Listener], dataset: ReplayDataset
) -> None:
    listener, tracks = checkerboard[0], dataset.table.ids_T[:3].tolist()
    again = [
        play(listener, row.track, NOW - timedelta(minutes=number), 5.0) for number, row in enumerate(listener.feedback.all())
    ]
    Feedback.objects.bulk_create(again)
    state = build_state(listener, NOW)
    assert len(state.rows) == WINDOW
    assert state.earlier

    without = encode_without(state, dataset.table, [tracks[:1], tracks], dataset.weights)
    for at, gone in enumerate((tracks[:1], tracks)):
        Feedback.objects.filter(listener=listener, track_id__in=gone).delete()
        deleted = encode_state(build_state(listener, NOW), dataset.table, dataset.weights)
        assert all(np.array_equal(without[name][at], deleted[name]) for name in deleted)


@pytest.mark.parametrize("part", MOMENT)
def test_a_part_of_the_moment_gives_what_its_weights_add_and_carries_what_it_lifts(
    policy: DqnPolicy, checkerboard: list[Listener], part: str
) -> None:
    state = build_state(checkerboard[3], NOW)
    ids = TrackTable.load().ids_T.tolist()
    clock_CW = policy.weights["tower_f.weight"].T[-len(CLOCK_NAMES) :]
    clock_CW[:] = 0.0
    before = policy.score(state, ids).mean(axis=0)
    numbers = [CLOCK_NAMES.index(name) for name in MOMENT[part]]
    clock_CW[numbers] = 5.0
    state = build_state(checkerboard[3], NOW)
    after = policy.score(state, ids).mean(axis=0)
    lifted = sorted(range(len(ids)), key=lambda at: rank(before, at) - rank(after, at))

    explained = policy.explain(state, [ids[lifted[-1]], ids[lifted[0]]], ids)

    found = [{reason.kind: reason for reason in reasons if reason.kind in MOMENT} for reasons in explained]
    added = after - before - (after - before).mean()
    assert [of[part].contribution for of in found] == pytest.approx(added[[lifted[-1], lifted[0]]], abs=1e-5)
    assert [of[part].carries for of in found] == [True, False]
    assert all(reason.contribution == 0 for of in found for kind, reason in of.items() if kind != part)


def told(given: Sequence[float], carries: Sequence[bool]) -> list[tuple[str, bool]]:
    """Of two single tracks, both of one style, and everything."""
    causes = [
        Cause(kind=SINGLE, track_ids=(1,)),
        Cause(kind=SINGLE, track_ids=(2,)),
        Cause(kind=OF_ONE_STYLE, track_ids=(1, 2), style="reel"),
        Cause(kind=LATELY, track_ids=(1, 2, 3)),
    ]
    return [(reason.kind, reason.carries) for reason in _told(causes, np.array(given), np.array(carries))]


def test_a_group_stands_for_its_tracks_only_where_none_of_them_carries_alone() -> None:
    assert told([0.3, 0.2, 0.5, 0.6], [False, True, True, True]) == [(SINGLE, False), (SINGLE, True)]
    assert told([0.3, 0.2, 0.5, 0.6], [False, False, True, True]) == [(OF_ONE_STYLE, True)]
    assert told([0.3, 0.2, 0.5, 0.6], [False, False, False, True]) == [(LATELY, True)]
    assert told([0.3, 0.2, 0.5, 0.6], [False] * 4) == [(SINGLE, False), (SINGLE, False)]
    # What speaks against a track is no reason for it, whatever it does to the rank.
    assert told([-0.3, 0.2, 0.5, 0.6], [True, False, False, False]) == [(SINGLE, True), (SINGLE, False)]


def test_a_cause_that_takes_the_rivals_along_does_not_carry() -> None:
    scores = np.array([1.0, 0.9, 0.2])
    found = falls(scores, scores - np.array([[0.4, 0.4, 0.0], [0.4, 0.1, 0.0]]), [0, 2])

    assert found.tolist() == [[False, False], [True, False]]


def test_a_track_that_is_caught_up_falls_as_one_that_is_overtaken() -> None:
    scores = np.array([1.0, 0.9, 0.9])

    assert falls(scores, scores - np.array([[0.1, 0.0, 0.0]]), [0, 1]).tolist() == [[True, False]]
