"""The log becomes transitions, reckoned by hand."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from accounts.models import Account, Listener
from recsys import preferences
from recsys.feedback import rows_of
from recsys.learning import log
from recsys.learning.features import build_state, encode_state, state_of_rows
from recsys.learning.logged_slates import LOOKED_BEYOND
from recsys.learning.replay_dataset import build, build_replay_dataset
from recsys.learning.windows import WINDOW
from recsys.models import Feedback, Recommendation, Track
from recsys.rewards import RewardWeights
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, Context, play
from tests.recsys.learning.logged_world import live_under_popularity
from training.models import PolicyVersion
from training.slots import NotEnoughToLearnFrom

LATER = MONDAY + timedelta(days=10)
LETTERS = {
    "row_track_L": "row_track_ML",
    "row_open_L": "row_open_ML",
    "row_signal_LS": "row_signal_MLS",
    "clock_C": "clock_MC",
    "declared_S": "declared_MS",
}
"""What a state of one request is called, and those of a whole log."""


@pytest.fixture
def two_sessions(alice: Account, tracks: list[Track]) -> list[Feedback]:
    """Six plays on Monday, six on Tuesday; the second of them left at once."""
    rows = []
    for number in range(12):
        track = tracks[number]
        ended = MONDAY + timedelta(days=number // 6, minutes=2 * (number % 6))
        rows.append(play(alice.listener, track, ended, 1.0 if number == 1 else track.duration_seconds / 2))
    return Feedback.objects.bulk_create(rows)


def slate_of(listener: Listener, moment: datetime, shown: list[int]) -> Recommendation:
    version, _ = PolicyVersion.objects.get_or_create(slot="recommender", kind="random")
    return Recommendation.objects.create(
        listener=listener,
        created_at=moment,
        policy_version=version,
        seed=1,
        epsilon=0.1,
        candidates=shown,
        tracks=shown,
        scores=[0.0] * len(shown),
        probabilities=[0.1] * len(shown),
        reasons=[],
    )


def test_each_play_is_a_transition_and_sessions_end(two_sessions: list[Feedback]) -> None:
    dataset = build(SMALL, as_of=LATER)

    assert dataset.description["transitions"] == 12
    assert dataset.description["sessions"] == 2
    assert sorted(dataset.discount_N.tolist()) == [0.0] * 2 + [0.5] * 10


def test_rewards_follow_the_active_weights(two_sessions: list[Feedback]) -> None:
    dataset = build(SMALL, as_of=LATER)
    by_track = {int(dataset.table.ids_T[row]): reward for row, reward in zip(dataset.track_N, dataset.reward_N, strict=True)}
    left = two_sessions[1]

    assert by_track[two_sessions[0].track_id] == pytest.approx(0.5 + 0.1)
    assert by_track[left.track_id] == pytest.approx(1.0 / left.track.duration_seconds - 0.5 + 0.1)
    # The last track of Monday: half heard, and the listener came back within three days.
    assert by_track[two_sessions[5].track_id] == pytest.approx(0.5 + 0.5)
    assert by_track[two_sessions[11].track_id] == pytest.approx(0.5)


def test_a_session_that_may_go_on_bootstraps_from_its_newest_state(two_sessions: list[Feedback]) -> None:
    newest = two_sessions[-1].occurred_at
    dataset = build(SMALL, as_of=newest + timedelta(minutes=10))
    last = next(at for at in range(12) if int(dataset.table.ids_T[dataset.track_N[at]]) == two_sessions[-1].track_id)

    assert dataset.discount_N[last] == 0.5
    assert dataset.next_state_N[last] != dataset.state_N[last]
    assert dataset.states["row_open_ML"][dataset.next_state_N[last]].sum() == 12


def test_a_state_ignores_rows_that_were_received_later(two_sessions: list[Feedback], alice: Account) -> None:
    late = two_sessions[0]
    Feedback.objects.filter(pk=late.pk).update(received_at=MONDAY + timedelta(days=5))
    dataset = build(SMALL, as_of=LATER)
    second = next(at for at in range(12) if int(dataset.table.ids_T[dataset.track_N[at]]) == two_sessions[2].track_id)

    # Before the third play two tracks were heard, but only one of them had reached the log.
    assert dataset.states["row_open_ML"][dataset.state_N[second]].sum() == 1


@pytest.mark.parametrize(
    "weights", [RewardWeights(), RewardWeights(early_leave_seconds=3.0), RewardWeights(early_leave_share=1)]
)
def test_training_and_serving_encode_a_state_alike(
    two_sessions: list[Feedback], alice: Account, weights: RewardWeights
) -> None:
    dataset = build(SMALL, as_of=LATER, weights=weights)
    at = next(at for at in range(12) if int(dataset.table.ids_T[dataset.track_N[at]]) == two_sessions[9].track_id)
    moment = rows_of(alice.listener.pk)[9].started_at
    rows = rows_of(alice.listener.pk, moment, last=WINDOW)
    state = state_of_rows(alice.listener.pk, moment, rows, zone=alice.listener.time_zone)
    served = encode_state(state, dataset.table, weights)
    trained = {name: array[dataset.state_N[at]] for name, array in dataset.states.items()}

    assert (served["row_open_L"] == trained["row_open_ML"]).all()
    assert (served["row_track_L"] == trained["row_track_ML"]).all()
    assert trained["row_signal_MLS"].dtype == np.float16
    assert (served["row_signal_LS"].astype(np.float16) == trained["row_signal_MLS"]).all()
    assert (served["clock_C"] == trained["clock_MC"]).all()
    assert (served["declared_S"] == trained["declared_MS"]).all()


def test_what_was_known_at_a_logged_request_is_learned_from_rounded_and_not_changed(
    checkerboard_tracks: list[Track],
) -> None:
    live_under_popularity(listeners=4, visits=3)
    preferences.declare(Listener.objects.get(pk=FIRST_ID), styles=["jig"], received_at=MONDAY + timedelta(hours=7))
    requests = Recommendation.objects.select_related("listener__account").order_by("created_at", "id")
    for request in requests[:6]:
        Feedback.objects.create(
            listener=request.listener,
            client_id=uuid.uuid4(),
            track_id=request.tracks[0],
            kind="rate",
            value=4.0,
            occurred_at=request.created_at,
            received_at=request.created_at + timedelta(minutes=1),
        )
    dataset = build(SMALL, as_of=LATER)

    assert len(requests) == 12
    for request, at in zip(requests, dataset.offers.state_J, strict=True):
        served = encode_state(build_state(request.listener, request.created_at), dataset.table, dataset.weights)
        served["row_signal_LS"] = served["row_signal_LS"].astype(np.float16)
        for of_one, of_all in LETTERS.items():
            assert (served[of_one] == dataset.states[of_all][at]).all(), of_one


def test_simulated_listeners_are_left_out_of_real_training(two_sessions: list[Feedback], tracks: list[Track]) -> None:
    ghost = Listener.objects.create(external_id="simulated-1-1", is_simulated=True)
    play(ghost, tracks[0], MONDAY, 3.0).save()

    assert build(SMALL, as_of=LATER).description["feedback_rows"] == 12


def test_a_first_listener_teaches_even_when_chosen_to_be_held_out(two_sessions: list[Feedback]) -> None:
    dataset = build(replace(SMALL, held_out_share=0.999999), as_of=LATER)

    assert not dataset.is_held_out_N.any()
    assert dataset.description["held_out_sessions"] == 0


def test_the_fingerprint_changes_with_a_row_and_with_nothing_else(two_sessions: list[Feedback]) -> None:
    before = build(SMALL, as_of=LATER).fingerprint

    assert build(SMALL, as_of=LATER).fingerprint == before
    two_sessions[0].delete()
    assert build(SMALL, as_of=LATER).fingerprint != before


def test_a_resumed_run_reads_what_its_first_attempt_read(two_sessions: list[Feedback], tmp_path: Path) -> None:
    first = build_replay_dataset(Context(folder=tmp_path))
    play(two_sessions[0].listener, two_sessions[0].track, first.as_of + timedelta(seconds=1), 5.0).save()

    assert build_replay_dataset(Context(folder=tmp_path)).fingerprint == first.fingerprint


def test_of_a_listener_with_endless_feedback_the_newest_rows_teach(
    alice: Account, tracks: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MOST_ROWS_OF_A_LISTENER", 3 * WINDOW)
    plays = [play(alice.listener, tracks[at % 12], MONDAY + timedelta(minutes=at), 20.0) for at in range(5 * WINDOW)]
    Feedback.objects.bulk_create(plays)
    for at in (2 * WINDOW, 3 * WINDOW, 4 * WINDOW + 1):
        slate_of(alice.listener, plays[at].occurred_at, [track.pk for track in tracks])

    whole = build(replace(SMALL, held_out_share=1e-9), as_of=LATER)

    assert whole.description["feedback_rows"] == whole.description["transitions"] == 3 * WINDOW
    assert whole.table.ids_T[whole.track_N].tolist() == [each.track_id for each in plays[: 2 * WINDOW - 1 : -1]]
    # What was known at the earlier slates is no longer read.
    assert whole.states["row_open_ML"][whole.offers.state_J].sum(axis=1).tolist() == [WINDOW]


def test_what_was_shown_and_not_played_was_passed_over_as_far_as_anyone_looked(alice: Account, tracks: list[Track]) -> None:
    shown = [track.pk for track in tracks[:12]]
    looked_at, _ignored = (slate_of(alice.listener, MONDAY + timedelta(minutes=minute), shown) for minute in (0, 1))
    played = tracks[2]
    play(alice.listener, played, MONDAY + timedelta(minutes=5), 60.0, recommendation=looked_at).save()
    Feedback.objects.bulk_create(
        play(alice.listener, track, MONDAY + timedelta(minutes=8 + 3 * number), 60.0)
        for number, track in enumerate(tracks[:12])
    )
    dataset = build(replace(SMALL, held_out_share=1e-9), as_of=LATER)
    passed = dataset.table.ids_T[dataset.passed_track_K].tolist()

    assert passed == [track for track in shown[: 3 + LOOKED_BEYOND] if track != played.pk]
    assert set(dataset.passed_listener_K.tolist()) == {alice.listener.pk}


def test_too_little_is_refused_with_what_is_missing(alice: Account, tracks: list[Track]) -> None:
    play(alice.listener, tracks[0], MONDAY, 3.0).save()

    with pytest.raises(NotEnoughToLearnFrom, match="1 tracks were played; the recommender needs at least 10"):
        build(SMALL, as_of=LATER)
