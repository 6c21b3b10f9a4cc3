"""One note in numpy is the note that the torch modules would compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numba import njit
from numba.core.caching import CacheImpl

from composer.constraints import Plan
from composer.learning.advantage import Advantage, Chosen, Foresight
from composer.learning.compiled import compiled
from composer.learning.condition import CONDITION, TASTES, WISH_WEIGHTS, WISHED_NUMBERS, goals
from composer.learning.features import NONE_DURATION, NONE_PITCH, SIZES, SOURCE_DURATION, SOURCE_PITCH
from composer.learning.foreseeing import Asked, ForesightStep
from composer.learning.network import Prior, View
from composer.learning.relations import DURATION_RELATIONS, PITCH_RELATIONS
from composer.learning.standing import RULE_VALUES
from composer.learning.stepping import MANY_LINES, AdvantageStep, PriorStep
from composer.steering import Steering
from composer.tokens import DURATION_COUNT, PITCH_COUNT

FEW, NOTES = 3, 12


def inputs(generator: np.random.Generator, lines: int) -> np.ndarray:
    """Any inputs within their tables; some sources point to nothing, some to the same note."""
    index_BNF: np.ndarray = generator.integers(np.array(SIZES), size=(lines, NOTES, len(SIZES)))
    index_BNF[0, :, SOURCE_PITCH], index_BNF[0, :, SOURCE_DURATION] = NONE_PITCH, NONE_DURATION
    index_BNF[1, :, SOURCE_PITCH], index_BNF[1, :, SOURCE_DURATION] = 5, 2
    return index_BNF


@pytest.mark.parametrize("lines", [FEW, MANY_LINES + 1])
def test_note_by_note_the_prior_sees_what_the_whole_melody_shows_it(lines: int) -> None:
    torch.manual_seed(1)
    prior = Prior(inputs=16, hidden=24, body=20).eval()
    index_BNF = inputs(np.random.default_rng(1), lines)
    pitch_BN = np.random.default_rng(2).integers(PITCH_COUNT, size=(lines, NOTES))
    pitch_BN[1] = 5
    with torch.no_grad():
        view = prior.look(torch.from_numpy(index_BNF))
        pitches_BNP = prior.pitch_logits(view).numpy()
        durations_BND = prior.duration_logits(view, torch.from_numpy(pitch_BN)).numpy()
    step = PriorStep(prior, lines)

    done_B = np.zeros(lines, dtype=np.bool_)
    for note in range(NOTES):
        done_B[1] = note > 6
        step.look(index_BNF[:, note], done_B)
        pitches_BP, durations_BD = step.pitches(), step.durations(pitch_BN[:, note])
        np.testing.assert_allclose(pitches_BP[~done_B], pitches_BNP[~done_B, note], atol=1e-5)
        np.testing.assert_allclose(durations_BD[~done_B], durations_BND[~done_B, note], atol=1e-5)
        assert not pitches_BP[done_B].any()
        assert not durations_BD[done_B].any()


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note of lines, with any relations of four pitches and six durations that are open."""

    step: PriorStep
    rules_BR: np.ndarray
    condition_BC: np.ndarray
    open_K: np.ndarray
    pitch_B: np.ndarray
    related_BKJ: np.ndarray
    lengths_K: np.ndarray
    related_BKL: np.ndarray

    @classmethod
    def of(cls, lines: int, done: tuple[int, ...] = ()) -> Note:
        generator = np.random.default_rng(3)
        step = PriorStep(Prior(inputs=16, hidden=24, body=20).eval(), lines)
        step.look(inputs(generator, lines)[:, 0], np.isin(np.arange(lines), done))
        return cls(
            step=step,
            rules_BR=generator.normal(size=(lines, RULE_VALUES)).astype(np.float32),
            condition_BC=generator.normal(size=(lines, CONDITION)).astype(np.float32),
            open_K=np.array([0, 3, 5, 9]),
            pitch_B=np.resize([3, 5, 9], lines),
            related_BKJ=some(generator, lines, 4, PITCH_RELATIONS),
            lengths_K=np.array([1, 2, 3, 6, 9, DURATION_COUNT - 1]),
            related_BKL=some(generator, lines, 6, DURATION_RELATIONS),
        )

    @property
    def seen_WX(self) -> np.ndarray:
        live_W = self.step.live_W
        return np.concatenate([self.step.body_WH, self.rules_BR[live_W], self.condition_BC[live_W]], axis=1)

    @property
    def chosen_BJ(self) -> np.ndarray:
        return np.ascontiguousarray(self.related_BKJ[:, 1])

    @property
    def view(self) -> View:
        return View(tensor(self.step.bodies()), tensor(self.step.source_pitch_BS), tensor(self.step.source_duration_BS))

    @property
    def chosen(self) -> Chosen:
        return Chosen(tensor(self.pitch_B), tensor(self.chosen_BJ))

    def listed(self, token_K: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(token_K).expand(len(self.pitch_B), 1, -1)


def some(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Relations, of which most don't hold."""
    related: np.ndarray = (generator.normal(size=shape) * (generator.random(shape) < 0.3)).astype(np.float32)
    return related


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).unsqueeze(1)


@pytest.mark.parametrize("lines", [FEW, MANY_LINES])
def test_g_is_that_of_the_network_that_is_trained(lines: int) -> None:
    torch.manual_seed(2)
    note = Note.of(lines)
    advantage = Advantage(body=20, rules=RULE_VALUES, condition=CONDITION, hidden=16).eval()
    for last in (advantage.pitch, advantage.duration):
        torch.nn.init.normal_(last.weight)
    own = AdvantageStep(advantage)
    own.look(note.seen_WX)
    g_BP = own.pitches(note.step, note.open_K, note.related_BKJ)
    g_BD = own.durations(note.step, note.pitch_B, note.chosen_BJ, note.lengths_K, note.related_BKL)

    with torch.no_grad():
        shared = advantage.look(note.view.body_BNH, tensor(note.rules_BR), torch.from_numpy(note.condition_BC))
        pitches_BK = advantage.pitches(shared, note.view, tensor(note.related_BKJ), note.listed(note.open_K))[:, 0]
        durations_BK = advantage.durations(
            shared, note.chosen, note.view, tensor(note.related_BKL), note.listed(note.lengths_K)
        )[:, 0]

    np.testing.assert_allclose(g_BP[:, note.open_K], pitches_BK, atol=2e-5)
    assert (np.delete(g_BP, note.open_K, axis=1) == 0).all()
    np.testing.assert_allclose(g_BD[:, note.lengths_K], durations_BK, atol=2e-5)
    assert (np.delete(g_BD, note.lengths_K, axis=1) == 0).all()


@pytest.mark.parametrize("lines", [FEW, MANY_LINES + 1])
def test_what_is_foreseen_is_worth_what_the_network_that_is_trained_says(lines: int) -> None:
    torch.manual_seed(4)
    note = Note.of(lines, done=(2,))
    foresight = Foresight(body=20, rules=RULE_VALUES, condition=CONDITION, features=TASTES, hidden=16, token=8).eval()
    for last in (foresight.state, foresight.pitch_out, foresight.duration_out):
        torch.nn.init.normal_(last.weight)
        torch.nn.init.normal_(last.bias)
    generator = np.random.default_rng(5)
    taste_BF, goal_BG = (generator.normal(size=(lines, size)).astype(np.float32) for size in (TASTES, 2))
    # The first line has a taste alone, the second a wish alone.
    weight_BG = np.resize(np.array([[0, 0], [2, 0], [0, 0], [3, 1]], dtype=np.float32), (lines, 2))
    taste_BF[1] = 0
    wished_G = np.array(WISHED_NUMBERS)[[0, 2]]
    own = ForesightStep(foresight, Asked(taste_BF, goal_BG, weight_BG, wished_G), wish_gain=1.5)
    own.look(note.seen_WX)
    worth_BP = np.zeros((lines, PITCH_COUNT), dtype=np.float32)
    worth_BD = np.zeros((lines, DURATION_COUNT), dtype=np.float32)
    own.add_pitches(worth_BP, note.step, note.open_K, note.related_BKJ)
    own.add_durations(worth_BD, note.step, note.pitch_B, note.chosen_BJ, note.lengths_K, note.related_BKL)

    def worth(body_BNKT: torch.Tensor, out: torch.nn.Linear) -> np.ndarray:
        """u · ψ less what it misses; the taste leaves out what all tokens share."""
        own_BKF = (body_BNKT @ out.weight.T)[:, 0].numpy()
        psi_BKG = (foresight.state(shared) + out(body_BNKT[:, 0]))[..., wished_G].numpy()
        missed_BK = (np.abs(psi_BKG - goal_BG[:, None]) * weight_BG[:, None]).sum(axis=-1)
        liked: np.ndarray = (own_BKF * taste_BF[:, None]).sum(axis=-1) - 1.5 * missed_BK
        return liked

    with torch.no_grad():
        shared = foresight.look(note.view.body_BNH, tensor(note.rules_BR), torch.from_numpy(note.condition_BC))
        pitches = foresight.pitch_bodies(shared, note.view, note.listed(note.open_K), tensor(note.related_BKJ))
        durations = foresight.duration_bodies(
            shared, note.chosen, note.view, note.listed(note.lengths_K), tensor(note.related_BKL)
        )
        liked_BP, liked_BD = worth(pitches, foresight.pitch_out), worth(durations, foresight.duration_out)

    live_W = note.step.live_W
    assert 2 not in live_W
    np.testing.assert_allclose(worth_BP[live_W][:, note.open_K], liked_BP[live_W], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(worth_BD[live_W][:, note.lengths_K], liked_BD[live_W], rtol=1e-4, atol=1e-4)
    assert (np.delete(worth_BP, note.open_K, axis=1) == 0).all()
    assert not worth_BP[2].any()


def test_only_wishes_that_somebody_makes_are_asked_of_foresight() -> None:
    dense, bright, plain = (Plan(steering=wish) for wish in (Steering(density=0.8), Steering(brightness=0.2), Steering()))

    asked = Asked.of([dense, bright, plain], None)
    tasted = Asked.of([plain], np.ones((1, TASTES)))

    assert asked is not None
    assert tasted is not None
    wished = [0, len(WISHED_NUMBERS) - 1]
    assert asked.number_G.tolist() == [WISHED_NUMBERS[number] for number in wished]
    assert asked.weight_BG.tolist() == [[WISH_WEIGHTS[0], 0], [0, WISH_WEIGHTS[-1]], [0, 0]]
    expected_G = [goals(dense)[wished[0]], goals(bright)[wished[1]]]
    np.testing.assert_allclose(asked.goal_BG, [[expected_G[0], 0], [0, expected_G[1]], [0, 0]], rtol=1e-6)
    assert not asked.taste_BF.any()
    assert tasted.goal_BG.shape == tasted.weight_BG.shape == (1, 0)
    assert Asked.of([plain], np.zeros((1, TASTES))) is None


def test_where_no_folder_can_be_written_loops_are_compiled_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        njit(cache=True)(lambda number: number + 1)

    assert compiled(lambda number: number + 1)(1) == 2
