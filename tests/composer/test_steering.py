"""A wish is checked field by field; what no piece can fulfil is refused with the bound."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.steering import ImpossibleSteering, Steering, read_length
from music.notes import MODES, Note

BAR = [[74, "1"], [76, "1"], [78, "2"]]


def test_a_steering_survives_its_json() -> None:
    steering = Steering.from_json(
        {
            "style": "jig",
            "tonic": 7,
            "mode": "dorian",
            "metre": "6/8",
            "bars": 8,
            "density": 0.4,
            "primer": [[67, "1/2"], [None, "1/2"], [69, "1/3"]],
            "locked_bars": {"3": [[67, "3/2"], [74, 1.5]]},
        }
    )

    assert Steering.from_json(steering.to_json()) == steering
    assert steering.locked_bars == ((3, (Note(67, Fraction(3, 2)), Note(74, Fraction(3, 2)))),)


def test_metre_and_tempo_follow_the_style_unless_asked_for() -> None:
    assert Steering.from_json({"style": "slip jig"}).metre == (9, 8)
    assert Steering.from_json({"style": "slip jig", "metre": [3, 4]}).metre == (3, 4)


@pytest.mark.parametrize(
    ("wish", "field", "bound"),
    [
        ({"tonic": 12}, "tonic", "0 … 11"),
        ({"tonic": True}, "tonic", "whole number"),
        ({"mode": "sad"}, "mode", "dorian"),
        ({"metre": [5, 7]}, "metre", "2, 4, 8 or 16"),
        ({"metre": "1/16"}, "metre", "1 … 8 quarter notes"),
        ({"metre": "waltz"}, "metre", "such as 6/8"),
        ({"bars": 0}, "bars", "1 … 64"),
        ({"bars": 65}, "bars", "1 … 64"),
        ({"bars": "8"}, "bars", "whole number"),
        ({"tempo": 29}, "tempo", "30 … 300"),
        ({"tempo": float("nan")}, "tempo", "30 … 300"),
        ({"tempo": float("inf")}, "tempo", "30 … 300"),
        ({"tempo": 10**400}, "tempo", "30 … 300"),
        ({"lowest": -1}, "lowest", "C-1 (0) … G9 (127); it is -1"),
        ({"highest": 128}, "highest", "C-1 (0) … G9 (127); it is 128"),
        ({"lowest": 80, "highest": 60}, "highest", "not be below lowest, which is A♭5 (80); it is C4 (60)"),
        (
            {"lowest": 60, "highest": 65},
            "highest",
            "C4 (60) … F4 (65) holds 3 notes of this major key; a melody needs at least 5",
        ),
        ({"lowest": 63, "highest": 73, "tonic": 2}, "highest", "tonic"),
        ({"density": 1.1}, "density", "0 … 1"),
        ({"closeness": "near"}, "closeness", "0 … 1"),
        ({"taste_strength": -0.1}, "taste_strength", "0 … 1"),
        ({"style": ""}, "style", "1 … 40"),
        ({"volume": 3}, "volume", "no field"),
        ({"bars": 1, "primer": BAR}, "primer", "shorter"),
        ({"primer": [[40, 1]]}, "primer", "note 1 is E2 (40); the range is A3 (57) … C6 (84)"),
        ({"primer": [[200, 1]]}, "primer", "note 1 must be a MIDI pitch C-1 (0) … G9 (127); it is 200"),
        ({"primer": [[74, "1/0"]]}, "primer", "length"),
        ({"primer": [[74, "1e999999999"]]}, "primer", "length"),
        ({"primer": [[74, 10**400]]}, "primer", "length"),
        ({"primer": [[74, float("nan")]]}, "primer", "length"),
        ({"primer": [[74, 0]]}, "primer", "1/40 … 64"),
        ({"primer": [[74, "1/96"]] * 2000}, "primer", "note 1 must last 1/40 … 64"),
        (
            {"primer": [[74, 1], [74, 1.005]]},
            "primer",
            "note 2 lasts 1.005 quarter notes, which is no length of a note: the nearest is 1,",
        ),
        ({"primer": [[74, 0.034]]}, "primer", "the nearest is 1/28,"),
        ({"primer": [[74, 0.33]]}, "primer", "the nearest is 1/3,"),
        ({"primer": [[74, 0.011]]}, "primer", "the nearest is 1/40,"),
        ({"locked_bars": {"2": [[74, 1], [74, 0.23125]]}}, "locked_bars", "bar 2: note 2 lasts 0.23125"),
        ({"primer": [[74, "3/83"], [74, "3/89"]]}, "primer", "can't be written in notes"),
        ({"locked_bars": {"2": [[74, "3/83"], [74, "327/83"], [74, "2/83"]]}}, "locked_bars", "note 3 must last"),
        ({"locked_bars": {"1": BAR, "01": BAR}}, "locked_bars", "bar 1 is given twice"),
        ({"primer": "abc"}, "primer", "list"),
        ({"bars": 2, "locked_bars": {"3": BAR}}, "locked_bars", "1 … 2"),
        ({"bars": 2, "locked_bars": {"0": BAR}}, "locked_bars", "1 … 2"),
        ({"locked_bars": {"2": [[74, 1]]}}, "locked_bars", "it must be 4"),
        ({"locked_bars": {"1": BAR}, "primer": BAR}, "locked_bars", "primer"),
        ({"bars": 1, "locked_bars": {"1": BAR}}, "locked_bars", "at least one"),
    ],
)
def test_it_refuses_the_impossible_and_says_the_bound(wish: dict[str, Any], field: str, bound: str) -> None:
    with pytest.raises(ImpossibleSteering) as refusal:
        Steering.from_json(wish)

    assert refusal.value.field == field
    assert bound in refusal.value.message


@pytest.mark.parametrize(
    ("number", "length"),
    [
        (0.333, "1/3"), (0.667, "2/3"), (0.1667, "1/6"), (0.167, "1/6"), (0.08333, "1/12"), (0.083, "1/12"), (0.0417, "1/24"),
        (1.104, "53/48"), (0.2, "1/5"), (0.143, "1/7"), (0.429, "3/7"), (0.111, "1/9"), (0.03125, "1/32"), (0.046875, "3/64"),
        (1 / 11, "1/11"), (95 / 96, "95/96"), (3, "3"), (2.5, "5/2"), (63.333, "190/3"),
    ],
)  # fmt: skip
def test_a_decimal_is_the_length_that_it_rounds(number: float, length: str) -> None:
    assert read_length("primer", number) == read_length("primer", length) == Fraction(length)


@given(st.floats(min_value=0.03, max_value=64))
@settings(derandomize=True, deadline=None)
def test_no_number_becomes_another_length_than_it_says(number: float) -> None:
    try:
        length = read_length("primer", number)
    except ImpossibleSteering:
        return
    assert length is not None
    assert abs(length - Fraction(number)) <= Fraction(1, 2000)


def test_an_unknown_style_is_refused_where_the_styles_are_known() -> None:
    with pytest.raises(ImpossibleSteering, match="jig, reel"):
        Steering(style="bebop").check_style({"reel", "jig"})


@given(
    st.dictionaries(
        st.sampled_from([*Steering.__dataclass_fields__, "else"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=3),
    )
)
@settings(derandomize=True, deadline=None)
def test_whatever_is_asked_it_either_holds_or_is_refused(values: dict[str, Any]) -> None:
    try:
        steering = Steering.from_json(values)
    except ImpossibleSteering:
        return
    assert Steering.from_json(steering.to_json()) == steering
    assert steering.mode in MODES
