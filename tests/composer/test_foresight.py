"""What is foreseen of a finished piece: targets known in closed form, and that tastes act through it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from composer.constraints import Plan
from composer.learning.condition import TASTES, condition, heard_taste
from composer.learning.foresight_training import LAMBDA, foreseen_returns
from composer.learning.network import Prior
from composer.learning.policy import new_heads
from composer.learning.writing import Writer
from composer.steering import Steering
from music.features import NAMES, features


def test_what_is_foreseen_leans_on_the_next_foresight_and_on_the_end() -> None:
    seen_BTF = torch.tensor([[[1.0], [2.0], [4.0], [0.0]]])
    finished_BF = torch.tensor([[10.0]])
    valid_BT = torch.tensor([[True, True, True, False]])

    found = foreseen_returns(seen_BTF, finished_BF, valid_BT)[0, :3, 0].tolist()

    middle = (1 - LAMBDA) * 4 + LAMBDA * 10
    assert found == pytest.approx([(1 - LAMBDA) * 2 + LAMBDA * middle, middle, 10.0])


def test_a_taste_for_what_one_token_brings_makes_pieces_bring_it() -> None:
    torch.manual_seed(0)
    prior = Prior(inputs=8, hidden=8, body=8).eval()
    advantage, foresight = new_heads(prior)
    # By construction: repeating a note foresees more repeated notes, and nothing else foresees anything.
    repeats, feature = 1, NAMES.index("share_of_repeated_pitches")
    with torch.no_grad():
        for weight in foresight.parameters():
            weight.zero_()
        foresight.pitch_related.weight[0, repeats] = 1.0
        foresight.pitch_out.weight[feature, 0] = 1.0
    writer = Writer(prior=prior, advantage=advantage.eval(), foresight=foresight.eval())
    plans = [Plan(steering=Steering(bars=4))] * 24

    def share(nats: float) -> float:
        tastes = np.zeros((24, TASTES))
        tastes[:, feature] = nats
        written = writer.write(
            plans,
            styles=[0] * 24,
            condition_BC=np.stack([condition(plan) for plan in plans]),
            generators=[np.random.default_rng(n) for n in range(24)],
            taste_BF=tastes,
        )
        return float(np.mean([features(melody)[feature] for melody in written.melodies]))

    # e⁴ : 1 for and against: no rounding turns this around.
    assert share(4.0) > 0.5 > 0.1 > share(-4.0)


def test_at_strength_zero_no_taste_is_heard() -> None:
    deaf = Plan(steering=Steering(taste_strength=0.0))

    assert not heard_taste(deaf, np.ones(TASTES)).any()
    assert not heard_taste(Plan(steering=Steering()), None).any()
    with pytest.raises(ValueError, match="weights"):
        heard_taste(deaf, np.ones(3))
