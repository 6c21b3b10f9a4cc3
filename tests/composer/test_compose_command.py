"""`manage.py compose` writes a piece to a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from composer.models import Piece
from music.notes import Score
from music.parsing import read_in_process

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("composer_version")
def test_it_composes_for_a_listener_and_writes_the_file(alice: Account, tmp_path: Path) -> None:
    out = tmp_path / "piece.mid"
    call_command("compose", "--listener", alice.email, "--style", "reel", "--bars", "4", "--seed", "1", "--out", str(out))

    piece = Piece.objects.get()
    assert piece.track.owner == alice.listener
    assert read_in_process(out.read_bytes(), ".mid")[0].score.melody == Score.from_json(piece.track.score).melody


def test_an_unknown_listener_is_named() -> None:
    with pytest.raises(CommandError, match="no listener"):
        call_command("compose", "--listener", "nobody@example.org")


def test_without_a_composer_it_says_why(alice: Account) -> None:
    with pytest.raises(CommandError, match="No composer has been trained yet"):
        call_command("compose", "--listener", alice.email)


def test_an_impossible_wish_is_refused(alice: Account) -> None:
    with pytest.raises(CommandError, match="1 … 64"):
        call_command("compose", "--listener", alice.email, "--bars", "65")
    with pytest.raises(CommandError, match="chords: bar 2: H is no chord"):
        call_command("compose", "--listener", alice.email, "--chords", "D H")
