"""What listeners play next by themselves: known answers of the tables, and of logs in which it is known what follows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from accounts.models import Listener
from recsys.learning.configuration import RecommenderConfiguration
from recsys.learning.dqn_policy import DqnPolicy
from recsys.learning.features import build_state
from recsys.learning.following import steps_within
from recsys.learning.network import RecommenderNetwork
from recsys.learning.next_choices import next_tracks_of
from recsys.learning.next_tracks import KINDS, NextTracks, gates
from recsys.learning.played_rows import FEATURES, PlayedRows
from recsys.learning.policy import load_policy
from recsys.learning.replay_dataset import build
from recsys.learning.training import train
from recsys.learning.windows import CLOCK_NAMES, KIND_INDEX, SIGNAL_NAMES
from recsys.models import Feedback, Recommendation, Track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, Context, play
from training.models import PolicyVersion

LATER = MONDAY + timedelta(days=20)
Sequences = list[list[int]]


def test_steps_are_counted_inside_sessions_and_without_ones_own() -> None:
    session_N = np.array([1, 1, 1, 2, 2])
    track_N = np.array([0, 1, 2, 0, 2])
    counted = steps_within(session_N, track_N, np.ones(5, dtype=np.bool_), 1, both_ways=False, tracks=3)
    table = counted.table()
    _, track_E, share_E = table.of_rows(np.array([0]))

    assert dict(zip(track_E.tolist(), share_E.tolist(), strict=True)) == {1: 0.5, 2: 0.5}
    assert table.total_P.tolist() == [2.0, 1.0, 0.0]
    share, total = counted.without(np.array([1, 2, 1]), np.array([0, 0, 1]), np.array([2, 2, 2]))
    assert share.tolist() == [1.0, 0.0, 0.0]
    assert total.tolist() == [1.0, 1.0, 0.0]


def test_what_lies_further_apart_counts_less_and_what_was_no_choice_not_at_all() -> None:
    is_choice_N = np.array([True, True, False, True])
    counted = steps_within(np.ones(4, dtype=np.int64), np.arange(4), is_choice_N, 3, both_ways=True, tracks=4)
    _, track_E, share_E = counted.table().of_rows(np.array([0]))

    assert dict(zip(track_E.tolist(), (share_E / share_E.sum()).round(4).tolist(), strict=True)) == {
        1: pytest.approx(1 / (1 + 3**-0.5), abs=1e-4),
        3: pytest.approx(3**-0.5 / (1 + 3**-0.5), abs=1e-4),
    }


def test_rows_know_their_place_in_the_sequence() -> None:
    """Played: 7, 8, 9, 7 – the newest track was played before, and 8 came after it."""
    signal_NLS = np.zeros((1, 5, len(SIGNAL_NAMES)))
    signal_NLS[0, :, KIND_INDEX["play"]] = 1.0
    signal_NLS[0, 3, KIND_INDEX["play"]] = 0.0  # a like between two plays is no play
    artist_T = np.array([0, 0, 0, 0, 0, 0, 0, 5, 6, -1])
    rows = PlayedRows.of(
        np.array([[7, 8, 9, 9, 7]]), np.ones((1, 5), dtype=np.bool_), signal_NLS, np.zeros((1, len(CLOCK_NAMES))), artist_T
    )

    assert rows.track_NL[0, :4].tolist() == [7, 9, 8, 7]
    assert rows.open_NL[0].tolist() == [True] * 4 + [False]
    assert rows.feature_NLF[0, :, FEATURES.index("followed_newest")].tolist() == [0, 0, 1, 0, 0]
    assert rows.feature_NLF[0, :, FEATURES.index("heard_later")].tolist() == [0, 0, 0, 1, 0]
    assert rows.feature_NLF[0, :, FEATURES.index("same_artist")].tolist() == [1, 0, 0, 1, 0]


def listen(sequences: Sequences, tracks: list[Track], **fields: object) -> list[Listener]:
    """Everybody plays a sequence of tracks to their ends, one after another."""
    listeners, rows = [], []
    for number, sequence in enumerate(sequences):
        listener = Listener.objects.create(pk=FIRST_ID + number, external_id=f"listener {number}")
        listeners.append(listener)
        for place, at in enumerate(sequence):
            ended = MONDAY + timedelta(days=number % 7, minutes=4 * place, seconds=number)
            rows.append(play(listener, tracks[at], ended, tracks[at].duration_seconds, **fields))
    Feedback.objects.bulk_create(rows)
    return listeners


SHORT = replace(SMALL, updates=200)


def one_who_just_played(track: Track) -> Listener:
    """A listener with one play, a minute ago."""
    listener = Listener.objects.create(external_id=str(uuid.uuid4()))
    play(listener, track, LATER - timedelta(minutes=1), track.duration_seconds).save()
    return listener


def trained_on_the_log(folder: Path, configuration: RecommenderConfiguration = SHORT) -> Path:
    """A checkpoint of everything that happened until now."""
    dataset = build(configuration, as_of=MONDAY + timedelta(days=15))
    return train(Context(folder=folder, configuration=configuration), dataset).checkpoint


@pytest.fixture
def followed(make_tracks: Callable[[int], list[Track]], tmp_path: Path) -> tuple[list[Track], Path]:
    """Thirty-six tracks in any order, but 1 always comes after 0, and 3 after 2."""
    tracks = make_tracks(36)
    generator = np.random.default_rng(8)
    sequences: Sequences = []
    for _ in range(60):
        order = [at for at in generator.permutation(36).tolist() if at not in (1, 3)][:10]
        sequences.append([heard for at in order for heard in ([at, at + 1] if at in (0, 2) else [at])])
    listen(sequences, tracks)
    return tracks, trained_on_the_log(tmp_path)


def test_what_always_followed_a_track_is_recommended_after_it(followed: tuple[list[Track], Path]) -> None:
    tracks, checkpoint = followed
    policy = load_policy("dqn", checkpoint)

    for first in (0, 2):
        state = build_state(one_who_just_played(tracks[first]), LATER)
        assert policy.top(state, 1, []) == [tracks[first + 1].pk]
        cause = next(
            reason
            for reason in policy.explain(state, [tracks[first + 1].pk], [track.pk for track in tracks])[0]
            if reason.kind == "heard"
        )
        assert cause.track_id == tracks[first].pk
        assert cause.contribution > SMALL.serving_temperature * np.log(36 / 4)


def test_served_gates_are_the_trained_ones(followed: tuple[list[Track], Path]) -> None:
    _, checkpoint = followed
    policy = DqnPolicy.load(checkpoint)
    network = RecommenderNetwork(SMALL, np.zeros((4, 2)), 0)
    own = {name: torch.as_tensor(policy.weights[name]).float() for name in network.state_dict() if name.startswith("next_")}
    network.load_state_dict(own, strict=False)
    generator = np.random.default_rng(2)
    feature_NLF = generator.normal(size=(3, 5, len(FEATURES))).astype(np.float32)
    total_NLK = np.maximum(generator.normal(size=(3, 5, len(KINDS))), 0.0)
    with torch.no_grad():
        theirs = network.next_gates(torch.as_tensor(feature_NLF), torch.as_tensor(total_NLK).float())

    assert gates(policy.weights, feature_NLF, total_NLK) == pytest.approx(theirs.numpy(), rel=1e-4)


def test_who_plays_an_artist_gets_more_of_that_artist(make_tracks: Callable[[int], list[Track]], tmp_path: Path) -> None:
    tracks = make_tracks(40)
    for at, track in enumerate(tracks):
        track.artist = f"artist {at % 4}"
    Track.objects.bulk_update(tracks, ["artist"])
    generator = np.random.default_rng(4)
    sequences = [(4 * generator.permutation(10)[:6] + number % 4).tolist() for number in range(60)]
    listen(sequences, tracks)
    policy = load_policy("dqn", trained_on_the_log(tmp_path))

    for at in range(4):
        heard = tracks[20 + at]
        best = policy.top(build_state(one_who_just_played(heard), LATER), 8, [heard.pk])
        assert {track.artist for track in tracks if track.pk in best} == {f"artist {at}"}


def test_what_was_recommended_says_nothing_of_what_people_choose(
    make_tracks: Callable[[int], list[Track]], tmp_path: Path
) -> None:
    tracks = make_tracks(12)
    version = PolicyVersion.objects.create(slot="recommender", kind="random")
    somebody = Listener.objects.create(external_id="somebody")
    slate = Recommendation.objects.create(
        listener=somebody, created_at=MONDAY, slot="recommender", policy_version=version, seed=1, epsilon=1.0, context={},
        dials={}, banned=[], candidates=[], tracks=[], scores=[], probabilities=[], reasons=[],
    )  # fmt: skip
    listen([list(range(12))] * 4, tracks, recommendation=slate)
    dataset = build(SMALL, as_of=MONDAY + timedelta(days=15))

    assert not dataset.is_own_choice_N.any()
    assert next_tracks_of(dataset) == (None, None)
    policy = DqnPolicy.load(train(Context(folder=tmp_path), dataset).checkpoint)
    assert policy.next_tracks is None


def test_tables_come_back_from_a_checkpoint(followed: tuple[list[Track], Path]) -> None:
    _, checkpoint = followed
    tables = DqnPolicy.load(checkpoint).next_tracks
    assert tables is not None
    again = NextTracks.of_weights(tables.weights())

    assert again is not None
    assert np.array_equal(again.after.track_E, tables.after.track_E)
    assert np.array_equal(again.plays_P, tables.plays_P)


def test_weight_0_leaves_it_out(make_tracks: Callable[[int], list[Track]], tmp_path: Path) -> None:
    tracks = make_tracks(8)
    listen([list(range(8))] * 6, tracks)
    checkpoint = trained_on_the_log(tmp_path, replace(SMALL, next_track_weight=0.0))

    assert DqnPolicy.load(checkpoint).next_tracks is None
