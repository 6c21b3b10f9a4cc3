"""A folder of one's own tunes becomes a style in which pieces can be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from composer.learning.policy import load_policy
from composer.steering import Steering
from recsys.models import Track
from training.models import PolicyVersion

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


@pytest.mark.django_db(transaction=True)
def test_a_hundred_songs_of_ones_own_are_a_style_that_the_prior_knows(tmp_path: Path, settings: Settings) -> None:
    settings.ENCORE_VAR = tmp_path / "var"
    (tmp_path / "songs").mkdir()
    write_songs(tmp_path / "songs", 110)

    call_command("import_catalogue", folder=tmp_path / "songs", name="valley", style="Songs of my valley")
    call_command("train", "prior", set=["epochs=2", "hidden=32", "is_timed=false", "threads=1"])
    version = PolicyVersion.objects.get(slot="composer", kind="prior", run__status="finished")
    policy = load_policy("prior", settings.ENCORE_VAR / version.folder)

    assert set(Track.objects.values_list("style", flat=True)) == {STYLE}
    assert Track.objects.count() >= 100
    assert policy.styles == (STYLE,)
    assert policy.compose(Steering(style=STYLE, bars=4), None, seed=1).melody.bars == 4


def test_a_style_needs_a_folder_and_a_short_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--style goes with --folder"):
        call_command("import_catalogue", style=STYLE)
    with pytest.raises(CommandError, match="at most 40 characters"):
        call_command("import_catalogue", folder=tmp_path, style="x" * 41)
