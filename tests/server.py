"""One throwaway PostgreSQL per test run: started by the process that controls the run, never the developer's.

Loaded by `-p tests.server` (pyproject.toml), because Django reads its settings before any conftest."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config.postgres import Cluster, stop

_server: "subprocess.Popen[bytes] | None" = None
_folder: Path | None = None


def start_server() -> None:
    """Starts the server and points the environment at it, once, before Django reads its settings."""
    global _server, _folder
    if os.environ.get("PYTEST_XDIST_WORKER") or _server is not None:
        return
    _folder = Path(tempfile.mkdtemp(prefix="encore-tests-"))
    _folder.chmod(0o755)
    cluster = Cluster(folder=_folder / "postgres", durable=False)
    _server = cluster.start()
    os.environ["ENCORE_ENV_FILE"] = str(_folder / "no.env")
    os.environ["DATABASE_URL"] = cluster.url()
    os.environ["ENCORE_VAR"] = str(_folder / "var")
    os.environ["ENCORE_SECRET_KEY"] = "only for tests"
    os.environ["ENCORE_LOG_LEVEL"] = "WARNING"


start_server()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the server and removes its folder."""
    global _server
    if _server is not None:
        stop(_server)
        _server = None
    if _folder is not None and not os.environ.get("PYTEST_XDIST_WORKER"):
        shutil.rmtree(_folder, ignore_errors=True)
    sys.stdout.flush()
