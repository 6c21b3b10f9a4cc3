"""What a piece becomes in the replay: its end never bootstraps, a piece that was cut goes on, and G is asked what it was asked
while it wrote."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from composer.constraints import Plan
from composer.learning.condition import CONDITION, condition
from composer.learning.episodes import episodes_of
from composer.learning.network import Prior
from composer.learning.policy import new_heads
from composer.learning.writing import Writer, Written
from composer.steering import Steering
from dqn.targets import log_policy


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
        # Every open token is listed, and no other one is open: the target closes what acting closed.
        for kind, first in (("pitch", 0), ("duration", 1)):
            listed_NK = episodes.observation[f"open_{kind}"][row, :length].long()
            open_NA = pieces.trace[f"{kind}_mask"][row, :length]
            mask_NK = episodes.mask_BTA[row, first : 2 * length : 2]
            assert torch.equal(mask_NK, open_NA.gather(-1, listed_NK))
            assert torch.equal(mask_NK.sum(dim=-1), open_NA.sum(dim=-1))
            assert not mask_NK.all()
    assert (episodes.action_BT == 0).all()
    assert episodes.observation["condition"].shape == (2, CONDITION)


def test_the_replay_shows_g_what_it_saw_while_it_wrote() -> None:
    torch.manual_seed(0)
    prior = Prior(inputs=32, hidden=32, body=32).eval()
    advantage, _ = new_heads(prior)
    for weights, spread in ((prior, 0.3), (advantage, 0.15)):
        for weight in weights.parameters():
            torch.nn.init.normal_(weight, std=spread)
    asked = [
        Steering(bars=2),
        Steering(style="jig", metre=(6, 8), tonic=7, mode="mixolydian", bars=4),
        Steering(bars=4, tonic=9, mode="minor", lowest=48, highest=83),
        Steering(metre=(3, 4), bars=8),
    ]
    plans = [Plan(steering=steering) for steering in asked for _ in range(4)]
    pieces = Writer(prior=prior, advantage=advantage.eval(), prior_temperature=1.34).write(
        plans,
        styles=[0] * len(plans),
        condition_BC=np.stack([condition(plan) for plan in plans]),
        generators=[np.random.default_rng(row) for row in range(len(plans))],
        keep_trace=True,
    )
    notes = max(len(melody.notes) for melody in pieces.melodies)

    episodes = episodes_of(pieces, np.zeros((len(plans), notes)), np.zeros((len(plans), 3)), 1.0, 2 * notes)

    with torch.no_grad():
        g_BTK = advantage(episodes.observation)
        assert episodes.log_prior_BTA is not None
        log_pi_BT = log_policy(g_BTK, episodes.log_prior_BTA, episodes.mask_BTA, 1.0)[..., 0]
    found_B = (log_pi_BT * episodes.valid_BT).sum(dim=1).numpy()
    # The prior's view is kept in half precision: eleven bits, of which a step feels a few parts in ten thousand.
    assert np.abs(found_B - pieces.log_policy_B).max() < 3e-4 * pieces.steps_B.max()
    assert np.abs(pieces.log_policy_B).min() > 1.0
