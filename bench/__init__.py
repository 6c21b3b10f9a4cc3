"""One module per figure this project claims; see docs/benchmarks.md."""
