"""A folder of one's own tunes becomes a style in which pieces can be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from composer.learning.policy import load_policy
from composer.steering import Steering
from music.abc import write_abc
from music.midi import write_midi
from music.parsing import read_in_process
from recsys.models import Track
from tests.conftest import unsaved_track
from training.models import PolicyVersion

pytestmark = pytest.mark.django_db
STYLE = "songs of my valley"


def songs(count: int) -> list[str]:
    """Songs that go up from the tonic and come home."""
    tunes = []
    for number in range(count):
        steps = [(number // 5**place) % 5 for place in range(5)]
        body = " ".join("CDEFG"[step] + "2" for step in steps)
        tunes.append(
            f"X:{number + 1}\nT:Song {number}\nM:4/4\nL:1/8\nK:C\nC2 {body} E2 D2 | C2 E2 G2 E2 | D2 E2 F2 D2 | C8 |]\n"
        )
    return tunes


@pytest.mark.django_db(transaction=True)
def test_a_hundred_songs_of_ones_own_are_a_style_that_the_prior_knows(tmp_path: Path, settings: Settings) -> None:
    settings.ENCORE_VAR = tmp_path / "var"
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "songs.abc").write_text("\n".join(songs(110)))

    call_command("import_catalogue", folder=tmp_path / "songs", name="valley", style="Songs of my valley")
    call_command("train", "prior", set=["epochs=2", "hidden=32", "is_timed=false", "threads=1"])
    version = PolicyVersion.objects.get(slot="composer", kind="prior", run__status="finished")
    policy = load_policy("prior", settings.ENCORE_VAR / version.folder)

    assert set(Track.objects.values_list("style", flat=True)) == {STYLE}
    assert Track.objects.count() >= 100
    assert policy.styles == (STYLE,)
    assert policy.compose(Steering(style=STYLE, bars=4), None, seed=1).melody.bars == 4


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_hundred_files_beside_other_music_are_a_new_style(tmp_path: Path, settings: Settings) -> None:
    settings.ENCORE_VAR = tmp_path / "var"
    (tmp_path / "songs").mkdir()
    written = "\n".join(songs(104)).encode()
    for number, tune in enumerate(read_in_process(written, ".abc")):
        name = tmp_path / "songs" / f"song {number}"
        if number % 20:
            name.with_suffix(".mid").write_bytes(write_midi(tune.score))
        else:
            name.with_suffix(".abc").write_text(write_abc(tune.score))
    Track.objects.bulk_create([unsaved_track(number, content_hash=f"{number:064d}", style="reel") for number in range(20)])

    call_command("import_catalogue", folder=tmp_path / "songs", name="valley", style=STYLE)
    call_command("train", "prior", set=["epochs=2", "hidden=32", "is_timed=false", "threads=1"])
    version = PolicyVersion.objects.get(slot="composer", kind="prior", run__status="finished")
    policy = load_policy("prior", settings.ENCORE_VAR / version.folder)

    assert Track.objects.filter(style=STYLE).count() == 104
    assert policy.styles == (STYLE, "reel")
    assert version.run is not None
    assert version.run.lines.filter(text__endswith="about 100 melodies: reel (20).").exists()
    assert policy.compose(Steering(style=STYLE, bars=4), None, seed=1).melody.bars == 4


@pytest.mark.django_db(transaction=True)
def test_fewer_than_a_hundred_tunes_in_all_teach_no_prior(tmp_path: Path, settings: Settings) -> None:
    settings.ENCORE_VAR = tmp_path / "var"
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "songs.abc").write_text("\n".join(songs(40)))

    call_command("import_catalogue", folder=tmp_path / "songs", name="valley", style=STYLE)
    with pytest.raises(CommandError, match="Skipped: The catalogue has 40 melodies; the composer needs at least 100"):
        call_command("train", "prior", set=["epochs=2", "hidden=32", "is_timed=false", "threads=1"])

    assert not PolicyVersion.objects.filter(kind="prior", run__status="finished").exists()


def test_a_style_needs_a_folder_and_a_short_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--style goes with --folder"):
        call_command("import_catalogue", style=STYLE)
    with pytest.raises(CommandError, match="at most 40 characters"):
        call_command("import_catalogue", folder=tmp_path, style="x" * 41)
