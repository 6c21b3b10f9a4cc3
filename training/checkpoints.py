"""Whether a version's weights are there, those that were kept, and load. Before: execution.py. After: gate, alarms, serving."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from dqn.checkpoint import check_hash
from training import promotion, slots
from training.models import PolicyVersion

logger = logging.getLogger(__name__)
UNUSABLE = (OSError, ValueError, LookupError, TypeError)
"""What loading raises for a checkpoint that is damaged (BrokenCheckpoint is a ValueError) or of a format no longer read."""


def folder_of(version: PolicyVersion | None) -> Path | None:
    """Where the checkpoint lies; None for versions without weights."""
    return Path(settings.ENCORE_VAR) / version.folder if version is not None and version.folder else None


def policy_of(version: PolicyVersion) -> Any:
    """What serves this version, as its slot loads it; BrokenCheckpoint where its files are not those that were registered."""
    load, folder = slots.functions_of(version.slot).load_policy, folder_of(version)
    if folder is not None and version.sha256:
        check_hash(folder, version.sha256)
    return load(version.kind, folder)


def trouble_with(version: PolicyVersion) -> str | None:
    """Why the checkpoint can't serve, in a sentence: missing, truncated, another hash or format. None where it can.

    Tries the slot's own load, which may load torch: for workers and commands, never for requests."""
    folder = folder_of(version)
    if folder is None:
        return None
    error = _trouble(version, _written(folder))
    return f"The checkpoint of version {version.pk} can't be used: {error}." if error else None


def _written(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each file: what is asked for every few seconds is read again only where it was written."""
    found = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple((str(path), each.st_size, each.st_mtime_ns) for path, each in found)


@lru_cache(maxsize=32)
def _trouble(version: PolicyVersion, written: tuple[tuple[str, int, int], ...]) -> str:
    try:
        policy_of(version)
    except UNUSABLE as error:
        return str(error) or type(error).__name__
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
