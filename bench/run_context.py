"""What a training of a benchmark asks of its run. Asks no database. After: trained_composer, site, and others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import say


@dataclass(kw_only=True)
class Context:
    """A `RunContext` without a row in the database."""

    configuration: Any
    folder: Path
    device: str = "cpu"
    seed: int = 0
    parent_folder: Path | None = None
    _tenths_told: int = field(default=0, init=False)

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Says where the training stands, each time another tenth of it is done, and what is told without progress."""
        tenths = self._tenths_told if progress is None else int(10 * progress)
        if metrics and (progress is None or tenths > self._tenths_told):
            self._tenths_told = tenths
            shown = ", ".join(f"{name} {value:.3g}" for name, value in list(metrics.items())[:6])
            say(f"  {10 * tenths} %, step {step}: {shown}")

    def log(self, text: str) -> None:
        """Tells the person who waits."""
        say(f"  {text}")
