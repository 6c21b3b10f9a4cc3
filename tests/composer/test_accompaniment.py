"""Chords, four voices and patterns: right by the book on melodies made by hand, whatever the networks have learned."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from composer.accompaniment.accompany import accompany, chart
from composer.accompaniment.chords import CHORDS, COUNT, NUMBERS, Chord, tonic_triads
from composer.accompaniment.configuration import AccompanistConfiguration
from composer.accompaniment.counterpoint import count_parallels
from composer.accompaniment.half_bars import half_bars, hear
from composer.accompaniment.labels import label
from composer.accompaniment.network import ChordAdvantage, ChordPrior
from composer.accompaniment.patterns import PATTERNS, realise
from composer.accompaniment.policy import ChordPolicy
from composer.accompaniment.replay_dataset import ChoraleDataset, chorale_of
from composer.accompaniment.rewards import ChordWeights, cadence, harmonic_rhythm, progression, reward
from composer.accompaniment.state import observe
from composer.accompaniment.training import train
from composer.accompaniment.voicing import RANGES, voice
from dqn.checkpoint import hash_folder
from music.notes import MODES, Melody, Note, Score, Voice
from tests.composer.conftest import Context
from tests.conftest import small_melody

PLAIN = np.zeros(2)
HOME, FOUR, FIVE, SEVENTH, SIX = (
    NUMBERS[Chord(root, quality)] for root, quality in ((0, "major"), (5, "major"), (7, "major"), (7, "seventh"), (9, "minor"))
)


def melody(*pitches: int, quarters: str = "1", metre: tuple[int, int] = (4, 4)) -> Melody:
    return Melody(notes=tuple(Note(p, Fraction(quarters)) for p in pitches), metre=metre, tonic=0, mode="major")


SCALE = melody(72, 74, 76, 72, 77, 76, 74, 72, 79, 77, 76, 74, 76, 74, 71, 72)
"""Four bars of quarters in C."""


@pytest.fixture
def policy() -> ChordPolicy:
    """Random p₀, G = 0."""
    torch.manual_seed(2)
    return ChordPolicy(prior=ChordPrior(hidden=8).eval(), advantage=ChordAdvantage().eval())


@pytest.mark.parametrize(
    ("metre", "lengths"),
    [((4, 4), ["2", "2"]), ((3, 4), ["2", "1"]), ((6, 8), ["3/2", "3/2"]), ((9, 8), ["3", "3/2"]), ((2, 4), ["1", "1"])],
)
def test_a_bar_has_two_halves_and_odd_ones_a_longer_first(metre: tuple[int, int], lengths: list[str]) -> None:
    one_bar = melody(60, quarters=str(Fraction(4 * metre[0], metre[1])), metre=metre)

    assert [half.quarters for half in half_bars(one_bar)] == [Fraction(length) for length in lengths]


def test_a_pickup_is_a_half_bar_of_its_own() -> None:
    halves = half_bars(replace(SCALE, pickup=Fraction(1)))

    assert [(half.bar, int(half.quarters)) for half in halves[:2]] == [(-1, 1), (0, 2)]


@pytest.mark.parametrize(
    ("bar", "length", "halves"),
    [
        (1, "3", "2 2 2 1 2 2 2 2 1"),
        (1, "1", "2 2 1 2 2 2 2 2 1"),
        (1, "6", "2 2 2 2 2 2 2 2"),
        (1, "9/2", "2 2 2 5/2 2 2 2 3/2"),
        (0, "5", "2 2 1 2 2 2 2 2 1"),
    ],
)
def test_half_bars_follow_bars_as_they_are_printed(bar: int, length: str, halves: str) -> None:
    odd = replace(SCALE, odd_bars=((bar, Fraction(length)),))
    cut = half_bars(odd)

    assert [half.quarters for half in cut] == [Fraction(each) for each in halves.split()]
    assert [half.start for half in cut if half.is_strong] == list(odd.bar_starts())
    assert sum(half.quarters for half in cut) == odd.quarters


def test_bars_are_seen_alike_behind_a_pickup_and_an_odd_bar() -> None:
    before = melody(67, 72, 74, 76).notes
    late = replace(SCALE, notes=(*before, *SCALE.notes), pickup=Fraction(1), odd_bars=((0, Fraction(3)),))
    # All but the number of the bar, which is one higher.
    seen = slice(0, -4 - len(MODES))

    assert observe(late).features_TF[-6:, seen] == pytest.approx(observe(SCALE).features_TF[-6:, seen])


@pytest.mark.parametrize("texture", ["voices", *PATTERNS])
def test_all_voices_have_the_bars_of_the_melody(policy: ChordPolicy, texture: str) -> None:
    odd = replace(SCALE, odd_bars=((1, Fraction(3)),))
    below, figures = accompany(policy, odd, texture, seed=1, motion=0.5, colour=0.5, program=0)

    assert {voice.melody.odd_bars for voice in below} == {odd.odd_bars}
    assert len(figures["chords"]) == len(list(odd.bar_starts()))


def test_what_is_heard_are_shares_that_favour_the_beginning() -> None:
    heard = hear(SCALE, half_bars(SCALE))

    assert heard.weights_TP.sum(axis=1) == pytest.approx(1.0)
    assert heard.weights_TP[0, 0] == pytest.approx(2 / 3)
    assert heard.accented_TP[0].argmax() == 0
    assert heard.middle_TP[0].argmax() == 2


def test_chords_of_a_score_are_named_by_their_notes() -> None:
    parts = [(76, 77, 74, 72), (72, 69, 71, 67), (67, 60, 65, 64), (48, 53, 55, 48)]
    voices = tuple(Voice(name=str(n), melody=melody(*pitches, quarters="2")) for n, pitches in enumerate(parts))
    score = Score(title="", voices=voices)

    degrees = [CHORDS[number].degree for number in label(score, half_bars(score.melody))]

    assert degrees == ["I", "IV", "V7", "I"]
    assert chart(score.melody, half_bars(score.melody), label(score, half_bars(score.melody)).tolist()) == [
        ["C", "F"],
        ["G7", "C"],
    ]


def test_every_chord_shares_a_note_with_its_half_bar_and_the_last_is_the_tonic(policy: ChordPolicy) -> None:
    for seed in range(5):
        task, chords_T, _ = policy.harmonise(SCALE, seed=seed)

        assert chords_T[-1] in tonic_triads("major")
        assert all(
            task.heard.weights_TP[half][list(CHORDS[chord].pitch_classes)].sum() > 0 for half, chord in enumerate(chords_T)
        )


def test_a_melody_that_ends_off_the_tonic_lifts_that_mask_and_says_so(policy: ChordPolicy) -> None:
    _, _, figures = policy.harmonise(melody(72, 74, 76, 77, 74, 74, 74, 74), seed=1)

    assert "no tonic triad" in figures["relaxed"][0]


def test_without_learning_the_policy_is_exactly_the_masked_prior(policy: ChordPolicy) -> None:
    task, generator = observe(SCALE), np.random.default_rng
    own = policy.draw([task] * 4, np.zeros((4, 2)), generator(1))
    bare = replace(policy, advantage=None).draw([task] * 4, np.zeros((4, 2)), generator(1))

    assert (own.chords_BT == bare.chords_BT).all()
    assert (own.kl_B == 0).all()


def test_a_seventh_must_resolve_and_the_dominant_leads_home() -> None:
    task, weights = observe(SCALE), ChordWeights()
    resolved, lost = np.array([HOME, SEVENTH, HOME]), np.array([HOME, SEVENTH, FOUR])

    assert progression(task, resolved, PLAIN, weights)[2] > 0
    assert progression(task, lost, PLAIN, weights)[2] <= -weights.unresolved


def test_a_full_close_is_worth_more_than_any_other_end() -> None:
    task, weights = observe(SCALE), ChordWeights()

    def worth(*last: int) -> float:
        return float(cadence(task, np.array([HOME] * 6 + list(last)), PLAIN, weights)[-1])

    assert worth(FIVE, HOME) > worth(FOUR, HOME) > worth(FOUR, SEVENTH)


def test_a_chord_from_the_weak_half_is_not_held_over_the_bar_line() -> None:
    task, weights = observe(SCALE), ChordWeights()
    fresh = harmonic_rhythm(task, np.array([HOME, FOUR, FIVE, FIVE, HOME, HOME, FIVE, HOME]), PLAIN, weights)
    late = harmonic_rhythm(task, np.array([HOME, FOUR, FOUR, FIVE, HOME, HOME, FIVE, HOME]), PLAIN, weights)

    assert late[2] == pytest.approx(-weights.late_change)
    assert fresh[2] == pytest.approx(weights.fresh_bar)


def test_the_dials_pay_for_motion_and_colour() -> None:
    task = observe(SCALE)
    moving, still = np.array([HOME, SIX, FOUR, FIVE, HOME, SIX, FIVE, HOME]), np.array([HOME] * 8)
    coloured = np.array([HOME, SIX, FOUR, SEVENTH, HOME, SIX, SEVENTH, HOME])

    def preference(one: np.ndarray, other: np.ndarray, dials: list[float]) -> float:
        return float(reward(task, one, np.array(dials)).sum() - reward(task, other, np.array(dials)).sum())

    assert preference(moving, still, [1, 0]) > preference(moving, still, [0, 0]) > preference(moving, still, [-1, 0])
    assert preference(coloured, moving, [0, 1]) > preference(coloured, moving, [0, 0]) > preference(coloured, moving, [0, -1])


@pytest.mark.parametrize("number", range(6))
def test_four_voices_keep_their_ranges_and_never_move_in_parallels(policy: ChordPolicy, number: int) -> None:
    tune = small_melody(number)
    voices, _ = accompany(policy, tune, "voices", seed=number, motion=0.5, colour=0.5, program=0)
    score = Score(title="", voices=voices)

    assert [v.name for v in voices] == ["Soprano", "Alto", "Tenor", "Bass"]
    for line, (low, high) in zip(voices[1:], RANGES, strict=True):
        assert all(note.pitch is not None and low <= note.pitch <= high for note in line.melody.notes)
    assert count_parallels(score) == 0


def test_leading_notes_rise_and_the_last_bass_is_the_root() -> None:
    tune = melody(74, 72, quarters="2")
    (alto, tenor, bass), (alto_after, tenor_after, bass_after) = voice(tune, half_bars(tune), [FIVE, HOME])
    moves = {before % 12: after - before for before, after in ((alto, alto_after), (tenor, tenor_after), (bass, bass_after))}

    assert moves.get(11, 1) in (1, -4)
    assert bass_after % 12 == 0
    assert {7, 11} <= {bass % 12, alto % 12, tenor % 12}


def test_parallels_are_counted_where_both_voices_move() -> None:
    def score(*lines: tuple[int, ...]) -> Score:
        return Score(title="", voices=tuple(Voice(name="", melody=melody(*line)) for line in lines))

    assert count_parallels(score((67, 69), (60, 62))) == 1
    assert count_parallels(score((72, 74), (60, 62))) == 1
    assert count_parallels(score((67, 67), (60, 60))) == 0
    assert count_parallels(score((67, 69), (60, 65))) == 0


@pytest.mark.parametrize("texture", sorted(PATTERNS))
@pytest.mark.parametrize("metre", [(3, 4), (6, 8), (9, 8)])
def test_patterns_play_chord_notes_below_the_melody_to_its_end(texture: str, metre: tuple[int, int]) -> None:
    bar = Fraction(4 * metre[0], metre[1])
    tune = melody(*[72] * 12, quarters=str(bar / 3), metre=metre)
    cut = half_bars(tune)
    voices = realise(PATTERNS[texture], tune, cut, [HOME] * len(cut))

    for line in voices:
        assert line.melody.quarters == tune.quarters
        assert {note.pitch % 12 for note in line.melody.notes if note.pitch is not None} <= {0, 4, 7}
        assert all(note.pitch < 72 for note in line.melody.notes if note.pitch is not None)


def test_a_waltz_has_its_bass_on_the_bar_and_chords_on_the_other_beats() -> None:
    tune = melody(72, 76, 79, 72, 76, 79, metre=(3, 4))
    *upper, bass = realise(PATTERNS["waltz"], tune, half_bars(tune), [HOME] * 4)

    assert [start for start, note in bass.melody.onsets() if note.pitch is not None] == [0, 3]
    assert [start for start, note in upper[0].melody.onsets() if note.pitch is not None] == [1, 2, 4, 5]


def test_boom_chuck_alternates_root_and_fifth() -> None:
    *upper, bass = realise(PATTERNS["boom-chuck"], SCALE, half_bars(SCALE), [HOME] * 8)
    sounding = [(int(start), note.pitch % 12) for start, note in bass.melody.onsets() if note.pitch is not None]

    assert sounding[:4] == [(0, 0), (2, 7), (4, 0), (6, 7)]
    assert [start for start, note in upper[0].melody.onsets() if note.pitch is not None][:2] == [1, 3]


def choir(number: int) -> Score:
    """A small piece in four voices: a melody above the triads of its half bars."""
    tune = small_melody(number, "chorale")
    cut = half_bars(tune)
    triads = [
        NUMBERS[Chord((0, 5, 7, 9)[(number + half) % 4], "minor" if (number + half) % 4 == 3 else "major")]
        for half in range(len(cut) - 1)
    ]
    return Score(title="", voices=(Voice(name="S", melody=tune), *realise(PATTERNS["block"], tune, cut, [*triads, HOME])))


def test_a_seeded_training_gives_the_same_weights_and_chords_of_the_vocabulary(tmp_path: Path) -> None:
    chorales = tuple(chorale_of(str(number), choir(number)) for number in range(24))
    dataset = ChoraleDataset(chorales, tuple(small_melody(number) for number in range(4)))
    configuration = AccompanistConfiguration(
        epochs=2, hidden=8, rollouts=2, rollout_melodies=4, updates_per_rollout=2, batch_size=4, replay_melodies=8
    )

    def trained(name: str) -> str:
        (tmp_path / name).mkdir()
        made = train(Context(folder=tmp_path / name, configuration=configuration), dataset)
        assert made.kind == "chords"
        return hash_folder(made.checkpoint)

    assert trained("one") == trained("two")
    assert all((chorale.chords_T >= 0).all() and (chorale.chords_T < COUNT).all() for chorale in chorales)
