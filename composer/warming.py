"""Makes a worker ready to compose before anybody waits for it. Before: management/commands/composing.py. After: composing.py.

What its first piece would wait for: torch, the compiled functions, which may have to be compiled, and the weights."""

from __future__ import annotations

import importlib
import logging
import threading
import time

from django.db import connection

from composer.recipes import SLOT, policy_of, readable
from composer.steering import Steering
from training.promotion import champion_of

logger = logging.getLogger(__name__)
STEERING = {"bars": 4, "density": 0.5}
"""A graded wish is followed by foresight, as a taste is: its loops are compiled too."""
THREAD = "warming"


def begin() -> threading.Thread:
    """Beside the jobs of this process: one that comes meanwhile needs the same, and waits no longer than it would have."""
    # A daemon: a worker that is told to leave does not wait for it.
    thread = threading.Thread(target=_warm_and_go, name=THREAD, daemon=True)
    thread.start()
    return thread


def warm() -> None:
    """Loads what serves and writes one tiny piece with it, which nobody keeps. Before the first training: torch alone."""
    champion = champion_of(SLOT)
    if champion is None:
        importlib.import_module("composer.learning.policy")
    else:
        policy_of(readable(champion)).compose(Steering.from_json(STEERING), None, seed=0)


def _warm_and_go() -> None:
    began = time.monotonic()
    try:
        warm()
        logger.info("ready to compose after %.1f s", time.monotonic() - began)
    except Exception:
        # The first piece will do it again and say what it meets.
        logger.exception("this worker could not be made ready to compose")
    finally:
        connection.close()
