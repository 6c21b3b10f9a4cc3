"""How every benchmark speaks: options in, one JSON object as the last line of stdout out. After: `make bench`.

A module does `arguments = read_options(parser)`, `report = Report("name", arguments)`, `report.add(…)` …, `report.finish()`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SHARED_FILES = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
"""Where benchmark files lie beside the project during development; they are never part of it."""
RESAMPLES = 2000


def make_parser(description: str | None, *, seeds: int = 5) -> argparse.ArgumentParser:
    """The options every benchmark has; modules add their own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N", help="runs with the seeds 0 … N − 1")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or auto: cuda where there is one")
    parser.add_argument("--quick", action="store_true", help="the same code, smaller: for a first look and for CI")
    return parser


def read_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options as given on the command line, checked; `device` is never `auto` afterwards."""
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds} and must be at least 1")
    if options.device == "auto":
        import torch

        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    return options


def say(text: str) -> None:
    """Progress for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def bootstrap(samples: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """Mean and 95 % percentile interval of independent samples (people, melodies, seeds). One sample gives no width."""
    values: NDArray[np.float64] = np.asarray(samples, dtype=np.float64).ravel()
    if values.size == 0:
        raise ValueError("no samples to take the mean of")
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    # In slices, so that a hundred thousand melodies need no gigabytes of indices.
    rows = max(1, 4_000_000 // values.size)
    for start in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - start)
        means[start : start + count] = values[generator.integers(values.size, size=(count, values.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def bootstrap_ratio(numerators: ArrayLike, denominators: ArrayLike, *, seed: int = 0) -> tuple[float, float, float]:
    """Σ numerators / Σ denominators with its 95 % interval; one pair per independent cluster (a person, a melody)."""
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    generator = np.random.default_rng(seed)
    ratios = np.empty(RESAMPLES)
    for row in range(RESAMPLES):
        index = generator.integers(above.size, size=above.size)
        ratios[row] = above[index].sum() / max(below[index].sum(), 1e-12)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(above.sum() / max(below.sum(), 1e-12)), float(low), float(high)


@dataclass
class Report:
    """Collects rows and prints them."""

    bench: str
    options: argparse.Namespace
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(
        self,
        name: str,
        metric: str,
        value: float,
        low: float | None = None,
        high: float | None = None,
        *,
        target: float | None = None,
        smaller_is_better: bool = False,
    ) -> None:
        """One row. `met` asks the value, not the interval, as the issue's targets do."""
        row: dict[str, Any] = {"name": name, "metric": metric, "value": _short(value)}
        if low is not None and high is not None:
            row |= {"low": _short(low), "high": _short(high)}
        if target is not None:
            row |= {"target": target, "met": bool(value <= target if smaller_is_better else value >= target)}
        self.rows.append(row)
        say(f"{name:>24} {metric:<28} {_text(row)}")

    def add_samples(
        self, name: str, metric: str, samples: ArrayLike, *, target: float | None = None, smaller_is_better: bool = False
    ) -> None:
        """One row from independent samples: their mean with its interval."""
        self.add(name, metric, *bootstrap(samples), target=target, smaller_is_better=smaller_is_better)

    def note(self, text: str) -> None:
        """Something the reader of the figures must know, for example a peer that is not installed."""
        self.notes.append(text)
        say(text)

    def finish(self) -> int:
        """Prints the JSON line; gives the exit status, which is 0 whether targets were met or not."""
        first = getattr(self.options, "first_seed", 0)
        spoken: dict[str, Any] = {
            "bench": self.bench,
            "seeds": list(range(first, first + self.options.seeds)),
            "device": self.options.device,
            "seconds": round(time.monotonic() - self.started, 1),
            "quick": self.options.quick,
            "rows": self.rows,
        }
        if self.notes:
            spoken["notes"] = self.notes
        print(json.dumps(spoken, ensure_ascii=False, allow_nan=False), flush=True)
        return 0


def _short(value: float) -> float:
    """Six significant digits."""
    return float(f"{float(value):.6g}")


def _text(row: dict[str, Any]) -> str:
    text = f"{row['value']:g}"
    if "low" in row:
        text += f"  [{row['low']:g} … {row['high']:g}]"
    if "target" in row:
        text += f"  target {row['target']:g}: {'met' if row['met'] else 'not met'}"
    return text
