"""What bits per note charge, on priors whose answers are known; and how files of melodies and the split are read."""

import argparse
import gzip
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.melody_files import melody_of, read_melodies
from bench.melody_prior import Pickups, aim_of_corpus, aim_of_unseen, bits_of, leave_out, main, places_of
from bench.report import Report
from bench.split_tunes import SplitTune, read_split, split_of
from composer.learning.network import Prior
from composer.tokens import DURATION_COUNT, PITCH_COUNT
from music.notes import Melody, Note, Score, Voice


@pytest.fixture
def knows_nothing() -> Prior:
    """Every token is as likely as any other."""
    prior = Prior(inputs=8, hidden=8, body=8).eval()
    for weights in prior.parameters():
        torch.nn.init.zeros_(weights)
    return prior


def tune(*lengths: str, pitch: int | None = 62) -> Melody:
    notes = (Note(60, Fraction(1)), *(Note(pitch, Fraction(length)) for length in lengths))
    return Melody(notes=notes, metre=(3, 4), tonic=0, mode="major")


def test_rests_are_charged_and_counted_and_the_first_pitch_is_free(knows_nothing: Prior) -> None:
    bits_n, notes_n = bits_of([tune("1", "1"), tune("1", pitch=None)], ["", ""], knows_nothing, ())

    pitch, duration = math.log2(PITCH_COUNT), math.log2(DURATION_COUNT)
    assert notes_n.tolist() == [3, 2]
    assert bits_n == pytest.approx([2 * pitch + 3 * duration, pitch + 2 * duration], abs=1e-4)


def test_a_rare_length_pays_for_its_digits(knows_nothing: Prior) -> None:
    plain, rare = bits_of([tune("1"), tune("11/7")], ["", ""], knows_nothing, ())[0]

    # 1, 1, /, 7 and the end.
    assert rare - plain == pytest.approx(5 * math.log2(11), abs=1e-4)


def test_the_place_of_the_first_bar_line_is_paid_once_and_learned_from_earlier_melodies() -> None:
    pickups = Pickups()
    bits_k = np.array([10.0, 90.0, 90.0, 90.0])

    charged = [pickups.charge(tune("1"), bits_k) for _ in range(30)]

    assert charged[0] == pytest.approx(12.0)
    assert charged[1] == pytest.approx(10 + math.log2(2 / 1.25))
    assert charged[-1] < 10.1


def test_a_melody_may_begin_anywhere_in_its_bar() -> None:
    assert places_of(tune("1"))[:3] == [0, Fraction(1, 4), Fraction(1, 2)]
    assert len(places_of(tune("1"))) == 12
    assert places_of(Melody(notes=(), metre=(1, 16), tonic=0, mode="major")) == [0]


@pytest.mark.parametrize(
    ("key", "metre", "tonic", "mode", "read_metre"),
    [
        ("Em", "6/8", 4, "minor", (6, 8)),
        ("A Dorian", "C|", 9, "dorian", (2, 2)),
        ("B- major", "C", 10, "major", (4, 4)),
        ("G", "none", 7, "major", (4, 4)),
    ],
)
def test_keys_and_metres_are_read_as_files_write_them(
    key: str, metre: str, tonic: int, mode: str, read_metre: tuple[int, int]
) -> None:
    notes = [[67, 1], [71, 0.5], [74, "1/2"], [None, 0.3333], [67, 2]]
    melody = melody_of({"key": key, "metre": metre, "notes": notes})

    assert (melody.tonic, melody.mode, melody.metre) == (tonic, mode, read_metre)
    assert [note.quarters for note in melody.notes] == [1, Fraction(1, 2), Fraction(1, 2), Fraction(1, 3), 2]


def test_lines_without_notes_are_left_out(tmp_path: Path) -> None:
    lines = [{"id": "a", "collection": "book", "style": "reel", "metre": "4/4", "key": "D", "notes": [[62, 1]]}, {"notes": []}]
    path = tmp_path / "tunes.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))

    (found,) = read_melodies(path)

    assert found[1:] == ("reel", "book")


def test_the_only_tune_of_a_file_is_found_in_the_split(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(
        "id,collection,split\nryansMammoth/AcaciaReel:0,ryansMammoth,valid\nbachChorales/bwv1.6,bachChorales,test\n"
    )
    split = read_split(path)
    assert read_split(path, "group") == dict.fromkeys(split, "")

    assert split_of("ryansMammoth/AcaciaReel:1", split) == "valid"
    assert split_of("bach/bwv1.6:1", split) == "test"
    assert split_of("bach/bwv2.6:1", split) is None


def test_a_source_that_is_left_out_teaches_nothing_and_its_variants_are_not_measured() -> None:
    def split_tune(source: str, split: str, *lengths: str) -> SplitTune:
        return SplitTune(
            source=source, style="reel", split=split, score=Score(title="", voices=(Voice(name="", melody=tune(*lengths)),))
        )

    tunes = [
        split_tune("bach/bwv1:1", "train", "1"),
        split_tune("bach/bwv2:1", "test", "1"),
        split_tune("airdsAirs/book:1", "train", "2"),
        split_tune("airdsAirs/book:2", "test", "3"),
        split_tune("airdsAirs/book:3", "train", "4"),
    ]
    groups = {"bach/bwv1:1": "7", "airdsAirs/book:1": "7", "bach/bwv2:1": "8", "airdsAirs/book:2": "8", "airdsAirs/book:3": "9"}
    report = Report("melody_prior", argparse.Namespace())

    kept, unseen = leave_out(report, tunes, ["airds"], groups)

    assert [one.source for one in kept] == ["bach/bwv1:1", "bach/bwv2:1"]
    assert [melody.notes[1].quarters for melody, _, _ in unseen["airds, never trained on"]] == [3, 4]
    assert report.notes == ["airds, never trained on: 2 tunes; 1 of 3 have a variant among the tunes that taught"]


def test_each_source_has_the_aim_of_what_it_holds() -> None:
    assert [aim_of_corpus("music21 test", {"reel", "jig"}, seconds) for seconds in (300, 900, 3600)] == [2.65, 2.55, 2.48]
    assert aim_of_corpus("bach", {"chorale"}, 300) == aim_of_corpus("chorale", {"chorale"}, 900) == 2.95
    assert aim_of_corpus("oneills1850", {"reel", "jig"}, 300) is None
    assert aim_of_unseen("airdsAirs, never trained on", "airdsAirs, never trained on", "air", "march") == 2.85
    assert aim_of_unseen("songs", "Jazz Standards", "song") == 4.9


def test_what_a_checkpoint_was_trained_on_cannot_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--checkpoint", "somewhere", "--without", "airdsAirs"])

    assert "--without goes with a training" in capsys.readouterr().err
