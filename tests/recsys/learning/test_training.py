"""Training finds the answer that is known by construction, and what it exports is what it trained."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from accounts.models import Listener
from dqn.checkpoint import BrokenCheckpoint, read_checkpoint
from recsys.learning.credit import steps_of
from recsys.learning.dqn_policy import TRACK_MATRIX, DqnPolicy
from recsys.learning.features import Arrays, Scaling, build_state, encode_state, track_table
from recsys.learning.network import RecommenderNetwork
from recsys.learning.next_tracks import Placed
from recsys.learning.played_rows import PlayedRows
from recsys.learning.policy import load_policy
from recsys.learning.replay_dataset import ReplayDataset, build
from recsys.learning.training import STATE, prepare, train
from recsys.learning.windows import SIGNAL_NAMES
from recsys.models import Track
from recsys.rewards import RewardWeights
from tests.conftest import unsaved_track
from tests.recsys.learning.conftest import FIRST_ID, MONDAY, SMALL, Context, likes
from training.slots import LeaseLost, StopRequested

NOW = MONDAY + timedelta(days=3, minutes=30)


SHORT = replace(SMALL, updates=150, save_every_updates=50)


def scores_of_network(
    network: RecommenderNetwork, arrays: Arrays, track_rows: NDArray[np.int64], placed: Placed | None = None
) -> NDArray[np.float64]:
    """scores_HN of one encoded state by the trained network itself: what the exported towers and gates are held against."""
    observation = {
        "row_track_BL": torch.as_tensor(arrays["row_track_L"])[None],
        "row_open_BL": torch.as_tensor(arrays["row_open_L"])[None],
        "row_signal_BLS": torch.as_tensor(arrays["row_signal_LS"])[None],
        "clock_BC": torch.as_tensor(arrays["clock_C"])[None],
        "declared_BS": torch.as_tensor(arrays["declared_S"])[None],
        "pool_A": torch.as_tensor(track_rows),
    }
    network.eval()
    with torch.no_grad():
        scores: NDArray[np.float64] = network(observation)[0].double().numpy()
        if placed is not None:
            scores += _next_scores(network, arrays, placed)[track_rows]
    return scores


def _next_scores(network: RecommenderNetwork, arrays: Arrays, placed: Placed) -> NDArray[np.float64]:
    """What the network's gates add to the score of each track of the table."""
    one = {name: array[None] for name, array in arrays.items()}
    played = PlayedRows.of(one["row_track_L"], one["row_open_L"], one["row_signal_LS"], one["clock_C"], placed.artist_T)
    totals = torch.as_tensor(placed.totals(played), dtype=torch.float32)
    gate_LK = network.next_gates(torch.as_tensor(played.feature_NLF), totals)[0].double().numpy()
    log_chance_T = placed.log_background_T.copy()
    named, lift = placed.lift(played.track_NL[0][played.open_NL[0]], gate_LK[played.open_NL[0]])
    log_chance_T[named] += lift
    return network.configuration.next_track_weight * network.configuration.serving_temperature * log_chance_T


def test_each_listener_gets_the_styles_they_hear_out(
    trained: Path, checkerboard: list[Listener], checkerboard_tracks: list[Track]
) -> None:
    policy = load_policy("dqn", trained)
    by_id = {track.pk: track for track in checkerboard_tracks}

    for number in (0, 1, 6, 7):
        best = policy.top(build_state(checkerboard[number], NOW), 10, [])
        assert sum(likes(number, by_id[track_id]) for track_id in best) >= 9


def test_a_new_track_is_scored_on_the_day_it_arrives(trained: Path, checkerboard: list[Listener]) -> None:
    policy = load_policy("dqn", trained)
    new = [unsaved_track(200 + number, pk=FIRST_ID + 200 + number, style=style) for number, style in enumerate(("reel", "jig"))]
    reel, jig = Track.objects.bulk_create(new)

    even, odd = (policy.score(build_state(checkerboard[number], NOW), [reel.pk, jig.pk]).mean(axis=0) for number in (0, 1))
    assert even[0] > even[1]
    assert odd[1] > odd[0]


def test_where_nobody_declared_a_style_declaring_one_moves_nothing(
    trained: Path, checkerboard: list[Listener], dataset: ReplayDataset
) -> None:
    policy = load_policy("dqn", trained)
    state, ids = build_state(checkerboard[0], NOW), dataset.table.ids_T.tolist()

    assert policy.score(replace(state, styles=("jig",)), ids) == pytest.approx(policy.score(state, ids), abs=1e-6)


