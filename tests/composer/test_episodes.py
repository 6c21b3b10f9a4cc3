"""What a piece becomes in the replay: its end never bootstraps, a piece that was cut goes on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from composer.constraints import Plan
from composer.learning.condition import CONDITION, condition
from composer.learning.episodes import episodes_of
from composer.learning.network import Prior
from composer.learning.writing import Writer, Written
from composer.steering import Steering


def written() -> Written:
    """Two pieces of one and of three bars by an untrained prior."""
    torch.manual_seed(0)
    plans = [Plan(steering=Steering(bars=bars)) for bars in (1, 3)]
    return Writer(prior=Prior(inputs=8, hidden=8, body=8).eval()).write(
        plans,
        styles=[0, 0],
        condition_BC=np.stack([condition(plan) for plan in plans]),
        generators=[np.random.default_rng(seed) for seed in (1, 2)],
        keep_trace=True,
    )


def test_the_last_note_has_the_reward_and_no_successor_and_a_cut_piece_bootstraps() -> None:
    pieces = written()
    notes = [len(melody.notes) for melody in pieces.melodies]
    reward_BN = np.zeros((2, max(notes)))
    reward_BN[0, notes[0] - 1], reward_BN[1, 0] = 5.0, 2.0
    steps = 2 * (notes[1] - 1)
    assert notes[0] < notes[1] - 1

    episodes = episodes_of(pieces, reward_BN, np.zeros((2, 3)), 0.9, steps)

    last = 2 * notes[0] - 1
    assert episodes.valid_BT.sum(dim=1).tolist() == [2 * notes[0], steps]
    # The first piece ends within the episode; the second one is longer than it.
    assert episodes.discount_BT[0, last] == 0.0
    assert (episodes.discount_BT[0, :last] > 0).all()
    assert (episodes.discount_BT[1] > 0).all()
    # The duration earns what the note does, the pitch nothing.
    assert episodes.reward_BT[0].nonzero().flatten().tolist() == [last]
    assert episodes.reward_BT[1].nonzero().flatten().tolist() == [1]
    # How likely the kept notes of the cut one were is not known: it counts as written for sure, and is hardly imitated.
    assert episodes.observation["log_behaviour"].tolist() == [pytest.approx(pieces.log_behaviour_B[0], rel=1e-5), 0.0]


def test_what_was_taken_stands_first_and_is_open() -> None:
    pieces = written()
    episodes = episodes_of(pieces, np.zeros((2, 40)), np.zeros((2, 3)), 1.0, 48)
    assert pieces.trace is not None

    for row, melody in enumerate(pieces.melodies):
        length = len(melody.notes)
        assert (episodes.observation["open_pitch"][row, :length, 0] == pieces.trace["pitch"][row, :length]).all()
        assert (episodes.observation["open_duration"][row, :length, 0] == pieces.trace["duration"][row, :length]).all()
        assert episodes.mask_BTA[row, : 2 * length, 0].all()
    assert (episodes.action_BT == 0).all()
    assert episodes.observation["condition"].shape == (2, CONDITION)
