"""A throwaway site with a database of its own, and a Q-network trained in it. After: serving.py, reasons.py, and others."""

from __future__ import annotations

import os
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.run_context import Context
from config.postgres import Cluster

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


@contextmanager
def throwaway_site() -> Iterator[Path]:
    """A database and ENCORE_VAR of their own; Django is set up inside."""
    with tempfile.TemporaryDirectory(prefix="encore-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = Cluster(folder=folder / "postgres", durable=False)
        server = cluster.start()
        os.environ |= {
            "DATABASE_URL": cluster.url(),
            "ENCORE_VAR": str(folder / "var"),
            "ENCORE_SECRET_KEY": "only for a benchmark",
            "ENCORE_SIMULATED": "true",
            "ENCORE_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        try:
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield folder
        finally:
            from django.db import connection

            connection.close()
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


@dataclass(kw_only=True)
class World:
    """One seed's listeners, the folder for checkpoints, and where each phase ends."""

    population: Any
    options: Namespace
    folder: Path
    seed: int

    def end_of(self, phase: int) -> datetime:
        """Phase 0 is the common beginning; a retraining stands before each later one."""
        return START + timedelta(days=self.options.days * (phase + 1))


def serve_by(kind: str, folder: str) -> None:
    """Makes a version of this kind the champion."""
    from training.models import PolicyVersion, Slot

    version = PolicyVersion.objects.create(slot="recommender", kind=kind, folder=folder)
    Slot.objects.update_or_create(name="recommender", defaults={"champion": version})


def fit_dqn(world: World, phase: int, **changes: Any) -> None:
    """Trains on what was logged so far and serves the checkpoint."""
    from django.conf import settings

    from recsys.learning import replay_dataset, training
    from recsys.learning.configuration import RecommenderConfiguration

    configuration = replace(RecommenderConfiguration(**changes), updates=world.options.updates)
    number = sum(1 for _ in world.folder.glob("run-*"))
    context = Context(
        configuration=configuration, folder=world.folder / f"run-{number}", seed=world.seed, device=world.options.device
    )
    dataset = replay_dataset.build(configuration, as_of=world.end_of(phase - 1))
    trained = training.train(context, dataset)
    serve_by("dqn", os.path.relpath(trained.checkpoint, settings.ENCORE_VAR))