def test_exported_scores_are_the_trained_ones(trained: Path, dataset: ReplayDataset, checkerboard: list[Listener]) -> None:
    checkpoint = read_checkpoint(trained)
    scaling = Scaling.of(dataset.table)
    network = RecommenderNetwork(SMALL, scaling.content(dataset.table), len(scaling.styles))
    weights = {name: torch.as_tensor(weight) for name, weight in checkpoint.weights.items()}
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    policy = DqnPolicy.load(trained)

    for listener in checkerboard[:5]:
        state = build_state(listener, NOW)
        placed = policy.vectors(track_table()).placed
        assert placed is not None
        theirs = scores_of_network(
            network, encode_state(state, dataset.table, dataset.weights), np.arange(len(dataset.table)), placed
        )
        assert policy.score(state, dataset.table.ids_T.tolist()) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(("models", "width"), [(2, 4), (7, 2), (3, 0)])
def test_any_number_of_taste_models_serves_as_it_was_trained(
    models: int, width: int, dataset: ReplayDataset, checkerboard: list[Listener], tmp_path: Path
) -> None:
    configuration = replace(SHORT, taste_models=models, identity_width=width)
    folder = train(Context(folder=tmp_path, configuration=configuration), dataset).checkpoint
    scaling = Scaling.of(dataset.table)
    network = RecommenderNetwork(configuration, scaling.content(dataset.table), len(scaling.styles))
    weights = {name: torch.as_tensor(weight) for name, weight in read_checkpoint(folder).weights.items()}
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    policy, state = DqnPolicy.load(folder), build_state(checkerboard[0], NOW)
    placed = policy.vectors(track_table()).placed

    theirs = scores_of_network(
        network, encode_state(state, dataset.table, dataset.weights), np.arange(len(dataset.table)), placed
    )
    assert policy.score(state, dataset.table.ids_T.tolist()) == pytest.approx(theirs, abs=1e-5)


def test_what_is_left_early_is_served_as_it_was_trained(checkerboard: list[Listener], tmp_path: Path) -> None:
    weights = RewardWeights(early_leave_seconds=1.0)
    lenient, strict = (build(SHORT, as_of=NOW, weights=each) for each in (weights, RewardWeights()))
    left_early = SIGNAL_NAMES.index("left_early")
    assert strict.states["row_signal_MLS"][:, :, left_early].any()
    assert not lenient.states["row_signal_MLS"][:, :, left_early].any()

    policy = DqnPolicy.load(train(Context(folder=tmp_path, configuration=SHORT), lenient).checkpoint)

    assert policy.reward_weights == weights
    arrays, _ = policy.seen(build_state(checkerboard[0], NOW), policy.vectors(lenient.table))
    assert not arrays["row_signal_LS"][:, :, left_early].any()


def test_top_is_the_order_of_the_mean_scores(trained: Path, checkerboard: list[Listener], dataset: ReplayDataset) -> None:
    policy = load_policy("dqn", trained)
    state = build_state(checkerboard[2], NOW)
    ids = dataset.table.ids_T
    best = ids[np.argsort(-policy.score(state, ids.tolist()).mean(axis=0))]

    assert policy.top(state, 7, []) == best[:7].tolist()
    assert policy.top(state, 7, best[:3].tolist()) == best[3:10].tolist()


def test_a_checkpoint_of_an_earlier_version_is_refused_and_says_what_to_do(trained: Path) -> None:
    checkpoint = read_checkpoint(trained)
    weights = {name: weight for name, weight in checkpoint.weights.items() if name != "lookahead_H"}

    with pytest.raises(BrokenCheckpoint, match="lookahead_H is missing; train again"):
        DqnPolicy(replace(checkpoint, weights=weights), matrix_PW=None)


def test_two_runs_of_one_seed_give_the_same_weights(dataset: ReplayDataset, tmp_path: Path) -> None:
    first = read_checkpoint(train(Context(folder=tmp_path / "one", configuration=SHORT), dataset).checkpoint).weights
    second = read_checkpoint(train(Context(folder=tmp_path / "two", configuration=SHORT), dataset).checkpoint).weights

    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("changes", [{}, {"lambda_return": 0.7, "target_tracks": 8, "behaviour_filter": 0.3}])
