"""What no piece may break holds in every piece that is written."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from composer.constraints import MAXIMUM_SAME_PITCH, RELAXED, Plan, open_durations
from composer.learning.condition import condition
from composer.learning.features import DURATION_TICKS, in_ticks
from composer.learning.network import Prior
from composer.learning.writing import Writer, Written
from composer.steering import Steering
from music.notes import Melody, Note

STEERINGS = [
    Steering(style="reel", tonic=2, bars=4),
    Steering(style="jig", tonic=7, mode="mixolydian", metre=(6, 8), bars=3),
    Steering(style="waltz", tonic=9, mode="minor", metre=(3, 4), bars=2, lowest=57, highest=69),
    Steering(style="song", tonic=11, mode="dorian", metre=(5, 8), bars=2),
    Steering(style="song", tonic=0, metre=(2, 4), bars=1),
    Steering(style="slip jig", tonic=5, mode="lydian", metre=(9, 8), bars=2),
    Steering(style="song", tonic=4, mode="phrygian", metre=(3, 2), bars=2),
]


def write(plans: list[Plan], seed: int = 0) -> list[Melody]:
    return write_all(plans, seed).melodies


def write_all(plans: list[Plan], seed: int = 0) -> Written:
    """Pieces of an untrained prior: masks hold whatever the network says."""
    torch.manual_seed(seed)
    writer = Writer(prior=Prior(inputs=8, hidden=8, body=8).eval())
    generators = [np.random.default_rng([seed, row]) for row in range(len(plans))]
    conditions = np.stack([condition(plan) for plan in plans])
    return writer.write(plans, styles=[0] * len(plans), condition_BC=conditions, generators=generators)


@pytest.fixture(scope="module")
def written() -> list[tuple[Steering, Melody]]:
    plans = [Plan(steering=steering) for steering in STEERINGS for _ in range(12)]
    return [(plan.steering, melody) for plan, melody in zip(plans, write(plans), strict=True)]


def test_every_piece_has_exactly_its_bars(written: list[tuple[Steering, Melody]]) -> None:
    assert all(melody.quarters == steering.quarters for steering, melody in written)


def test_no_note_crosses_a_bar_line(written: list[tuple[Steering, Melody]]) -> None:
    for steering, melody in written:
        for start, note in melody.onsets():
            assert start % steering.bar_quarters + note.quarters <= steering.bar_quarters


def test_every_note_is_in_key_and_range(written: list[tuple[Steering, Melody]]) -> None:
    for steering, melody in written:
        for note in melody.notes:
            assert note.pitch is None or (
                note.pitch % 12 in steering.scale and steering.lowest <= note.pitch <= steering.highest
            )


def test_every_piece_begins_and_ends_on_the_tonic(written: list[tuple[Steering, Melody]]) -> None:
    for steering, melody in written:
        for note in (melody.notes[0], melody.notes[-1]):
            assert note.pitch is not None
            assert note.pitch % 12 == steering.tonic


def test_where_only_the_end_fits_the_nearest_tonic_is_open() -> None:
    pieces = write([Plan(steering=Steering(tonic=0, bars=2, lowest=36, highest=96))] * 60)
    ends = [melody.notes for melody in pieces if melody.notes[-1].quarters == 1]

    assert len(ends) > 30
    for notes in ends:
        *_, before, last = (note.pitch for note in notes if note.pitch is not None)
        assert abs(last - before) <= 7


def test_the_last_note_takes_its_time(written: list[tuple[Steering, Melody]]) -> None:
    assert all(melody.notes[-1].quarters >= Fraction(1, 2) for _, melody in written)


def test_no_pitch_comes_too_often_in_a_row(written: list[tuple[Steering, Melody]]) -> None:
    for _, melody in written:
        pitches = [note.pitch for note in melody.notes if note.pitch is not None]
        # The cadence may need the tonic once more.
        runs = [len(set(pitches[n : n + MAXIMUM_SAME_PITCH + 1])) for n in range(len(pitches) - MAXIMUM_SAME_PITCH - 1)]
        assert all(distinct > 1 for distinct in runs)


def test_two_bars_on_the_grid_hold_nothing_but_sixteenths() -> None:
    plan = Plan(steering=Steering(tonic=0, bars=2, lowest=48, highest=83), is_on_sixteenths=True, longest_ticks=72)

    for melody in write([plan] * 20):
        assert all((note.quarters * 4).denominator == 1 and note.quarters <= Fraction(3, 2) for note in melody.notes)


def test_an_opening_is_the_first_note() -> None:
    plan = Plan(steering=Steering(tonic=0, bars=1, lowest=48, highest=83), opening=60)

    assert {melody.notes[0].pitch for melody in write([plan] * 10)} == {60}


def test_a_primer_and_locked_bars_come_back_exactly() -> None:
    primer = (Note(62, Fraction(1, 3)), Note(64, Fraction(1, 3)), Note(66, Fraction(4, 3)))
    locked = (Note(69, Fraction(3, 2)), Note(61, Fraction(1, 2)), Note(None, Fraction(2)))
    plan = Plan(steering=Steering(tonic=2, bars=4, primer=primer, locked_bars=((3, locked),)))

    for melody in write([plan] * 10):
        third_bar = [note for start, note in melody.onsets() if 8 <= start < 12]
        assert melody.notes[:3] == primer
        assert tuple(third_bar) == locked
        assert melody.quarters == 16


def test_a_primer_beside_the_grid_is_filled_to_the_bar_line() -> None:
    plan = Plan(steering=Steering(tonic=2, bars=2, primer=(Note(62, Fraction(5, 7)),)))

    written = write_all([plan] * 10)

    for melody in written.melodies:
        assert melody.quarters == 8
        assert melody.notes[0] == Note(62, Fraction(5, 7))
    assert (written.relaxed_B4[:, RELAXED.index("grid")] == 1).all()


def test_nothing_is_given_up_for_notes_that_were_given() -> None:
    back_on_it = (Note(62, Fraction(5, 7)), Note(64, Fraction(2, 7)))
    alike = (Note(62, Fraction(1, 2)),) * 16

    written = write_all([Plan(steering=Steering(tonic=2, bars=4, primer=primer)) for primer in (back_on_it, alike)])

    assert [melody.notes[: len(p)] for melody, p in zip(written.melodies, (back_on_it, alike), strict=True)] == [
        back_on_it,
        alike,
    ]
    assert not written.relaxed_B4.any()


def fifth_in_a_row() -> Plan:
    """A quarter note is left, which must be the tonic; four of it, the only one within the range, were given."""
    primer = tuple(Note(60, Fraction(length)) for length in ("1/2", "1/2", "1", "1"))
    return within_a_fifth(1, primer=primer)


def second_copy() -> Plan:
    """One length ends the piece, and with it half a bar comes a third time."""
    return within_a_fifth(2, primer=tuple(Note(pitch, Fraction(1)) for pitch in (62, 60, 62, 60, 62, 60, 62)))


def within_a_fifth(bars: int, *anchors: tuple[int, int], primer: tuple[Note, ...] | None = None) -> Plan:
    """C major in sixteenths, one tonic within the range."""
    steering = Steering(tonic=0, bars=bars, lowest=60, highest=67, primer=primer)
    return Plan(steering=steering, anchors=anchors, is_on_sixteenths=True)


@pytest.mark.parametrize(
    ("plan", "given_up"),
    [
        (within_a_fifth(1), {}),
        (fifth_in_a_row(), {"repetition": 1}),
        (second_copy(), {"repetition": 1}),
        # G is no tonic to begin with, and comes no more than four times in a row; but an anchor stays.
        (within_a_fifth(2, *((tick, 67) for tick in range(0, 96, 12))), {"key": 1, "repetition": 4}),
        (within_a_fifth(2, (0, 60), (48, 61), (96, 66)), {"key": 2}),
        # No note is as short as a tick: the second anchor can't be reached, and the grid stays.
        (within_a_fifth(1, (0, 60), (1, 60)), {"anchors": 1}),
        (within_a_fifth(2, (60, 62), primer=(Note(62, Fraction(5, 7)),)), {"anchors": 1, "grid": 1}),
    ],
)
def test_what_is_given_up_is_counted_and_nothing_later_in_the_order_is(plan: Plan, given_up: dict[str, int]) -> None:
    written = write_all([plan] * 10)

    counted = [{rule: times for rule, times in zip(RELAXED, row.tolist(), strict=True) if times} for row in written.relaxed_B4]
    assert counted == [given_up] * 10
    if "anchors" not in given_up:
        for melody in written.melodies:
            assert set(plan.anchors) <= {(in_ticks(start), note.pitch) for start, note in melody.onsets()}


@pytest.mark.parametrize(("bar_ticks", "is_last_bar"), [(96, False), (144, True), (192, True), (216, False), (120, True)])
def test_whatever_is_begun_can_be_finished(bar_ticks: int, is_last_bar: bool) -> None:
    open_TD = open_durations(bar_ticks, False, None, is_last_bar)

    for place, number in np.argwhere(open_TD):
        end = place + DURATION_TICKS[number]
        assert end == bar_ticks or open_TD[end].any()
