"""What decides the next note is read: mode, style, metre, bars left, place in the bar. Melodies are made up so that it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from composer.learning.configuration import ComposerConfiguration
from composer.learning.features import METRES, STYLE_INPUT, observe_melodies
from composer.learning.network import Prior
from composer.learning.prior_training import train_prior
from composer.learning.replay_dataset import MelodyDataset, Tune, style_number
from composer.tokens import pitch_token
from music.notes import MODES, Melody, Note
from tests.composer.conftest import Context

Inputs = NDArray[np.int16]
QUARTER_INPUT, BARS_LEFT_INPUT, METRE_INPUT, MODE_INPUT = 2, 4, 6, 7
"""Places of the inputs in `features.SIZES`."""
OF_MODE = {"major": 76, "minor": 75}
OF_STYLE = {"reel": 77, "waltz": 79}
OF_METRE = {(4, 4): 81, (3, 4): 83}
LAST_BAR = 72
FILLERS = (60, 62, 64, 65, 67)


def answer(melody: Melody, style: str, beat: int, bars_left: int) -> int | None:
    """The only pitch that begins this beat: its place in the bar decides by what. None where any filler may."""
    if beat == 0:
        return LAST_BAR if bars_left == 1 else OF_MODE[melody.mode]
    # The metre is asked before half a bar, from which on what was played half a bar ago would tell it.
    return {1: OF_METRE[melody.metre], 2: OF_STYLE[style]}.get(beat)


def made_up(generator: np.random.Generator) -> Tune:
    """One to five bars, half of them with a pickup, of quarters and pairs of eighths at random; what nothing decides is any
    filler."""
    metre = list(OF_METRE)[int(generator.integers(2))]
    style, mode = (list(options)[int(generator.integers(2))] for options in (OF_STYLE, OF_MODE))
    pickup = int(generator.integers(2) * generator.integers(1, metre[0]))
    empty = Melody(notes=(), metre=metre, tonic=0, mode=mode, pickup=Fraction(pickup))
    bars, notes = int(generator.integers(1, 6)), []
    for number in range(-pickup, bars * metre[0]):
        bar, beat = divmod(number, metre[0])
        pitch = answer(empty, style, beat, bars - bar) or int(generator.choice(FILLERS))
        if generator.random() < 0.5:
            notes.append(Note(pitch, Fraction(1)))
        else:
            notes += [Note(pitch, Fraction(1, 2)), Note(int(generator.choice(FILLERS)), Fraction(1, 2))]
    return Tune(melody=replace(empty, notes=tuple(notes)), style=style, group="")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prior, tuple[str, ...]]:
    """A small prior that learned from 192 of them, and the styles in the order of its inputs."""
    generator = np.random.default_rng(1)
    dataset = MelodyDataset(tuple(made_up(generator) for _ in range(192)), kept_aside=())
    configuration = ComposerConfiguration(
        stage="prior", epochs=14, hidden=32, prior_batch_size=16, prior_learning_rate=1e-2, is_timed=False, threads=1
    )
    context = Context(folder=tmp_path_factory.mktemp("run"), configuration=configuration)
    return train_prior(context, dataset, configuration, None), dataset.styles


@dataclass(frozen=True, kw_only=True)
class Place:
    """A note that begins a beat, in a melody that did not teach."""

    tune: Tune
    note: int
    bar: int
    """From 0; −1 in a pickup."""
    beat: int
    bars_left: int

    @property
    def is_first_heard(self) -> bool:
        """Whether it stands in the first bar and nothing goes before that bar."""
        return self.bar == 0 and not self.tune.melody.pickup


def places() -> list[Place]:
    """All of them, of 80 melodies."""
    found = []
    for number in range(80):
        tune = made_up(np.random.default_rng([2, number]))
        melody = tune.melody
        bars = (melody.quarters - melody.pickup) / melody.bar_quarters
        for note, (start, _) in enumerate(melody.onsets()):
            bar, inside = divmod(start - melody.pickup, melody.bar_quarters)
            if inside.denominator == 1:
                found.append(Place(tune=tune, note=note, bar=int(bar), beat=int(inside), bars_left=int(bars - bar)))
    return found


def likeliest(taught: tuple[Prior, tuple[str, ...]], place: Place, said: Callable[[Inputs], Inputs] | None, column: int) -> int:
    """Token of the likeliest pitch there, where this one input says something else of all notes so far, and nothing else."""
    prior, styles = taught
    tune = place.tune
    index_NF = observe_melodies([tune.melody], [style_number(tune.style, styles)])["index"][0, : place.note + 1].copy()
    if said is not None:
        before_N = index_NF[:, column].copy()
        index_NF[:, column] = said(before_N)
        assert index_NF[-1, column] != before_N[-1]
    with torch.no_grad():
        logits_NP = prior.pitch_logits(prior.look(torch.from_numpy(index_NF)[None]))[0]
    return int(logits_NP[-1].argmax())


def known(place: Place, **other: Any) -> int | None:
    """Token of the only pitch that may stand there, or would if something were otherwise; None where there are several."""
    melody = replace(place.tune.melody, **{name: other[name] for name in ("mode", "metre") if name in other})
    bars_left = other.get("bars_left", place.bars_left)
    pitch = answer(melody, other.get("style", place.tune.style), other.get("beat", place.beat), bars_left)
    return None if pitch is None else pitch_token(pitch, 0)


def test_the_prior_knows_what_each_place_decides(taught: tuple[Prior, tuple[str, ...]]) -> None:
    decided = [place for place in places() if known(place) is not None]

    right = [likeliest(taught, place, None, 0) == known(place) for place in decided]

    assert len(right) > 300
    assert np.mean(right) > 0.95


@pytest.mark.parametrize("what", ["mode", "style", "metre", "bars_left", "beat"])
def test_each_input_alone_decides_the_next_note(what: str, taught: tuple[Prior, tuple[str, ...]]) -> None:
    """Said otherwise, with the same notes before, it makes the prior expect what would then be right. Mode, style, metre and
    the place in the bar are asked where nothing heard before tells them."""
    places_asked, column, otherwise, said = QUESTIONS[what]
    asked = [place for place in places() if places_asked(place)]

    turned = [
        likeliest(taught, place, partial(said, place, taught[1]), column) == known(place, **{what: otherwise(place)})
        for place in asked
    ]

    assert len(turned) >= 20
    assert np.mean(turned) > 0.9


def other_of(options: dict[Any, int], one: Any) -> Any:
    """The other of the two."""
    return next(option for option in options if option != one)


QUESTIONS: dict[str, Any] = {
    "mode": (
        lambda at: at.is_first_heard and at.beat == 0 and at.bars_left > 1,
        MODE_INPUT,
        lambda at: other_of(OF_MODE, at.tune.melody.mode),
        lambda at, _, before_N: np.full_like(before_N, MODES.index(other_of(OF_MODE, at.tune.melody.mode))),
    ),
    "style": (
        lambda at: at.is_first_heard and at.beat == 2,
        STYLE_INPUT,
        lambda at: other_of(OF_STYLE, at.tune.style),
        lambda at, styles, before_N: np.full_like(before_N, style_number(other_of(OF_STYLE, at.tune.style), styles)),
    ),
    "metre": (
        lambda at: at.is_first_heard and at.beat == 1,
        METRE_INPUT,
        lambda at: other_of(OF_METRE, at.tune.melody.metre),
        lambda at, _, before_N: np.full_like(before_N, METRES.index(other_of(OF_METRE, at.tune.melody.metre))),
    ),
    "bars_left": (
        lambda at: at.beat == 0,
        BARS_LEFT_INPUT,
        lambda at: 1 if at.bars_left > 1 else 2,
        lambda at, _, before_N: before_N + (1 if at.bars_left > 1 else 2) - at.bars_left,
    ),
    "beat": (
        lambda at: at.note == 0 and at.beat in (1, 2),
        QUARTER_INPUT,
        lambda at: 3 - at.beat,
        lambda at, _, before_N: 3 - before_N,
    ),
}
"""What → the notes of which it is asked, its input, what it says instead, and what the input says then of all notes so far."""
