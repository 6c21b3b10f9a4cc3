import json
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import describe_checkpoint
from bench.report import Report, bootstrap, bootstrap_ratio, make_parser, read_options


def options(*arguments: str):  # type: ignore[no-untyped-def]
    return read_options(make_parser("For a test."), arguments)


def test_the_last_line_is_one_json_object_as_the_readers_expect(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("speed", options("--seeds", "3"))
    report.add_samples("ours", "return", [1.0, 2.0, 3.0], target=1.5)
    report.add("random", "return", 0.5)
    report.note("a peer is left out")

    status = report.finish()

    spoken = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0
    assert (spoken["bench"], spoken["seeds"], spoken["device"]) == ("speed", [0, 1, 2], "cpu")
    ours, random = spoken["rows"]
    assert (ours["name"], ours["metric"], ours["value"], ours["target"], ours["met"]) == ("ours", "return", 2.0, 1.5, True)
    assert 1.0 <= ours["low"] < 2.0 < ours["high"] <= 3.0
    assert set(random) == {"name", "metric", "value"}
    assert spoken["notes"] == ["a peer is left out"]


def test_a_target_may_be_an_upper_bound() -> None:
    report = Report("speed", options())
    report.add("ours", "milliseconds", 60.0, target=50.0, smaller_is_better=True)

    assert report.rows[0]["met"] is False


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        _, low, high = bootstrap(generator.normal(size=60), seed=seed)
        covered += low <= 0.0 <= high

    assert 0.90 <= covered / 200 <= 0.985


def test_one_sample_has_no_width_and_none_is_refused() -> None:
    assert bootstrap([2.0]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="no samples"):
        bootstrap([])


def test_a_ratio_counts_clusters_by_their_size() -> None:
    value, low, high = bootstrap_ratio([1.0, 9.0], [2.0, 10.0])

    assert value == pytest.approx(10 / 12)
    assert low <= value <= high


def test_nonsense_options_are_refused() -> None:
    with pytest.raises(SystemExit):
        options("--seeds", "0")


def test_a_measured_checkpoint_is_told_by_its_weights_and_training(tmp_path: Path) -> None:
    manifest = {
        "weights_sha256": "ab" * 32,
        "seed": 3,
        "code_revision": "c0ffee",
        "configuration": {"stage": "policy", "seconds": 2700.0},
    }
    (tmp_path / "checkpoint.json").write_text(json.dumps(manifest))

    told = describe_checkpoint(tmp_path)

    assert told == "FOLDER held weights abababababab: stage policy, 2700 s, seed 3, ? tunes, code c0ffee"
