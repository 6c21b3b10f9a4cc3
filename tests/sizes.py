"""Prints how large files and functions are, and how many of one's own modules one must open to follow one task.

`make check` shows it so that one sees where it grows; nothing fails on a number."""

import ast
import statistics
import subprocess
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("music", "dqn", "accounts", "training", "recsys", "composer", "config")
STARTING_POINTS = {
    "one update of the learner": "dqn.learner",
    "one recommendation": "recsys.recommending",
    "one row of feedback": "recsys.feedback",
    "training the recommender": "recsys.learning.training",
    "training the composer": "composer.learning.training",
    "composing one piece": "composer.composing",
    "carrying out a run": "training.runs",
}


def list_files(package: str) -> list[Path]:
    """The package's modules as git knows them, without migrations."""
    listed = subprocess.run(["git", "ls-files", f"{package}/*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if "/migrations/" not in name and (ROOT / name).exists()]


def measure_functions(file: Path) -> list[tuple[int, str]]:
    """Lines of every function of the file, with its name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [((node.end_lineno or node.lineno) - node.lineno + 1, f"{file.relative_to(ROOT)}:{node.name}") for node in functions]


def print_sizes() -> None:
    """One line per package, then the longest files and functions."""
    print(f"{'':10} {'files':>6} {'lines':>7} {'median file':>12} {'longest':>8} {'median function':>16} {'longest':>8}")
    every_file, every_function = [], []
    for package in (*PACKAGES, "tests", "bench"):
        files = [
            (len(file.read_text(encoding="utf-8").splitlines()), str(file.relative_to(ROOT))) for file in list_files(package)
        ]
        functions = [measured for file in list_files(package) for measured in measure_functions(file)]
        if not files:
            continue
        lines, lengths = [size for size, _ in files], [size for size, _ in functions] or [0]
        print(
            f"{package:10} {len(files):6} {sum(lines):7} {statistics.median(lines):12.0f} {max(lines):8}"
            f" {statistics.median(lengths):16.0f} {max(lengths):8}"
        )
        every_file += files
        every_function += functions
    print("\nlongest files:     ", "  ".join(f"{name} {size}" for size, name in sorted(every_file, reverse=True)[:5]))
    print("longest functions: ", "  ".join(f"{name} {size}" for size, name in sorted(every_function, reverse=True)[:5]))


def print_reach() -> None:
    """How many own modules stand behind each starting point, directly or not."""
    graph = grimp.build_graph(*PACKAGES)
    print("\nreach: own modules behind …")
    for task, module in STARTING_POINTS.items():
        if module in graph.modules:
            behind = {name for name in graph.find_upstream_modules(module) if not name.endswith("__init__")}
            print(f"  {task:28} {module:28} {len(behind):4}")


if __name__ == "__main__":
    print_sizes()
    print_reach()
