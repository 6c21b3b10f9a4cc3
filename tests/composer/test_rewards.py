"""Rules and structure, by melodies made by hand."""

import inspect
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from composer import rewards
from composer.bands import (
    BANDED,
    EARLY,
    EARLY_OF_BANDED,
    FIGURES,
    FORMED,
    GROOVE,
    LAST_NOTE,
    PACE,
    Bands,
    band_miss,
    band_misses,
    banded,
    early_edges,
    early_figures,
    left_open,
)
from composer.judging import Judge, graded, taste_liking
from composer.line import Line
from composer.rewards import (
    RuleWeights,
    cadence,
    form,
    leaps,
    leaps_of,
    motif,
    question_and_answer,
    repeated_motif,
    rules,
    structure,
    unique_extrema,
    worn_beginnings,
)
from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody, Note

WEIGHTS = RuleWeights()


def eighths(*pitches: int | None) -> Melody:
    """A melody of eighth notes in C major, 4/4."""
    notes = tuple(Note(pitch, Fraction(1, 2)) for pitch in pitches)
    return Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")


def test_every_rule_counts() -> None:
    """A function of a line and weights that nobody listed would be a rule without effect."""
    written = {
        each
        for each in vars(rewards).values()
        if inspect.isfunction(each) and [*inspect.signature(each).parameters] == ["line", "weights"] and each is not rules
    }

    assert written == set(rewards.RULES)


def test_a_leap_is_resolved_by_steps_back_to_the_note_it_left() -> None:
    found = leaps_of(Line(eighths(60, 69, 67, 65, 64, 62, 60, 60)))

    assert (found.resolved, found.doubled, bool(found.is_open_N[-1])) == (1, 0, False)


def test_a_leap_left_open_costs_until_the_end() -> None:
    assert leaps(Line(eighths(60, 69, 67, 69)), WEIGHTS).sum() == WEIGHTS.open_leap


def test_a_second_leap_the_same_way_doubles_the_first() -> None:
    assert leaps_of(Line(eighths(60, 67, 76, 60))).doubled == 1


def test_one_highest_and_one_lowest_note_are_paid() -> None:
    paid = unique_extrema(Line(eighths(64, 67, 65, 60, 62, 64)), WEIGHTS).sum()

    assert paid == pytest.approx(WEIGHTS.unique_highest + WEIGHTS.unique_lowest)


def test_a_climax_reached_twice_is_taken_back() -> None:
    paid = unique_extrema(Line(eighths(64, 67, 65, 60, 67)), WEIGHTS).sum()

    assert paid == pytest.approx(WEIGHTS.unique_lowest)


def test_half_a_bar_of_three_pitches_that_comes_again_is_a_repeated_motif() -> None:
    assert repeated_motif(Line(eighths(60, 62, 64, 65, 60, 62, 64, 65)), WEIGHTS).sum() > 0
    assert repeated_motif(Line(eighths(60, 62, 64, 65, 60, 62, 64, 67)), WEIGHTS).sum() == 0
    assert repeated_motif(Line(eighths(60, 60, 62, 62, 60, 60, 62, 62)), WEIGHTS).sum() == 0


def test_on_the_way_to_a_repeated_motif_something_is_lent_and_taken_back_where_it_ends() -> None:
    broken = repeated_motif(Line(eighths(60, 62, 64, 65, 60, 62, 64, 67, 69)), WEIGHTS)

    # The second and third note of the run, each one eighth of the way further.
    assert broken[5:7] == pytest.approx([2 * WEIGHTS.approach_step] * 2)
    assert broken[7] == pytest.approx(-4 * WEIGHTS.approach_step)


def test_one_cell_again_and_again_earns_no_more_than_its_cap() -> None:
    paid = repeated_motif(Line(eighths(*(60, 62, 64, 65) * 4)), WEIGHTS).sum()

    assert paid == pytest.approx(WEIGHTS.repeated_motif_step * WEIGHTS.repeated_steps_paid_per_bar * 2)


def test_three_pitches_in_half_a_bar_are_a_motif() -> None:
    assert motif(Line(eighths(60, 62, 64, 65)), WEIGHTS)[-1] > 0
    assert motif(Line(eighths(60, 62, 60, 62)), WEIGHTS).sum() == 0


