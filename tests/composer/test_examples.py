"""People's tunes stand in the replay note for note, judged without being called copies."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from composer.constraints import Plan
from composer.learning.condition import condition
from composer.learning.examples import ExampleGuide, Examples
from composer.learning.network import Prior
from composer.learning.policy import load_policy
from composer.learning.policy_training import LONG_STEPS, PolicyTraining
from composer.learning.replay_dataset import MelodyDataset, Tune
from composer.learning.training import measure_bands
from composer.learning.writing import Writer
from composer.steering import Steering
from composer.tokens import duration_number, pitch_token
from dqn.replay import Episodes
from music.notes import Melody, Note
from tests.composer.conftest import CHECKPOINT
from tests.composer.test_learning import Context, policy_configuration, toy_tune


def tunes(count: int = 8) -> list[Tune]:
    return [Tune(melody=toy_tune(number), style="toy", group=str(number)) for number in range(count)]


def open_tune() -> Tune:
    """No bar comes again, and it ends as a piece must: nothing of it is closed."""
    steps = (0, 4, 2, 5, 4, 7, 5, 9, 7, 5, 9, 7, 11, 9, 7, 4, 2, 0, 4, 5, 2, 4, 0, 2, 9, 11, 7, 5, 4, 2)
    notes = (*(Note(60 + step, Fraction(1, 2)) for step in steps), Note(60, Fraction(1)))
    return Tune(melody=Melody(notes=notes, metre=(4, 4), tonic=0, mode="major"), style="toy", group="0")


class Watched(PolicyTraining):
    """Keeps the batches that its learner updates from."""

    batches: list[Episodes]

    def _imitate_best(self, network: torch.nn.Module, batch: Episodes) -> dict[str, Tensor]:
        self.batches.append(batch)
        return super()._imitate_best(network, batch)


@pytest.fixture
def training(trained_folder: Path, tmp_path: Path) -> Watched:
    configuration = policy_configuration(short_share=0.0, human_share=0.25, batch_size=16, replay_pieces=32)
    dataset = MelodyDataset((open_tune(),), kept_aside=())
    prior = load_policy("prior", trained_folder / CHECKPOINT)
    with_bands = replace(prior, settings=prior.settings | {"bands": measure_bands(dataset)})
    watched = Watched(Context(configuration, tmp_path), dataset, configuration, with_bands, None)
    watched.batches = []
    return watched


def is_tune_B(episodes: Episodes, melody: Melody) -> Tensor:
    """Which episodes are this melody from the first note to the last; the taken token is listed first."""
    count = len(melody.notes)
    pitches = torch.tensor([pitch_token(note.pitch, melody.tonic) for note in melody.notes])
    durations = torch.tensor([duration_number(note.quarters) for note in melody.notes])
    observation = episodes.observation
    is_same_B = (observation["open_pitch"][:, :count, 0] == pitches).all(dim=1)
    is_same_B &= (observation["open_duration"][:, :count, 0] == durations).all(dim=1)
    return is_same_B & (episodes.valid_BT.sum(dim=1) == 2 * count) & (episodes.discount_BT[:, 2 * count - 1] == 0)


def test_a_rollout_puts_peoples_tunes_whole_into_the_replay_with_what_the_judge_gives(training: Watched) -> None:
    training.roll_out()

    replay = training.replays[LONG_STEPS]
    stored = replay.rows(torch.arange(len(replay)))
    (plan, melody), *_ = training.examples.draw(1, np.random.default_rng(0))
    of_people_B = is_tune_B(stored, melody)
    # Twice the eight pieces of a rollout, and a quarter as many tunes beside them, at the end of the batch.
    assert of_people_B.tolist() == [False] * 16 + [True] * 4
    reward_N = training.judge_of_people.rewards(melody, plan.steering)
    for reward_T in stored.reward_BT[of_people_B]:
        assert reward_T[1 : 2 * len(melody.notes) : 2].tolist() == pytest.approx(reward_N, abs=1e-5)
        assert reward_T[0::2].eq(0).all()
    # It stands in the catalogue whole, and is not fined as a copy for that.
    assert reward_N.sum() > training.judge.rewards(melody, plan.steering).sum()


def test_the_learner_updates_from_peoples_tunes_too(training: Watched) -> None:
    training.configuration = replace(training.configuration, updates=4)
    training.run()

    found = [int(is_tune_B(batch, open_tune().melody).sum()) for batch in training.batches]
    assert len(found) == 4
    assert 0 < sum(found) < sum(len(batch) for batch in training.batches)


def test_examples_are_beginnings_of_tunes_and_ask_for_their_kind() -> None:
    found = Examples(tunes()).draw(5, np.random.default_rng(1))

    assert len(found) == 5
    for plan, melody in found:
        steering = plan.steering
        assert (steering.style, steering.metre, steering.tonic, steering.bars) == ("toy", (4, 4), melody.tonic, 4)
        assert all(steering.lowest <= note.pitch <= steering.highest for note in melody.notes if note.pitch is not None)


def test_where_no_tune_fits_there_are_none() -> None:
    short = Melody(notes=(Note(60, Fraction(4)),), metre=(4, 4), tonic=0, mode="major")

    assert Examples([Tune(melody=short, style="toy", group="0")]).draw(3, np.random.default_rng(1)) == []
    assert Examples([]).draw(3, np.random.default_rng(1)) == []


def test_an_untrained_writer_writes_the_example_to_the_note_beside_a_line_of_its_own() -> None:
    torch.manual_seed(0)
    (plan, melody), *_ = Examples([open_tune()]).draw(1, np.random.default_rng(2))
    plans = [Plan(steering=Steering(bars=4)), plan]
    guide = ExampleGuide(2, [melody])
    writer = Writer(prior=Prior(inputs=8, hidden=8, body=8).eval())

    written = writer.write(
        plans,
        styles=[0, 0],
        condition_BC=np.stack([condition(each) for each in plans]),
        generators=[np.random.default_rng(seed) for seed in (3, 4)],
        guide=guide,
    )

    own, told = (each.notes for each in written.melodies)
    assert guide.is_forced_B.tolist() == [False, True]
    assert told == open_tune().melody.notes
    assert own != told
    assert written.log_behaviour_B[1] > written.log_policy_B[1]
