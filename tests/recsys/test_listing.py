"""What pages say of a track."""

from __future__ import annotations

import pytest

from recsys.listing import Listed
from tests.conftest import unsaved_track


@pytest.mark.parametrize(
    ("artist", "shown"),
    [("", "German folk · O'Neill's 1850"), ("Ludwig Erk", "Ludwig Erk · german folk · O'Neill's 1850")],
)
def test_the_line_below_a_title_begins_like_a_sentence(artist: str, shown: str) -> None:
    track = unsaved_track(1, artist=artist, style="german folk", collection="oneills1850")

    listed = Listed(track=track, marks="", is_liked=False, is_disliked=False, is_banned=False, rating=0)

    assert listed.subtitle == shown