def test_a_changed_ending_is_worth_more_than_a_copy_and_a_third_copy_nothing() -> None:
    bar, other = (60, 62, 64, 65, 67, 65, 64, 62), (60, 62, 64, 65, 69, 67, 65, 64)

    changed = structure(Line(eighths(*bar, *other)), WEIGHTS).sum()
    copied = structure(Line(eighths(*bar, *bar)), WEIGHTS).sum()
    thrice = structure(Line(eighths(*bar, *bar, *bar)), WEIGHTS).sum()

    assert changed > copied > 0
    assert thrice == copied


def test_a_beginning_heard_three_times_before_costs() -> None:
    bars = [(60, 62, 64, 65, 60 + n, 62, 62, 60) for n in (0, 2, 4, 5)]

    reward_N = worn_beginnings(tune_of(*bars), WEIGHTS)

    assert reward_N.tolist() == [0.0] * 31 + [WEIGHTS.worn_beginning]


def test_a_fourth_bar_that_ends_on_the_fifth_is_a_question() -> None:
    question = (60, 62, 64, 65) * 7 + (60, 62, 64, 67)

    assert question_and_answer(Line(eighths(*question, *(60,) * 8)), WEIGHTS).sum() == WEIGHTS.question
    assert question_and_answer(Line(eighths(*question, *question, *(60,) * 8)), WEIGHTS).sum() == WEIGHTS.question
    assert question_and_answer(Line(eighths(*question)), WEIGHTS).sum() == 0


A, B, C, D, E, F, G, H = ((60 + n, 62 + n, 64 + n, 60 + n, 65 + n, 64 + n, 62 + n, 67 - n) for n in range(8))
"""Bars that begin and end in different ways."""


def tune_of(*bars: tuple[int, ...]) -> Line:
    """Bars of eighths in a row."""
    return Line(eighths(*(pitch for bar in bars for pitch in bar)))


def formed(*bars: tuple[int, ...], asked: str = "") -> float:
    """What the form of these bars is worth, where this one was asked for."""
    return float(form(replace(tune_of(*bars), form=asked), WEIGHTS).sum())


def test_a_bar_that_comes_back_costs_where_a_new_one_was_asked_for() -> None:
    assert formed(A, B, C, D, A, F, G, H, asked="........") == WEIGHTS.returns_unasked
    assert formed(A, B, A, D, E, F, G, D, asked="........") == 2 * WEIGHTS.returns_unasked, "from two and from four bars before"
    assert formed(A, B, C, D, A, F, G, H, asked="....4...") == 0.0
    assert formed(A, B, C, D, E, F, G, H, asked="....4...") == 0.0, "that it comes back is no rule: nothing else is open"
    assert formed(A, B, C, D, A, F, G, H, asked="....d...") == WEIGHTS.returns_unasked, "another ending was asked for"
    assert formed(A, B, C, A, asked="....") == 0.0, "a phrase"


def test_without_a_form_only_a_bar_just_heard_costs() -> None:
    assert formed(A, A, B, C, D, E, F, G) == WEIGHTS.returns_unasked
    assert formed(A, B, C, D, A, E, F, G) == 0.0


def test_a_bar_on_the_way_to_come_back_unasked_owes_its_price() -> None:
    broken = form(replace(tune_of(A, B, C, D, (*A[:3], 72, *A[4:]), E, F, G), form="........"), WEIGHTS)

    assert broken[32:36] == pytest.approx([WEIGHTS.returns_unasked / 8] * 3 + [-3 * WEIGHTS.returns_unasked / 8])
    assert broken.sum() == pytest.approx(0.0)


def test_what_a_form_decides_lies_outside_no_band() -> None:
    asked, other = Steering(tonic=0, lowest=48, highest=84), tune_of(A, B, A, B, A, B).melody
    judge = judge_of(tune_of(A, B, C, D, E, F).melody)

    free, formed = (judge.rewards(other, asked, form=letters).sum() for letters in ("", "..2222"))
    missed_X = band_misses(banded(other), np.stack(judge.bands.of("", (4, 4))))

    decided = [FIGURES.index(name) for name in FORMED]
    assert missed_X[decided].sum() > 0
    assert formed - free == pytest.approx(WEIGHTS.band * missed_X[decided].sum())


def test_a_bar_that_ends_sooner_than_the_other_is_no_copy() -> None:
    line = tune_of(A, B, C, D, A)
    shorter = replace(line.melody, notes=(*line.melody.notes[:-2], Note(67, Fraction(1))))

    assert line.copied_share(4, 0)[-1] == 1.0
    assert Line(shorter).copied_share(4, 0)[-1] == 0.0


