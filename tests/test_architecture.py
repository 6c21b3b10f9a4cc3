"""The house keeps its order: imports point one way, the web loads no torch, files are named after the domain."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
REFUSED_NAMES = {"utils", "util", "helpers", "common", "core", "base", "misc", "manager", "handler", "handlers", "services"}
HEAVY = ["torch", "numba", "music21", "verovio", "symusic", "pretty_midi", "soundfile"]
"""Each costs a tenth of a second to two seconds of every web process's start."""


def own_files(pattern: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded after the code."""
    code = f"import django; django.setup(); {code}; import json, sys; print(json.dumps(list(sys.modules)))"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_imports_point_one_way() -> None:
    # A process of its own: the linter sets up logging anew, and would silence the loggers that other tests read.
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"

    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("code", ["import config.wsgi", "from django.urls import get_resolver; get_resolver().url_patterns"])
def test_the_web_loads_neither_torch_nor_anything_else_that_is_slow(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_no_module_is_named_after_nothing() -> None:
    assert [name for name in own_files("*.py") if Path(name).stem in REFUSED_NAMES] == []


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_module_says_what_it_is_for() -> None:
    modules = [name for name in own_files("*.py") if "/migrations/" not in name and not name.startswith("tests/")]
    trees = {name: ast.parse((ROOT / name).read_text(encoding="utf-8")) for name in modules}

    assert [name for name, tree in trees.items() if tree.body and ast.get_docstring(tree) is None] == []


def test_nothing_is_silenced_without_saying_which_rule() -> None:
    bare = [name for name in own_files("*.py") if "# type: " + "ignore\n" in (ROOT / name).read_text(encoding="utf-8")]
    assert bare == []


def test_pages_load_nothing_from_outside() -> None:
    outside = []
    for pattern in ("templates/*.html", "static/*.js", "static/*.css"):
        for name in own_files(pattern):
            source = (ROOT / name).read_text(encoding="utf-8")
            outside += [
                name
                for mark in ('src="http', "src='http", 'rel="stylesheet" href="http', "url(http", "@import")
                if mark in source
            ]
    assert outside == []
