"""The next-track benchmark: what may be learnt from, and peers with known answers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from bench.next_track import ABLATIONS, PEERS, Hits
from bench.next_track_log import Listening
from bench.next_track_peers import SIGNALS, Combination, Counts, by_one, top_of
from bench.next_track_sessions import LEARNT_SHARE, Plays, changes_artist

TRACKS = 30


def write_plays(path: Path, seed: int, slices: int = 2) -> Path:
    """Sessions that walk through the tracks in order: after t comes t + 1. Three tracks each are of one artist."""
    generator = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["slice", "user_id", "session_id", "unix_time", "track_id", "artist_id"])
        for session in range(60):
            began, first = 1_400_000_000 + 50_000 * session, int(generator.integers(TRACKS))
            for place in range(8):
                track = (first + place) % TRACKS
                listener, number, moment = session % 12, f"s{seed}-{session}", began + 240 * place
                writer.writerow([session % slices, listener, number, moment, f"t{track:02}", f"a{track // 3:02}"])
    return path


@pytest.fixture
def plays(tmp_path: Path) -> Plays:
    return Plays.read(write_plays(tmp_path / "plays.csv", seed=1), None)


def test_each_slice_is_split_by_its_own_time(plays: Plays) -> None:
    assert 0.6 < plays.learnt_N.mean() < 0.8
    for listener in range(12):
        mine = plays.listener_N == listener
        assert (np.diff(plays.time_N[mine]) >= 0).all()
    learnt, later = plays.learnt_N, ~plays.learnt_N
    assert plays.until_N[learnt].max() < LEARNT_SHARE <= plays.until_N[later].min()


def test_of_two_files_the_first_is_learnt_from_as_a_whole_and_70_percent_of_the_other(tmp_path: Path) -> None:
    train, test = write_plays(tmp_path / "train.csv", seed=1), write_plays(tmp_path / "test.csv", seed=2)
    both = Plays.read(train, test)
    alone = Plays.read(test, None)

    assert (~both.learnt_N).sum() == (~alone.learnt_N).sum()
    assert len(both.steps_M()) == len(alone.steps_M())


def test_validation_sees_nothing_of_what_is_measured(plays: Plays) -> None:
    earlier = plays.for_validation()

    assert len(earlier.track_N) == plays.learnt_N.sum()
    assert 0 < len(earlier.steps_M()) < len(plays.steps_M())


def test_what_is_predicted_reaches_no_training(plays: Plays) -> None:
    from recsys.learning.configuration import RecommenderConfiguration

    listening = Listening.of(plays)
    dataset = listening.dataset(RecommenderConfiguration(held_out_share=1e-9))

    assert len(dataset.track_N) == plays.learnt_N.sum()
    assert set((dataset.table.ids_T - 1).tolist()) == set(np.flatnonzero(plays.known_T()).tolist())
    counted = Counts.of(plays)
    assert counted.popularity_T.sum() == plays.learnt_N.sum()


def test_a_state_holds_what_came_before_the_step_and_no_more(plays: Plays) -> None:
    listening = Listening.of(plays)
    for at in plays.steps_M()[:20].tolist():
        state = listening.state(at)
        assert [row.track_id - 1 for row in state.rows] == plays.track_N[max(plays.first_of(at), at - 50) : at].tolist()
        assert all(row.received_at <= state.moment for row in state.rows)


def test_peers_find_what_always_follows(plays: Plays) -> None:
    counts = Counts.of(plays)
    steps_M = plays.steps_M()
    combination = Combination.of(Counts.of(plays.for_validation()), plays.for_validation().steps_M())
    known_T = plays.known_T()
    tops = {name: [top_of(by_one(counts.signals(at), name), known_T) for at in steps_M] for name in SIGNALS[:4]}
    tops["combination"] = [combination.top(counts.signals(at)) for at in steps_M]
    hits = {name: Hits.of(np.array(top), plays, steps_M).track_M.mean() for name, top in tops.items()}

    assert set(tops) == set(PEERS)
    assert hits["same artist"] > hits["popularity"]
    assert hits["co-occurrence"] > 0.9
    assert hits["combination"] > 0.9


def test_a_step_changes_artist_where_the_track_before_it_was_anothers(plays: Plays) -> None:
    steps_M = plays.steps_M()
    expected = plays.artist_T[plays.track_N[steps_M]] != plays.artist_T[(plays.track_N[steps_M] - 1) % TRACKS]

    assert (changes_artist(plays, steps_M) == expected).all()


def test_each_loss_term_is_left_out_once() -> None:
    assert list(ABLATIONS) == [
        "ours without next-track loss",
        "ours without reward loss",
        "ours without returns",
        "ours without conservative term",
    ]