def test_a_last_note_is_not_leapt_to() -> None:
    assert cadence(Line(eighths(60, 67, 64, 60)), WEIGHTS).tolist() == [0, 0, 0, 0]
    assert cadence(Line(eighths(60, 67, 64, 60, None)), WEIGHTS).sum() == 0
    assert cadence(Line(eighths(67, 65, 72, 60)), WEIGHTS).tolist() == [0, 0, 0, WEIGHTS.leapt_ending]
    assert cadence(tune_of(A, B, C, D, (64, 62, 59, 72)), WEIGHTS)[-1] == WEIGHTS.leapt_ending_of_tune < WEIGHTS.leapt_ending
    assert cadence(Line(eighths(60)), WEIGHTS).sum() == 0


def test_bands_are_peoples_percentiles_by_style() -> None:
    figures_nX = np.tile(np.linspace(0, 1, 101)[:, None], (1, len(FIGURES)))
    bands = Bands.measure(figures_nX, ["reel"] * 101, [(4, 4)] * 101)

    low_X, high_X = bands.of("reel", (4, 4))
    assert low_X[0] == pytest.approx(0.2)
    assert high_X[0] == pytest.approx(0.8)
    assert band_miss(figures_nX[50], bands, "a style nobody wrote", (4, 4)) == 0
    assert band_miss(figures_nX[100], bands, "reel", (4, 4)) > 0


def test_a_metre_of_enough_tunes_has_bands_of_its_own() -> None:
    figures_nX = np.repeat([[0.0], [1.0], [3.0]], [30, 30, 29], axis=0) * np.ones(len(FIGURES))
    bands = Bands.measure(figures_nX, ["reel"] * 89, [(4, 4)] * 30 + [(2, 4)] * 30 + [(6, 8)] * 29)

    (slow, _), (fast, _), (few, _) = (bands.of("reel", metre) for metre in ((4, 4), (2, 4), (6, 8)))

    assert slow.max() == 0
    assert fast.min() == 1
    assert few[PACE] == -np.inf
    assert np.delete(few, PACE).tolist() == np.delete(bands.of_group["reel"][0], PACE).tolist()
    assert few[PACE + 1] == np.percentile([0.0] * 30 + [1.0] * 30 + [3.0] * 29, 20)
    assert np.isfinite(early_edges(bands, Steering(style="reel", metre=(2, 4), bars=8))).all()
    assert np.isnan(early_edges(bands, Steering(style="reel", metre=(6, 8), bars=8))).sum() == 2


def test_how_long_the_last_note_is_is_held_against_people() -> None:
    last = FIGURES.index(LAST_NOTE)
    notes = (Note(60, Fraction(1, 2)), Note(62, Fraction(1, 2)), Note(60, Fraction(3, 2)), Note(None, Fraction(1, 2)))

    assert banded(replace(eighths(60), notes=notes))[last] == pytest.approx(3)
    assert banded(eighths(60, 62, None))[last] == 1
    assert banded(eighths(None))[last] == 1


def test_graded_wishes_are_measured_on_their_own_scale() -> None:
    melody = eighths(60, 62, 60, 62)
    steering = Steering(tonic=0, lowest=48, highest=72, density=1.0)

    shown = graded(features(melody), melody, steering)

    assert shown["brightness"] == pytest.approx(13 / 24)
    assert shown["leaps"] == shown["syncopation"] == 0


def test_a_listener_who_likes_leaps_likes_leaping_more() -> None:
    taste = np.zeros(len(NAMES))
    taste[NAMES.index("share_of_leaps")] = 0.5

    assert taste_liking(features(eighths(60, 67, 60, 67)), taste) > taste_liking(features(eighths(60, 62, 60, 62)), taste)


def judge_of(*people: Melody) -> Judge:
    """Holds pieces against the bands of these people's melodies."""
    return Judge(
        WEIGHTS,
        Bands.measure(np.stack([banded(melody) for melody in people]), [""] * len(people), [(4, 4)] * len(people)),
        None,
    )


def test_what_lies_outside_the_bands_costs_its_widths_whenever_it_was_told() -> None:
    asked = Steering(tonic=0, lowest=48, highest=84)
    judge = judge_of(eighths(*(60, 62, 64, 65) * 8), eighths(*(60, 62, 64, 67, 65, 64, 62, 60) * 4))
    piece = eighths(*(60, 62, 64, 84) * 4, *(60, 62, 64, 60) * 4)

    reward_N = judge.rewards(piece, asked)

    miss = band_miss(banded(piece), judge.bands, "", (4, 4))
    assert miss > 1
    assert reward_N.sum() == pytest.approx(rules(Line(piece), WEIGHTS).sum() - WEIGHTS.band * miss)


