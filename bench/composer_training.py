"""What a training of a benchmark asks of its run, its curves told now and then. After: melody_prior.py, sequence_tutor.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.report import say


@dataclass
class Context:
    """A `RunContext` that reports to stderr."""

    configuration: object
    folder: Path
    parent_folder: Path | None = None
    seed: int = 0
    device: str = "cpu"

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        """Says where the training is, now and then."""
        if step % 50 == 0:
            say(f"{progress or 0:.0%} " + " ".join(f"{name} {value:.3g}" for name, value in metrics.items()))

    def log(self, text: str) -> None:
        """Says a line."""
        say(text)
