"""Which code is running. Before: the repository or the changelog. After: runs, checkpoints and recipes state it."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def code_revision() -> str:
    """The commit, with `-dirty` where files differ from it; the version where there is no repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return str(settings.ENCORE_VERSION)
    command = [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return asked.stdout.strip() or str(settings.ENCORE_VERSION)
