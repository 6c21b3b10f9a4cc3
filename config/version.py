"""Reads the program's version from CHANGELOG.md, its one source."""

import re
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def read_version(changelog: Path = CHANGELOG) -> str:
    """The newest version named in the changelog, for example ``0.1.0``."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", changelog.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{changelog.name} names no version")
    return found.group(1)


VERSION = read_version()