def test_the_note_that_leaves_peoples_range_is_told_at_once() -> None:
    asked = Steering(tonic=0, lowest=48, highest=84)
    judge = judge_of(eighths(*(60, 62, 64, 65) * 8), eighths(*(60, 62, 64, 67, 65, 64, 62, 60) * 4))
    near, far = (eighths(*(60, 62, 64, 65) * 2, 62, top, *(60, 62, 64, 65, 64, 62) * 3, *(60, 62, 64, 60)) for top in (65, 84))

    lent_N = (judge.rewards(far, asked) - rules(Line(far), WEIGHTS)) - (judge.rewards(near, asked) - rules(Line(near), WEIGHTS))

    assert lent_N[:9] == pytest.approx(np.zeros(9))
    assert lent_N[9] < -1


COMPARED = [number for number, name in enumerate(EARLY) if name == GROOVE or "_bars" in name]


def test_what_is_told_early_is_what_counts_at_the_end() -> None:
    two_bars = eighths(60, 67, None, 64, 62, 72, 60, 60, 64, None, 65, 62, None, 60, 60, 62)
    for piece in (
        tune_of(A, B, A, (*B[:4], *A[:4]), C, A).melody,
        two_bars,
        eighths(60, 67, None, 64, 62, 72),
        eighths(None, None, 60),
        eighths(60),
    ):
        at_the_end_X = banded(piece)[EARLY_OF_BANDED]
        if len(piece.notes) <= 8:
            at_the_end_X[COMPARED] = np.nan  # nothing to compare a first bar with

        assert early_figures(Line(piece))[-1] == pytest.approx(at_the_end_X, nan_ok=True)


def test_who_asks_for_the_unusual_pays_less_for_it() -> None:
    plain = Steering(tonic=0, lowest=48, highest=84)
    judge = judge_of(eighths(*(60, 62, 64, 65) * 8), eighths(*(60, 62, 64, 67, 65, 64, 62, 60) * 4))
    piece = eighths(*(60, 72, 60, 72) * 8)
    miss_X = band_misses(banded(piece), np.stack(judge.bands.of("", (4, 4))))

    usual, tasted = (judge.rewards(piece, plain, has_taste=has_taste).sum() for has_taste in (False, True))
    wide = judge.rewards(piece, replace(plain, leaps=1.0)).sum()

    assert tasted - usual == pytest.approx((WEIGHTS.band - WEIGHTS.band_of_tasted) * miss_X.sum())
    assert miss_X[BANDED.index("range_over_36_semitones")] > 0
    assert wide - usual == pytest.approx(WEIGHTS.band * miss_X[left_open(replace(plain, leaps=1.0))].sum())


@pytest.mark.parametrize(
    ("measured", "known"), [(len(NAMES), len(BANDED)), (len(BANDED) + 1, len(BANDED) + 1), (len(FIGURES) + 1, len(FIGURES))]
)
def test_bands_of_an_older_checkpoint_take_anything_of_what_they_lack(measured: int, known: int) -> None:
    older = Bands({"reel": ([0.5] * measured, [0.7] * measured)})

    edges_2X = np.stack(older.of("reel", (4, 4)))

    assert not older.are_current
    assert edges_2X.shape == (2, len(FIGURES))
    is_open_X = np.isin(np.arange(len(FIGURES)), [PACE, *range(known, len(FIGURES))])
    assert (edges_2X[:, ~is_open_X] == [[0.5], [0.7]]).all()
    assert band_misses(np.full(len(FIGURES), 9.0), edges_2X)[is_open_X].tolist() == [0] * is_open_X.sum()


def test_a_missed_wish_is_judged_at_the_last_note() -> None:
    melody = eighths(*(60, 62, 64, 62) * 8)
    plain, wished = (Steering(tonic=0, lowest=48, highest=72, leaps=leaps) for leaps in (0.0, 1.0))

    difference_N = judge_of(melody).rewards(melody, wished) - judge_of(melody).rewards(melody, plain)

    assert difference_N[:-1] == pytest.approx(np.zeros(len(melody.notes) - 1))
    assert difference_N[-1] == pytest.approx(WEIGHTS.steering)
