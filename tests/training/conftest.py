"""The cast of training: a slot that counts, Olga who operates, Victor who views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import Account
from training import slots
from training.models import PolicyVersion
from training.slots import SlotFunctions

from .counting import COUNTING, SLOT


@pytest.fixture
def counting(settings: object, tmp_path: Path) -> Iterator[SlotFunctions]:
    """The counting slot, registered for one test, with a folder for files of its own."""
    settings.ENCORE_VAR = tmp_path  # type: ignore[attr-defined]
    others = dict(slots._slots)
    slots._slots.clear()
    slots.register(COUNTING)
    yield COUNTING
    slots._slots.clear()
    slots._slots.update(others)


@pytest.fixture
def olga(db: None) -> Account:
    return Account.objects.create_user("olga@example.org", "a long pass phrase", role=Account.Role.OPERATOR)


@pytest.fixture
def victor(db: None) -> Account:
    return Account.objects.create_user("victor@example.org", "a long pass phrase", role=Account.Role.VIEWER)


@pytest.fixture
def alice(db: None) -> Account:
    return Account.objects.create_user("alice@example.org", "a long pass phrase")


def new_version(kind: str = "counter", slot: str = SLOT) -> PolicyVersion:
    """A version without weights."""
    return PolicyVersion.objects.create(slot=slot, kind=kind)
