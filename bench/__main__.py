"""`make bench`: runs every benchmark and writes docs/benchmarks.md from their JSON. Before: a module per figure. After: people.

`python -m bench [NAME …]` measures these again and leaves the others as docs/benchmarks/ keeps them. One with other options:
`python -m bench simulated_listeners --options "--catchiness 0" --keep-as simulated_listeners_plain --note "…"`."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dqn.checkpoint import MANIFEST

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "benchmarks"
"""What was measured last, as JSON: figures are only worth what can be read again."""
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
OPENS, CLOSES = "<!-- figures: written by python -m bench -->", "<!-- end of figures -->"

INTRODUCTION = """Written by `make bench` on the machine that each section names; a single figure by `python -m bench.NAME`.
In brackets stands the 95 % interval. What has no section was not measured yet.

`--checkpoint FOLDER` is a composer that has seen no tune of the valid and test splits. `python -m bench.trained_composer --out
FOLDER` makes one by the service's own training, in about an hour on two cores; a section's notes say what FOLDER held there.
"""


def list_benchmarks() -> list[str]:
    """Names of the modules in this folder that report figures."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return [file.stem for file in files if f'Report("{file.stem}"' in file.read_text(encoding="utf-8")]


def measure(name: str, options: list[str]) -> dict[str, Any] | None:
    """Runs one benchmark; None where it could not measure."""
    print(f"== {name}", file=sys.stderr, flush=True)
    ran = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    lines = ran.stdout.strip().splitlines()
    if ran.returncode or not lines:
        print(f"{name} could not measure (exit code {ran.returncode})", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(lines[-1])
    # A path of this machine says nothing to a reader: what stood there is told by a note.
    shown = ["FOLDER" if Path(option).is_absolute() else option for option in options]
    told = [describe_checkpoint(Path(option)) for option in options if (Path(option) / MANIFEST).exists()]
    if told:
        found["notes"] = [*found.get("notes", []), *told]
    return found | {"measured_at": datetime.now(UTC).date().isoformat(), "options": shown, "machine": describe_machine()}


def describe_checkpoint(folder: Path) -> str:
    """Which weights a benchmark measured, and what they were trained by."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    trained = manifest["configuration"]
    return (
        f"FOLDER held weights {manifest['weights_sha256'][:12]}: stage {trained['stage']}, {trained['seconds']:g} s, seed "
        f"{manifest['seed']}, {trained.get('tunes', '?')} tunes, code {manifest['code_revision']}"
    )


def keep(result: dict[str, Any], name: str, notes: list[str]) -> None:
    """Writes a result where the pages are made from; notes are added to the benchmark's own."""
    said = [*result.get("notes", []), *notes]
    KEPT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result | ({"notes": said} if said else {}), indent=1, ensure_ascii=False)
    (KEPT / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def describe_machine() -> str:
    """Processor and Python, for readers who compare seconds."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = f"{len(names)} × {names[0]}" if names else model
    return f"{model}, Python {platform.python_version()}"


def write_pages() -> None:
    """The page from everything measured so far, and the README's table from the figures that have a target."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(KEPT.glob("*.json"))]
    PAGE.write_text("\n".join(["# Benchmarks\n", INTRODUCTION, *(describe(result) for result in found)]), encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(OPENS)
    _, _, after = rest.partition(CLOSES)
    README.write_text(f"{before}{OPENS}\n{summarise(found)}\n{CLOSES}{after}", encoding="utf-8")


def describe(result: dict[str, Any]) -> str:
    """One section: what, where, how long, and the table, a line per metric and a column per contestant."""
    seeds = result.get("seeds", [])
    how = f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''}, {result['device']}, {result['seconds']:.0f} s"
    lines = [f"## {result['bench']}\n", f"`{command_of(result)}`: {how}; {result['machine']}; {result['measured_at']}.\n"]
    lines += [f"{note}\n" for note in result.get("notes", [])]
    if not result["rows"]:
        return "\n".join([*lines, "Nothing was measured: the files it needs are not here.\n"])
    names = list(dict.fromkeys(row["name"] for row in result["rows"]))
    metrics = list(dict.fromkeys(row["metric"] for row in result["rows"]))
    cells = {(row["metric"], row["name"]): cell(row) for row in result["rows"]}
    if len(names) > len(metrics):
        names, metrics = metrics, names
        cells = {(name, metric): text for (metric, name), text in cells.items()}
    lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {metric} | " + " | ".join(cells.get((metric, name), "") for name in names) + " |" for metric in metrics]
    return "\n".join([*lines, ""])


def command_of(result: dict[str, Any]) -> str:
    """What a reader types to measure it again."""
    return shlex.join(["python", "-m", f"bench.{result['bench']}", *result["options"]])


def cell(row: dict[str, Any]) -> str:
    """A figure with its interval and, where there is one, its target."""
    text = show(row["value"])
    if row.get("low") is not None:
        text += f" ({show(row['low'])} … {show(row['high'])})"
    if row.get("target") is not None:
        text += f" – {'met' if row.get('met') else '**not met**'}: {show(row['target'])}"
    return text


def summarise(results: list[dict[str, Any]]) -> str:
    """The README's table: figures that have a target, with the command that measures them; those of one style (`ours: reel`)
    stand on the page of all figures alone."""
    lines = ["| command | figure | measured (95 % interval) | aim | |", "|---|---|---|---|---|"]
    for result in results:
        for row in result["rows"]:
            if row.get("target") is not None and ": " not in row["name"]:
                measured = cell({**row, "target": None})
                met = "met" if row.get("met") else "not met"
                lines.append(
                    f"| `{command_of(result)}` | {row['name']}: {row['metric']} | {measured} | {show(row['target'])} | {met} |"
                )
    return "\n".join(lines)


def show(number: float | None) -> str:
    """Four figures are enough to compare, and thousands need no decimals."""
    if number is None:
        return "–"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def main() -> int:
    """Measures the named benchmarks, or all; what could not measure makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *list_benchmarks()], help="which; all without a name")
    parser.add_argument("--quick", action="store_true", help="the same code, smaller: a first look, of which nothing is kept")
    parser.add_argument("--options", default="", help="passed on, in one text")
    parser.add_argument("--keep-as", help="under another name than the benchmark's, beside its run without options")
    parser.add_argument("--note", action="append", default=[], help="what a reader of the figures must know")
    parser.add_argument("--write-only", action="store_true", help="measures nothing: makes the pages from what is kept")
    arguments = parser.parse_args()
    if (arguments.keep_as or arguments.options or arguments.note) and len(arguments.names) != 1:
        parser.error("--options, --keep-as and --note go with one name")
    options = shlex.split(arguments.options) + (["--quick"] if arguments.quick else [])
    names = [] if arguments.write_only else arguments.names or list_benchmarks()
    results = {name: measure(name, options) for name in names}
    for name, result in results.items():
        if result is not None and not arguments.quick:
            keep(result, arguments.keep_as or name, arguments.note)
    write_pages()
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
