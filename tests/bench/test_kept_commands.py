"""The command beside each kept figure, typed as it stands there, is one that its benchmark understands."""

from __future__ import annotations

import json
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from bench.__main__ import KEPT, command_of


@pytest.mark.parametrize("kept", [pytest.param(file, id=file.stem) for file in sorted(KEPT.glob("*.json"))])
def test_the_command_of_a_kept_figure_is_understood(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = shlex.split(command_of(json.loads(kept.read_text(encoding="utf-8"))))
    assert command[:2] == ["python", "-m"]
    # Options are read in their order: help is only reached where those before it were understood, and nothing is measured.
    monkeypatch.setattr(sys, "argv", [*command[2:], "--help"])
    monkeypatch.delitem(sys.modules, command[2], raising=False)

    with pytest.raises(SystemExit) as left:
        runpy.run_module(command[2], run_name="__main__")

    assert left.value.code == 0
    assert "--seeds" in capsys.readouterr().out
