"""One note in numpy is the note that the torch modules would compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numba import njit
from numba.core.caching import CacheImpl

from composer.learning.advantage import Advantage, Chosen
from composer.learning.compiled import compiled
from composer.learning.condition import CONDITION
from composer.learning.features import NONE_DURATION, NONE_PITCH, SIZES, SOURCE_DURATION, SOURCE_PITCH
from composer.learning.network import Prior, View
from composer.learning.relations import DURATION_RELATIONS, PITCH_RELATIONS
from composer.learning.standing import RULE_VALUES
from composer.learning.stepping import MANY_LINES, AdvantageStep, PriorStep
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


@pytest.mark.parametrize("lines", [FEW, MANY_LINES])
def test_g_is_that_of_the_network_that_is_trained(lines: int) -> None:
    torch.manual_seed(2)
    generator = np.random.default_rng(3)
    prior = Prior(inputs=16, hidden=24, body=20).eval()
    advantage = Advantage(body=20, rules=RULE_VALUES, condition=CONDITION, hidden=16).eval()
    for last in (advantage.pitch, advantage.duration):
        torch.nn.init.normal_(last.weight)
    step, own = PriorStep(prior, lines), AdvantageStep(advantage)
    index_BNF = inputs(generator, lines)
    step.look(index_BNF[:, 0], np.zeros(lines, dtype=np.bool_))
    rules_BR = generator.normal(size=(lines, RULE_VALUES)).astype(np.float32)
    condition_BC = generator.normal(size=(lines, CONDITION)).astype(np.float32)
    open_K, pitch_B = np.array([0, 3, 5, 9]), np.resize([3, 5, 9], lines)
    related_BKJ = generator.normal(size=(lines, 4, PITCH_RELATIONS)).astype(np.float32)
    related_BDL = generator.normal(size=(lines, DURATION_COUNT, DURATION_RELATIONS)).astype(np.float32)
    own.look(step, rules_BR, condition_BC)
    g_BP = own.pitches(step, open_K, related_BKJ)
    chosen_BJ = np.ascontiguousarray(related_BKJ[:, 1])
    g_BD = own.durations(step, pitch_B, chosen_BJ, related_BDL)

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).unsqueeze(1)

    with torch.no_grad():
        view = View(tensor(step.bodies()), tensor(step.source_pitch_BS), tensor(step.source_duration_BS))
        shared = advantage.look(view.body_BNH, tensor(rules_BR), torch.from_numpy(condition_BC))
        listed_BNK = torch.from_numpy(open_K).expand(lines, 1, -1)
        pitches_BK = advantage.pitches(shared, view, tensor(related_BKJ), listed_BNK)[:, 0]
        chosen = Chosen(tensor(pitch_B), tensor(chosen_BJ))
        durations_BD = advantage.durations(shared, chosen, view, tensor(related_BDL))[:, 0]

    np.testing.assert_allclose(g_BP[:, open_K], pitches_BK, atol=2e-5)
    assert (np.delete(g_BP, open_K, axis=1) == 0).all()
    np.testing.assert_allclose(g_BD, durations_BD, atol=2e-5)


def test_where_no_folder_can_be_written_loops_are_compiled_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        njit(cache=True)(lambda number: number + 1)

    assert compiled(lambda number: number + 1)(1) == 2