def test_a_stopped_run_goes_on_to_the_same_weights(dataset: ReplayDataset, tmp_path: Path, changes: dict[str, Any]) -> None:
    shape = replace(SHORT, **changes)
    whole = read_checkpoint(train(Context(folder=tmp_path / "whole", configuration=shape), dataset).checkpoint).weights
    stopped = Context(folder=tmp_path / "stopped", configuration=shape, stop_at_step=100, stop_with=StopRequested)
    with pytest.raises(StopRequested):
        train(stopped, dataset)
    torch.manual_seed(99)

    resumed = read_checkpoint(train(stopped, dataset).checkpoint).weights
    assert "Goes on after 100 updates." in stopped.lines
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


def test_tastes_that_are_reckoned_ahead_are_those_of_the_network(dataset: ReplayDataset) -> None:
    learner, replay = prepare(SHORT, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    network, batch = learner.network, replay.rows(torch.arange(SHORT.batch_size))
    assert isinstance(network, RecommenderNetwork)

    assert torch.equal(batch.observation["taste_BZ"], network.taste(batch.observation))
    assert torch.equal(batch.next_observation["taste_BZ"], network.taste(batch.next_observation))
    assert batch.observation["taste_BZ"].any()


def test_a_run_that_was_killed_before_its_track_matrix_was_written_writes_it(dataset: ReplayDataset, tmp_path: Path) -> None:
    checkpoint = train(Context(folder=tmp_path, configuration=SHORT), dataset).checkpoint
    matrix = (checkpoint / TRACK_MATRIX).read_bytes()
    (checkpoint / TRACK_MATRIX).unlink()
    (checkpoint / f".{TRACK_MATRIX}").write_bytes(matrix[:100])

    assert train(Context(folder=tmp_path, configuration=SHORT), dataset).checkpoint == checkpoint

    assert (checkpoint / TRACK_MATRIX).read_bytes() == matrix
    assert not (checkpoint / f".{TRACK_MATRIX}").exists()


def test_a_worker_that_lost_its_lease_writes_nothing(dataset: ReplayDataset, tmp_path: Path) -> None:
    with pytest.raises(LeaseLost):
        train(Context(folder=tmp_path, stop_at_step=100, stop_with=LeaseLost), dataset)

    assert not (tmp_path / STATE).exists()
    assert not (tmp_path / "checkpoint").exists()


def test_curves_show_loss_and_q(dataset: ReplayDataset, tmp_path: Path) -> None:
    context = Context(folder=tmp_path, configuration=SHORT)
    train(context, dataset)

    assert {"td_loss", "td_error", "mean_q", "held_out_error"} <= set(context.points)
    assert context.points["td_error"][-1] < context.points["td_error"][0]


def test_the_towers_learn_from_rewards_and_not_from_returns(dataset: ReplayDataset) -> None:
    learner, replay = prepare(SMALL, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    network = learner.network
    assert isinstance(network, RecommenderNetwork)
    batch = replay.rows(torch.arange(SMALL.batch_size))
    network(batch.observation).sum().backward()
    reached = {name for name, weight in network.named_parameters() if weight.grad is not None}

    assert reached == {"value_hidden.weight", "value_hidden.bias", "value.weight", "value.bias", "after_XH", "lookahead_H"}


def test_the_next_state_is_valued_by_what_was_really_played_next(dataset: ReplayDataset) -> None:
    _, replay = prepare(SMALL, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    batch = replay.rows(torch.arange(SMALL.batch_size))
    steps = steps_of(dataset, SMALL.n_steps)
    taught = np.flatnonzero(~dataset.is_held_out_N)[: SMALL.batch_size]
    went_on = steps.next_track_N[taught] >= 0

    assert batch.next_mask_BA.sum(dim=1).tolist() == [1] * SMALL.batch_size
    assert batch.next_mask_BA[:, 0].tolist() == went_on.tolist()
    assert batch.next_observation["taken_B"][torch.as_tensor(went_on)].tolist() == steps.next_track_N[taught][went_on].tolist()


def test_a_bandit_learns_rewards_without_what_follows(dataset: ReplayDataset) -> None:
    configuration = replace(SMALL, discount=0.0)
    learner, replay = prepare(configuration, dataset, Scaling.of(dataset.table), seed=1, device="cpu")
    figures = learner.run(replay, 300)

    assert configuration.learner().discount == 0.0
    assert figures["loss"] < 1.0
