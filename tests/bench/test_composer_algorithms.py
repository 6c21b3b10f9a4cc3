"""The table of the algorithms, on melodies whose figures are known."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from bench.composer_algorithms import add_rows, figures_of, main
from bench.report import Report
from bench.sequence_tutor_rows import HOLD, STEPS, TONIC


def test_figures_are_those_of_the_table() -> None:
    scale = np.full(STEPS, HOLD)
    scale[::4] = TONIC + np.array([0, 2, 4, 5, 7, 5, 4, 2])
    tokens = np.stack([scale, scale, np.where(scale == HOLD, HOLD, scale + 1)])

    found = figures_of(tokens, np.array([-1.0, -2.0, -3.0]), np.array([0.1, 0.2, 0.3]))

    shares = found["tonic"], found["unique_max"], found["repeated"], found["distinct"]
    assert shares == pytest.approx((2 / 3, 1.0, 0.0, 2 / 3))
    assert (found["log_p0"], found["kl"]) == pytest.approx((-2.0, 0.2))


def test_an_interval_is_over_trainings() -> None:
    report = Report("test", argparse.Namespace())

    add_rows(report, "psi", [{"a1": 0.2}, {"a1": 0.4}])

    (row,) = report.rows
    assert (row["name"], row["metric"], row["value"]) == ("psi", "a1", pytest.approx(0.3))
    assert row["low"] < row["value"] < row["high"]


def test_without_a_prior_it_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--algorithm", "g", "q"]) == 0

    assert json.loads(capsys.readouterr().out)["rows"] == []
