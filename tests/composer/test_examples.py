"""People's tunes stand in the replay note for note, judged without being called copies."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from composer.constraints import Plan
from composer.learning.condition import condition
from composer.learning.examples import ExampleGuide, Examples
from composer.learning.network import Prior
from composer.learning.replay_dataset import Tune
from composer.learning.writing import Writer
from composer.steering import Steering
from music.notes import Melody, Note
from tests.composer.test_learning import toy_tune


def tunes(count: int = 8) -> list[Tune]:
    return [Tune(melody=toy_tune(number), style="toy", group=str(number)) for number in range(count)]


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
    # No bar comes again, and it ends as a piece must: nothing of it is closed.
    steps = (0, 4, 2, 5, 4, 7, 5, 9, 7, 5, 9, 7, 11, 9, 7, 4, 2, 0, 4, 5, 2, 4, 0, 2, 9, 11, 7, 5, 4, 2)
    notes = (*(Note(60 + step, Fraction(1, 2)) for step in steps), Note(60, Fraction(1)))
    tune = Tune(melody=Melody(notes=notes, metre=(4, 4), tonic=0, mode="major"), style="toy", group="0")
    (plan, melody), *_ = Examples([tune]).draw(1, np.random.default_rng(2))
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
    assert told == notes
    assert own != told
    assert written.log_behaviour_B[1] > written.log_policy_B[1]
