"""A folder of one's own tunes becomes a style in which pieces can be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from composer.learning.policy import load_policy
from composer.learning.replay_dataset import build_replay_dataset
from composer.learning.training import train
from composer.steering import Steering
from recsys.models import Track
from tests.composer.test_learning import Context, prior_configuration

pytestmark = pytest.mark.django_db
STYLE = "songs of my valley"


def write_songs(folder: Path, count: int) -> None:
    """Songs that go up from the tonic and come home, in one file."""
    tunes = []
    for number in range(count):
        steps = [(number // 5**place) % 5 for place in range(5)]
        body = " ".join("CDEFG"[step] + "2" for step in steps)
        tunes.append(
            f"X:{number + 1}\nT:Song {number}\nM:4/4\nL:1/8\nK:C\nC2 {body} E2 D2 | C2 E2 G2 E2 | D2 E2 F2 D2 | C8 |]\n"
        )
    (folder / "songs.abc").write_text("\n".join(tunes))


def test_a_hundred_songs_of_ones_own_are_a_style_that_the_prior_knows(tmp_path: Path) -> None:
    write_songs(tmp_path, 110)

    call_command("import_catalogue", folder=tmp_path, name="valley", style="Songs of my valley")
    context = Context(prior_configuration(epochs=2), tmp_path / "run")
    trained = train(context, build_replay_dataset(context))
    policy = load_policy("prior", trained.checkpoint)

    assert set(Track.objects.values_list("style", flat=True)) == {STYLE}
    assert Track.objects.count() >= 100
    assert policy.styles == (STYLE,)
    assert policy.compose(Steering(style=STYLE, bars=4), None, seed=1).melody.bars == 4


def test_a_style_needs_a_folder_and_a_short_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--style goes with --folder"):
        call_command("import_catalogue", style=STYLE)
    with pytest.raises(CommandError, match="at most 40 characters"):
        call_command("import_catalogue", folder=tmp_path, style="x" * 41)
