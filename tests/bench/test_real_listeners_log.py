"""Ratings as the service hears them: their rewards, their order, one session a person, and who is asked for what."""

from __future__ import annotations

from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bench.real_listeners_log import LENGTH_SECONDS, START, WithoutQ, ask_by_policy, heard, train_ours
from bench.real_listeners_sessions import COUNTED_AFTER, People
from bench.rows_log import log_of_rows
from recsys.feedback import FeedbackRow, split_into_sessions
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.credit import follows_of
from recsys.learning.features import ListenerState, TrackTable, state_of_rows
from recsys.learning.replay_dataset import ReplayDataset, build, is_held_out_listener
from recsys.rewards import RewardWeights, rewards_of

TRACKS = 8
PEOPLE = 12
WEIGHTS = RewardWeights()
TABLE = TrackTable.from_rows((track + 1, [0.0], "", "", LENGTH_SECONDS, True) for track in range(TRACKS))
nan = np.nan


def rows_of(ratings: list[tuple[int, float]]) -> list[FeedbackRow]:
    """One person's rows: (track, rating), one after another."""
    rows: list[FeedbackRow] = []
    for number, (track, rating) in enumerate(ratings):
        began = rows[-1].occurred_at + timedelta(seconds=1) if rows else START
        rows.append(heard(number, track, began, rating))
    return rows


def everybody() -> dict[int, list[tuple[int, float]]]:
    """Who rated what, in which order: every person five of the tracks."""
    generator = np.random.default_rng(4)
    return {
        person + 1: [(int(track), float(generator.integers(1, 5))) for track in generator.permutation(TRACKS)[:5]]
        for person in range(PEOPLE)
    }


def dataset_of(ratings: dict[int, list[tuple[int, float]]], **changes: Any) -> ReplayDataset:
    as_of = START + timedelta(days=30)
    log = log_of_rows({person: rows_of(rated) for person, rated in ratings.items()}, as_of)
    return build(RecommenderConfiguration(**changes), as_of=as_of, table=TABLE, weights=WEIGHTS, log=log)


def test_each_rating_is_a_play_of_its_own_worth() -> None:
    rows = rows_of([(track, rating) for track, rating in enumerate([1.0, 2.0, 3.0, 4.0])])

    (session,) = rewards_of(rows, dict.fromkeys(range(1, TRACKS + 1), LENGTH_SECONDS), WEIGHTS)

    # Nobody leaves early, which would cost more than a low rating: the worst track is heard for 36 seconds.
    assert [each.parts for each in session] == [
        {"completion": pytest.approx(share), **({"session_goes_on": WEIGHTS.session_goes_on} if share < 1 else {})}
        for share in (0.15, 0.4, 0.8, 1.0)
    ]


@pytest.mark.parametrize(("rating", "as_good_as"), [(0.5, 1.0), (2.5, 2.0), (5.0, 4.0)])
def test_a_rating_of_another_scale_counts_as_the_nearest_below(rating: float, as_good_as: float) -> None:
    assert heard(1, 0, START, rating).value == heard(1, 0, START, as_good_as).value


def test_the_rows_of_a_person_are_one_session_in_their_order() -> None:
    ratings = everybody()
    assert all(len(split_into_sessions(rows_of(rated))) == 1 for rated in ratings.values())

    dataset = dataset_of(ratings, held_out_share=1e-9)

    assert len(dataset.track_N) == sum(map(len, ratings.values()))
    share = {1.0: 0.15, 2.0: 0.4, 3.0: 0.8, 4.0: 1.0}
    for person, rated in ratings.items():
        of = np.flatnonzero(dataset.listener_N == person)[::-1]  # a session stands from its last track to its first
        assert [(int(dataset.table.ids_T[dataset.track_N[at]]) - 1) for at in of] == [track for track, _ in rated]
        worth = [share[rating] + WEIGHTS.session_goes_on for _, rating in rated]
        worth[-1] -= WEIGHTS.session_goes_on
        assert dataset.reward_N[of] == pytest.approx(worth)
        assert (dataset.discount_N[of] > 0).tolist() == [True] * (len(rated) - 1) + [False]
        assert follows_of(dataset)[of].tolist() == [True] * (len(rated) - 1) + [False]


def test_nothing_was_recommended_and_nobody_is_held_out_unless_asked_for() -> None:
    ratings = everybody()

    whole, held_out = dataset_of(ratings, held_out_share=1e-9), dataset_of(ratings, held_out_share=0.5)

    assert not whole.is_held_out_N.any()
    # All began at one moment, so that the later half of the sessions is all of them.
    assert set(held_out.listener_N[held_out.is_held_out_N].tolist()) == {
        person for person in ratings if is_held_out_listener(person, 0.5)
    }
    assert not whole.decisions
    assert not len(whole.passed_track_K)
    assert (whole.candidate_NK < 0).all()


