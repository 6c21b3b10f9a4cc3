"""What texts say of a metre."""

from __future__ import annotations

import pytest

from music.metres import metre_in_field


@pytest.mark.parametrize(
    ("text", "metre"),
    [
        ("6/8", (6, 8)),
        ("C", (4, 4)),
        ("C|", (2, 2)),
        ("FREI4/4", (4, 4)),
        ("2 / 4", (2, 4)),
        ("3+2/8", (5, 8)),
        ("(2+2+3)/8", (7, 8)),
        ("none", None),
        ("4/5", None),
        ("0/4", None),
        ("2/4 3/4", None),
        ("free", None),
        ("", None),
    ],
)
def test_a_metre_is_read_or_none(text: str, metre: tuple[int, int] | None) -> None:
    assert metre_in_field(text) == metre
