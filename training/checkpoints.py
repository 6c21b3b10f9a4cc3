"""Whether a version's weights are there and are those that were kept. Before: execution.py kept them. After: gate, alarms."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from dqn.checkpoint import BrokenCheckpoint, read_checkpoint
from training import promotion
from training.models import PolicyVersion

logger = logging.getLogger(__name__)


def folder_of(version: PolicyVersion | None) -> Path | None:
    """Where the checkpoint lies; None for versions without weights."""
    return Path(settings.ENCORE_VAR) / version.folder if version is not None and version.folder else None


def trouble_with(version: PolicyVersion) -> str | None:
    """Why the checkpoint can't be used, in a sentence: missing, truncated, another hash or format. None where it can."""
    folder = folder_of(version)
    if folder is None:
        return None
    error = _read(folder, version.sha256, _written(folder))
    return f"The checkpoint of version {version.pk} can't be used: {error}." if error else None


def _written(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each file: what is asked for every few seconds is read again only where it was written."""
    found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple((str(path), each.st_size, each.st_mtime_ns) for path, each in found)


@lru_cache(maxsize=32)
def _read(folder: Path, sha256: str, written: tuple[tuple[str, int, int], ...]) -> str:
    try:
        read_checkpoint(folder, sha256 or None)
    except (BrokenCheckpoint, OSError) as error:
        return str(error)
    return ""


def stand_ins(version: PolicyVersion) -> Iterator[PolicyVersion]:
    """What served before it, newest first: those that serve where it can't be read."""
    for version_id in reversed(promotion.standing_versions(version.slot)):
        if version_id != version.pk:
            yield PolicyVersion.objects.get(pk=version_id)


def readable(champion: PolicyVersion | None) -> tuple[PolicyVersion | None, str]:
    """The champion, or the newest version before it that can be read, and why; (None, …) where none can."""
    trouble = trouble_with(champion) if champion is not None else None
    if champion is None or trouble is None:
        return champion, ""
    logger.error("%s", trouble)
    for version in stand_ins(champion):
        if trouble_with(version) is None:
            return version, f"{trouble} What was judged is the difference to {version}, which served before."
    return None, f"{trouble} Nothing before it can be read either: what was judged is the difference to what needs no weights."
