"""What the human bands measure, on melodies whose answers are known."""

from __future__ import annotations

import argparse
from fractions import Fraction

import pytest

from bench.report import Report
from bench.sequence_tutor_bands import MEASURES, add_rows_of_new, add_summary, group_of_style
from bench.split_tunes import SplitTune
from composer.measures import measure
from music.notes import Melody, Note, Score, Voice


def melody(*bars: tuple[int, ...], metre: tuple[int, int] = (4, 4)) -> Melody:
    """Bars of notes of equal length."""
    notes = [Note(pitch, Fraction(4 * metre[0], metre[1]) / len(bar)) for bar in bars for pitch in bar]
    return Melody(notes=tuple(notes), metre=metre, tonic=0, mode="major")


def score(line: Melody) -> Score:
    return Score(title="", voices=(Voice(name="", program=0, melody=line),))


def test_a_band_is_measured_by_what_the_service_measures() -> None:
    line = melody((60, 64, 67, 64), (60, 64, 67, 64), (60, 64, 65, 62))
    shown = {name: measure(line)[own] for name, own in MEASURES.items()}

    assert (shown["repeated_bars"], shown["changed_endings"], shown["range"]) == (0.5, 0.5, 7.0)
    assert shown["mean_interval"] == pytest.approx((4 + 3 + 3 + 4 + 4 + 3 + 3 + 4 + 4 + 1 + 3) / 11)
    assert (shown["scale_consistency"], shown["groove_consistency"]) == (1.0, 1.0)


def test_a_piece_is_asked_for_beside_each_tune_of_the_style_that_is_long_enough() -> None:
    line = melody(*((60, 64, 67, 64, 62, 60),) * 8, metre=(6, 8))
    tunes = [
        SplitTune(source="a", style="jig", split="test", score=score(line)),
        SplitTune(source="b", style="jig", split="test", score=score(melody((60, 62, 64, 65)))),
        SplitTune(source="c", style="reel", split="test", score=score(line)),
    ]

    group = group_of_style("jig", tunes)

    assert group.tunes == [line]
    assert [(plan.steering.metre, plan.steering.bars, plan.steering.style) for plan in group.plans] == [((6, 8), 8, "jig")]


def test_the_summary_counts_our_bands_and_finds_the_most_copies() -> None:
    report = Report("test", argparse.Namespace(seeds=1, device="cpu", quick=False))
    for style, share, copied in (("reel", 0.8, 0.0), ("jig", 0.7, 0.03)):
        report.add(f"ours: {style}", "inside_range", share, target=0.75)
        report.add(f"ours: {style}", "copied", copied, target=0.02, smaller_is_better=True)
        report.add(f"prior: {style}", "inside_range", 0.1)

    add_summary(report)

    kept, copied_at_most = report.rows[-2:]
    assert (kept["metric"], kept["value"], kept["met"]) == ("bands_kept", 0.5, False)
    assert (copied_at_most["value"], copied_at_most["met"]) == (0.03, False)


def test_generalisation_stands_beside_usual_pieces() -> None:
    report = Report("test", argparse.Namespace())
    measured = {
        "rows": [{"name": "range_semitones", "inside": 0.9, "unseen_inside": 0.6}],
        "figures": [
            {"name": "distinct", "pieces": 1.0, "unseen": 0.5},
            {"name": "bits_per_note", "pieces": 2.0, "unseen": None},
        ],
    }

    add_rows_of_new(report, "ours", measured)
    add_rows_of_new(report, "prior", {})

    assert [(row["name"], row["metric"], row["value"]) for row in report.rows] == [
        ("ours, eight bars", "inside_range_semitones", 0.9),
        ("ours, never seen together", "inside_range_semitones", 0.6),
        ("ours, eight bars", "distinct", 1.0),
        ("ours, never seen together", "distinct", 0.5),
    ]
