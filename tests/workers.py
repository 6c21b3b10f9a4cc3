"""Workers of tests as processes of their own, on the test's database, and waiting for them. After: tests that kill them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection


def environment_of_test(var: Path) -> dict[str, str]:
    """What a process needs to work on the test's database, with this ENCORE_VAR."""
    base, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{base.rpartition('/')[0]}/{connection.settings_dict['NAME']}?{query}"
    return os.environ | {"DATABASE_URL": url, "ENCORE_VAR": str(var), "DJANGO_SETTINGS_MODULE": "config.settings"}


def wait_for(is_true: Callable[[], bool], seconds: float = 60) -> None:
    """Another process has to get somewhere: there is nothing but looking."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, "the worker did not get there"
        waiting.wait(0.05)
