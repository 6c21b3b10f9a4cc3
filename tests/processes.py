"""Which processes belong to one start of Encore. Before: a start with its own ENCORE_VAR. After: tests that want none left."""

from __future__ import annotations

from pathlib import Path


def processes_of(var: Path) -> dict[int, str]:
    """Command by process id of whatever still runs with this ENCORE_VAR in its environment (Linux). Zombies have none."""
    mark, found = f"ENCORE_VAR={var}".encode(), {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found