def test_the_log_names_its_rows_and_knows_no_wishes() -> None:
    log = log_of_rows({7: rows_of([(0, 4.0), (1, 1.0)])}, START)

    rows, digest = log.feedback()

    assert [row.track_id for row in rows[7]] == [1, 2]
    other = log_of_rows({7: rows_of([(0, 4.0)])}, START).feedback()[1]
    assert digest.hexdigest() != other.hexdigest()
    assert str(log.zones()[7]) == "UTC"
    assert log.declared_styles()[7] == []
    assert list(log.slates()) == []


class Listening:
    """Prefers tracks by their number and keeps what it was told."""

    def __init__(self) -> None:
        self.states: list[ListenerState] = []

    def score_rows(self, state: ListenerState, table: TrackTable, rows_N: Any) -> Any:
        """Two heads that differ in everything but their mean's order."""
        self.states.append(state)
        return np.stack([3.0 * rows_N, -1.0 * rows_N])


def test_people_are_asked_for_the_best_open_track_and_every_answer_is_told() -> None:
    policy = Listening()
    people = People.of(np.array([[4.0, nan, 1.0, 3.0], [nan, 2.0, nan, 4.0]]))

    likes_PC = ask_by_policy(policy, TABLE, people)

    heard_by = [[(row.track_id - 1, row.value) for row in state.rows] for state in policy.states]
    first, second, last = (3, 0.8 * LENGTH_SECONDS), (2, 0.15 * LENGTH_SECONDS), (3, LENGTH_SECONDS)
    assert heard_by == [[], [first], [first, second], [], [last]]
    assert [state.session_position for state in policy.states] == [0, 1, 2, 0, 1]
    assert likes_PC.shape == (2, len(COUNTED_AFTER))
    assert likes_PC[:, -1].tolist() == [2.0, 1.0]


def test_ours_is_trained_by_the_service_and_learns_which_tracks_please(tmp_path: Path) -> None:
    rated_NI = np.full((PEOPLE, TRACKS), 1.0)
    rated_NI[:, TRACKS // 2 :] = 4.0
    rated_NI[0, 0] = nan

    policy, table = train_ours(rated_NI, Namespace(quick=True, device="cpu"), tmp_path, seed=0)

    assert table.ids_T.tolist() == list(range(1, TRACKS + 1))
    assert policy.choice is None  # no slates, no choices
    nobody = state_of_rows(PEOPLE + 1, START, [], zone=ZoneInfo("UTC"))
    score_T = policy.score_rows(nobody, table, np.arange(TRACKS)).mean(axis=0)
    assert score_T[TRACKS // 2 :].min() > score_T[: TRACKS // 2].max()


def test_without_q_the_posterior_of_the_taste_models_ranks_whatever_was_learned(tmp_path: Path) -> None:
    # Half of the people like the even tracks, half the odd ones.
    rated_NI = np.where((np.arange(20)[:, None] + np.arange(TRACKS)) % 2 == 0, 4.0, 1.0)
    policy, table = train_ours(rated_NI, Namespace(quick=True, device="cpu"), tmp_path, seed=0)
    rated = [(0, 4.0), (1, 1.0), (4, 3.0)]
    state = state_of_rows(99, START + timedelta(days=1), rows_of(rated), zone=ZoneInfo("UTC"))
    known, size = policy.known, policy.configuration.identity_width + 1
    heard_P, every_T = np.array([track for track, _ in rated]), np.arange(TRACKS)
    said_P = np.array([0.8 + 0.2 * (rating == 4) if rating > 2 else 0.15 for _, rating in rated])
    said_P = said_P - policy.weights["usual"] - known.popularity(heard_P)
    alike_MT = []
    for model, alone_kk in enumerate(known.alone_Mkk):
        vector_Tz = known.identity(every_T).reshape(TRACKS, -1, size - 1)[:, model]
        vector_Tk = np.pad(vector_Tz, [(0, 0), (0, 1)], constant_values=1.0)
        sure_P = 1 / known.row_PX[heard_P, 1 + model]
        precision_kk = alone_kk + vector_Tk[heard_P].T @ (sure_P[:, None] * vector_Tk[heard_P])
        taste_k = np.linalg.solve(precision_kk, vector_Tk[heard_P].T @ (sure_P * said_P))
        alike_MT.append(vector_Tz @ taste_k[:-1])

    (score_T,) = WithoutQ(policy).score_rows(state, table, every_T)

    assert score_T == pytest.approx(known.popularity(every_T) + np.mean(alike_MT, axis=0), abs=1e-6)
    assert score_T[2::2].min() > score_T[1::2].max()
