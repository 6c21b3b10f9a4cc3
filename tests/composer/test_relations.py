"""What a token would do to the rules, on lines whose answer is known by hand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from composer.bands import EARLY, EARLY_OF_BANDED, FIGURES, Bands, early_figures
from composer.constraints import Plan
from composer.learning.features import Lines, metre_number
from composer.learning.relations import DURATION_RELATIONS, PITCH_RELATIONS, relate_durations, relate_pitches
from composer.learning.standing import RULE_VALUES, STANDING, RuleState
from composer.line import Line
from composer.rewards import leaps_of
from composer.steering import Steering
from composer.tokens import REST, duration_number, pitch_token
from music.notes import Melody, Note

# Places in the list of relations, in its order.
REPEATS_NOTE, ABOVE, REPEATS_HIGHEST, BELOW, REPEATS_LOWEST, RESOLVES, DOUBLES = 1, 10, 12, 14, 16, 18, 19
WIDENS, NEW_DEGREE = 32, 34
FAR_FROM_TONIC = 35
ENDS_BAR, SAME_RHYTHM, LEAVES_THE_END = 4, 12, 16


OF_BANDS = slice(-2 * len(EARLY) - 4, -4)
"""Of what is observed; behind it the form."""


def grow(
    pitches: Sequence[int | None],
    quarters: Fraction | list[Fraction] = Fraction(1, 2),
    bands: Bands | None = None,
    form: str = "",
) -> tuple[RuleState, Lines]:
    """A line of these pitches in C, 4/4, and how the rules stand after it; a tune where there are bands, else a phrase."""
    plan = Plan(steering=Steering(tonic=0, bars=8 if bands else 4, lowest=48, highest=84), form=form)
    one = np.ones(1, dtype=np.int64)
    lines = Lines(
        bar_B=one * 192,
        pickup_B=one * 0,
        end_B=one * plan.end_ticks,
        metre_B=one * metre_number((4, 4)),
        mode_B=one * 0,
        style_B=one * 0,
        capacity=64,
    )
    state = RuleState([plan], bands)
    lengths = quarters if isinstance(quarters, list) else [quarters] * len(pitches)
    for pitch, length in zip(pitches, lengths, strict=True):
        token, duration = one * pitch_token(pitch, 0), one * duration_number(length)
        ticks = one * round(length * 48)
        state.append(lines, token, ticks, np.ones(1, dtype=bool))
        lines.append(token, duration, ticks)
    return state, lines


def relations_of(pitches: list[int | None], candidates: list[int]) -> np.ndarray:
    state, lines = grow(pitches)
    tokens = np.array([pitch_token(pitch, 0) for pitch in candidates])
    related: np.ndarray = relate_pitches(tokens, state.standing(lines))[0]
    return related


def test_it_knows_which_note_would_repeat_or_pass_the_highest_and_the_lowest() -> None:
    highest, above, lowest, below, between = relations_of([60, 67, 64], [67, 69, 60, 59, 62])

    assert highest[REPEATS_HIGHEST] == 1
    assert above[ABOVE] == 1
    assert lowest[REPEATS_LOWEST] == 1
    assert below[BELOW] == 1
    assert between[[ABOVE, REPEATS_HIGHEST, BELOW, REPEATS_LOWEST]].sum() == 0


def test_a_highest_note_heard_twice_can_no_longer_be_spoiled() -> None:
    again = relations_of([60, 67, 64, 67], [67])[0]

    assert again[REPEATS_HIGHEST] == 0
    assert again[REPEATS_HIGHEST + 1] == 1


def test_after_a_leap_it_knows_what_resolves_and_what_doubles_it() -> None:
    back, further, onwards = relations_of([60, 69], [60 + 2, 60 - 1, 77])

    assert back[RESOLVES] == 0  # not yet back at the note left
    assert further[RESOLVES] == 0  # a leap itself
    assert onwards[DOUBLES] == 1
    assert relations_of([60, 69, 65], [60])[0][RESOLVES] == 1


def test_before_the_first_note_nothing_is_repeated_and_a_rest_has_no_height() -> None:
    first = relations_of([], [60])[0]
    rest = relations_of([60, 62], [60])  # any pitch, to have the shape

    assert first[:27].sum() == 0
    assert rest.shape == (1, PITCH_RELATIONS)
    state, lines = grow([60, 62])
    related = relate_pitches(np.array([REST]), state.standing(lines))[0, 0]
    assert related[0] == 1
    assert related[1:].sum() == 0


def test_it_knows_which_degree_was_not_heard_in_any_octave() -> None:
    heard, octave, new = relations_of([60, 67, None, 64], [67, 72, 66])

    assert [heard[NEW_DEGREE], octave[NEW_DEGREE], new[NEW_DEGREE]] == [0, 0, 1]


def test_a_duration_knows_the_bar_line() -> None:
    state, lines = grow([60, 62, 64, 65, 67, 65])
    tokens = np.array([duration_number(Fraction(1)), duration_number(Fraction(1, 2))])
    related = relate_durations(tokens, state.standing(lines))[0]

    assert related.shape == (2, DURATION_RELATIONS)
    assert related[:, ENDS_BAR].tolist() == [1, 0]


def test_it_knows_which_length_leaves_the_last_note_alone_and_from_where_that_is_leapt_to() -> None:
    # Of the four bars of a phrase one half note is left: the last note takes a quarter at least.
    state, lines = grow([60, 62, 64, 65] * 3 + [60, 62], [Fraction(1)] * 14)
    pitches = relate_pitches(np.array([pitch_token(pitch, 0) for pitch in (60, 64, 65, 66, 67, 68)]), state.standing(lines))[0]
    lengths = [duration_number(length) for length in (Fraction(1, 2), Fraction(1), Fraction(2))]

    assert pitches[:, FAR_FROM_TONIC].tolist() == [0, 0, 1, 1, 1, 0]
    assert relate_durations(np.array(lengths), state.standing(lines))[0, :, LEAVES_THE_END].tolist() == [0, 1, 0]
    before, lines = grow([60, 62, 64, 65] * 3, [Fraction(1)] * 12)
    assert relate_pitches(np.array([pitch_token(67, 0)]), before.standing(lines))[0, 0, FAR_FROM_TONIC] == 1
    before, lines = grow([60, 62, 64, 65] * 2 + [60, 62, 64], [Fraction(1)] * 11)
    assert relate_pitches(np.array([pitch_token(67, 0)]), before.standing(lines))[0, 0, FAR_FROM_TONIC] == 0, "a bar too soon"


def test_the_state_follows_leaps_as_the_rule_does() -> None:
    generator = np.random.default_rng(1)
    for _ in range(30):
        pitches: list[int | None] = [int(pitch) for pitch in generator.integers(48, 84, size=12)]
        state, lines = grow(pitches)
        notes = tuple(Note(pitch, Fraction(1, 2)) for pitch in pitches)
        found = leaps_of(Line(Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")))

        assert (state.standing(lines)[0, STANDING.index("leap_direction")] != 0) == found.is_open_N[-1]


def test_the_networks_input_has_the_size_it_says() -> None:
    state, lines = grow([60, 64, None, 67])

    assert state.observe(lines).shape == (1, RULE_VALUES)
    assert np.isfinite(state.observe(lines)).all()
    assert state.standing(lines).shape == (1, len(STANDING))


# Edges of every figure but those told early are not looked at.
LOW, HIGH = np.zeros(len(FIGURES)), np.ones(len(FIGURES))
LOW[EARLY_OF_BANDED] = [5 / 36, 1 / 8, 0.2, 0.7, 0.4, 0.4]
HIGH[EARLY_OF_BANDED] = [9 / 36, 2 / 8, 0.4, 0.9, 0.6, 0.8]
BANDS = Bands({"": (LOW.tolist(), HIGH.tolist())})


WINDING: list[int | None] = [60, 67, None, 64, 62, 72, 60, 60, 64, None, 65, 62, None, 60, 60]
IN_TRIPLETS = [Fraction(1, 2)] * 5 + [Fraction(1, 3)] * 3 + [Fraction(1), Fraction(1, 2), Fraction(1), Fraction(3, 2)]
ONE, REST_IN_IT, OTHER_ENDING, OTHER_RHYTHM = [60, 62, 64, 65], [60, None, 64, 65], [60, 62, 65, 67], [67, 65, 64]
BARS = [*ONE, *REST_IN_IT, *OTHER_RHYTHM, *OTHER_ENDING, *ONE, *REST_IN_IT, *OTHER_RHYTHM, *ONE]
LENGTHS_OF_BARS = [[Fraction(1)] * 4, [Fraction(2), Fraction(1), Fraction(1)]]


@pytest.mark.parametrize(
    ("pitches", "lengths"),
    [
        (WINDING, [*IN_TRIPLETS, Fraction(1, 2), Fraction(1, 2), Fraction(1)]),
        (BARS, [length for number in range(8) for length in LENGTHS_OF_BARS[number in (2, 6)]]),
    ],
)
def test_it_sees_how_far_the_line_lies_outside_of_peoples_bands(pitches: list[int | None], lengths: list[Fraction]) -> None:
    for count in range(1, len(pitches) + 1):
        state, lines = grow(pitches[:count], lengths[:count], BANDS)

        seen = state.observe(lines)[0, OF_BANDS]
        notes = tuple(Note(pitch, length) for pitch, length in zip(pitches[:count], lengths[:count], strict=True))
        figures_E = early_figures(Line(Melody(notes=notes, metre=(4, 4), tonic=0, mode="major", tempo=100.0)))[-1]
        low_E, high_E = LOW[EARLY_OF_BANDED], HIGH[EARLY_OF_BANDED]
        above_E, below_E = (figures_E - high_E) / (high_E - low_E), (low_E - figures_E) / (high_E - low_E)
        expected = np.nan_to_num(np.concatenate([above_E, below_E]).clip(-1, 1))
        np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_a_phrase_has_no_bands() -> None:
    state, lines = grow([60, 79])

    assert not state.observe(lines)[0, OF_BANDS].any()
    assert relate_pitches(np.array([pitch_token(40, 0)]), state.standing(lines))[0, 0, WIDENS] == 0


def test_it_knows_which_note_would_widen_the_range_beyond_peoples() -> None:
    state, lines = grow([60, 67], bands=BANDS)
    related = relate_pitches(np.array([pitch_token(pitch, 0) for pitch in (64, 69, 72, 57)]), state.standing(lines))[0]

    assert related[:, WIDENS].tolist() == [0, 0, 1, 1]
    assert related[:, WIDENS + 1] == pytest.approx([0, 0, 3 / 12, 1 / 12])


def test_it_knows_which_length_ends_where_a_note_began_in_the_bar_before() -> None:
    quarter, half = Fraction(1), Fraction(2)
    state, lines = grow([60, 62, None, 64], [quarter, half, quarter / 2, quarter / 2], BANDS)
    lengths = [duration_number(length) for length in (quarter / 2, quarter, 3 * quarter / 2, half, Fraction(1, 3))]
    related = relate_durations(np.array(lengths), state.standing(lines))[0]

    # Before, notes began at 0, 1 and 3½ quarters; a rest at 3.
    assert related[:, SAME_RHYTHM].tolist() == [0, 1, 0, 0, 0]
    assert related[:, SAME_RHYTHM + 1].tolist() == [1, 0, 1, 1, 1]
    assert related[:, SAME_RHYTHM + 2].tolist() == [0, 0, 1, 1, 0]
    assert related[3, SAME_RHYTHM + 3] == 1 / 4


def test_in_the_first_bar_no_rhythm_came_before() -> None:
    state, lines = grow([60, 62], bands=BANDS)

    assert not relate_durations(np.array([duration_number(Fraction(1))]), state.standing(lines))[0, 0, SAME_RHYTHM:].any()


def test_it_sees_what_the_form_asks_of_this_bar_and_the_next() -> None:
    bar = [60, 62, 64, 65, 67, 65, 64, 62]

    def seen(pitches: list[int | None], form: str) -> list[float]:
        state, lines = grow(pitches, form=form)
        values: list[float] = state.observe(lines)[0, -4:].tolist()
        return values

    assert seen([], "...2") == [1, 0, 0, 0], "new, and so is the next one"
    assert seen([*bar, *bar], "..12") == [0, 1, 0, 1]
    assert seen([*bar, *bar], "..b.") == [0, 0, 1, 0]
    assert seen([*bar], "") == [0, 0, 0, 0]


def test_in_the_last_beat_it_knows_the_note_that_the_next_bar_comes_back_with() -> None:
    bar = [60, 62, 64, 65, 67, 65, 64]
    related = []
    for pitches, form in (
        ([*bar, 62, *bar], "..2."),
        ([*bar, 62, *bar], "...."),
        ([*bar, 62, *bar[:4]], "..2."),
        ([*bar], ".1.."),
    ):
        state, lines = grow(pitches, form=form)
        related.append(
            relate_pitches(np.array([pitch_token(pitch, 0) for pitch in (60, 66)]), state.standing(lines))[0, :, 36:].tolist()
        )

    assert related[0] == [[1, 0], [0, 0.5]]
    assert related[1] == related[2] == [[0, 0], [0, 0]]
    assert related[3] == [[1, 0], [0, 0.5]], "the bar itself comes at once"
