"""`make run`: keeps the database and the Procfile's processes running until Ctrl-C. Before: Makefile. After: prepare, Procfile.

Own lines instead of a process manager: a worker that dies is started again instead of ending the site, the database stops
last, and nothing outlives this process even after kill −9."""

import fcntl
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from string import Template
from types import FrameType
from typing import IO

from config import environment, postgres, settings

LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 25.0
"""How long workers may take to leave their jobs before they are killed; training saves a checkpoint first."""
RUNS_ONCE = frozenset({"catalogue"})


class CannotStart(RuntimeError):  # noqa: N818 – named for what happened
    """Says in one sentence what is in the way and what to do."""


class Stopping(Exception):  # noqa: N818 – a request, not an error
    """Ctrl-C or SIGTERM arrived."""


@dataclass(kw_only=True)
class Kept:
    """One process of the Procfile, started again when it ends by itself."""

    name: str
    command: list[str]
    child: "subprocess.Popen[bytes] | None" = None
    pause_seconds: float = 1.0
    start_again_at: float = 0.0
    started_at: float = 0.0
    unfinished_line: bytes = b""

    def start(self, selector: selectors.BaseSelector) -> None:
        """Starts it as a direct child in a session of its own, so that Ctrl-C reaches it only through this process."""
        self.started_at = time.monotonic()
        self.child = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=postgres.end_with_parent(signal.SIGTERM),
        )
        assert self.child.stdout is not None
        os.set_blocking(self.child.stdout.fileno(), False)
        selector.register(self.child.stdout, selectors.EVENT_READ, self)

    def show(self, content: bytes) -> None:
        """Prints whole lines under the process's name."""
        *lines, self.unfinished_line = (self.unfinished_line + content).split(b"\n")
        for line in lines:
            print(f"{self.name:>11} | {line.decode(errors='replace')}", flush=True)


@dataclass(kw_only=True)
class Site:
    """The database and everything that runs beside it."""

    kept: list[Kept]
    cluster: postgres.Cluster | None
    database: "subprocess.Popen[bytes] | None" = None
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start_database(self) -> None:
        """Starts the embedded server, or starts it again after it died."""
        if self.cluster is not None and (self.database is None or self.database.poll() is not None):
            if self.database is not None:
                say(f"PostgreSQL ended with {self.database.returncode}: starting it again")
            self.database = self.cluster.start()

    def watch(self, seconds: float) -> None:
        """Shows what the processes print for so long, and starts again what ended."""
        deadline = time.monotonic() + seconds
        while True:
            for key, _ in self.selector.select(timeout=0.2):
                self._read(key)
            self.start_database()
            for kept in self.kept:
                self._start_again(kept)
            if time.monotonic() >= deadline:
                return

    def _read(self, key: selectors.SelectorKey) -> None:
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        content = os.read(stream.fileno(), 65536)
        if content:
            key.data.show(content)
        else:
            self.selector.unregister(stream)
            stream.close()

    def _start_again(self, kept: Kept) -> None:
        now = time.monotonic()
        if kept.child is None or kept.child.poll() is None:
            return
        if kept.name in RUNS_ONCE and kept.child.returncode == 0:
            return
        if not kept.start_again_at:
            if now - kept.started_at > 2 * LONGEST_PAUSE_SECONDS:
                kept.pause_seconds = 1.0
            say(f"{kept.name} ended with {kept.child.returncode}: starting it again in {kept.pause_seconds:g} s")
            kept.start_again_at = now + kept.pause_seconds
            kept.pause_seconds = min(LONGEST_PAUSE_SECONDS, kept.pause_seconds * 2)
        elif now >= kept.start_again_at:
            kept.start_again_at = 0.0
            kept.start(self.selector)

    def stop(self) -> None:
        """Ends the processes first and the database last, so that jobs can be put back."""
        running = [kept.child for kept in self.kept if kept.child is not None and kept.child.poll() is None]
        for child in running:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.poll() is None for child in running) and time.monotonic() < deadline:
            for key, _ in self.selector.select(timeout=0.1):
                self._read(key)
        for child in running:
            # The group, not the process: what a killed parent left behind goes with it.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            child.wait()
        if self.database is not None:
            postgres.stop(self.database)


def say(text: str) -> None:
    """One line of this process among those of the others."""
    print(f"{'encore':>11} | {text}", flush=True)


def hold_folder() -> IO[str]:
    """Claims ENCORE_VAR: two starts over the same files would fight over the database. Given back when this process ends."""
    settings.ENCORE_VAR.mkdir(parents=True, exist_ok=True)
    claim = (settings.ENCORE_VAR / "start.lock").open("a+")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CannotStart(f"Encore already runs with the files in {settings.ENCORE_VAR}. Stop it, or set ENCORE_VAR.") from None
    return claim


def find_port(host: str) -> int:
    """The port asked for; without ENCORE_PORT the first free one from 8000."""
    wanted = environment.read_whole_number("PORT", 0, low=0, high=65535)
    wanted = environment.read_whole_number("ENCORE_PORT", wanted, low=0, high=65535)
    for port in [wanted] if wanted else range(8000, 8020):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                if not wanted:
                    say(f"port {port} is taken, trying the next one")
                continue
            return port
    if wanted:
        raise CannotStart(f"Port {wanted} is taken. Stop what uses it, or choose another: ENCORE_PORT=8123 make run")
    raise CannotStart("Ports 8000 to 8019 are all taken. Choose one: ENCORE_PORT=8123 make run")


def read_procfile() -> list[Kept]:
    """The processes of the Procfile, with the environment's variables filled in."""
    kept = []
    for line in (settings.ROOT / "Procfile").read_text(encoding="utf-8").splitlines():
        name, _, command = line.partition(":")
        kept.append(Kept(name=name, command=shlex.split(Template(command).substitute(os.environ))))
    return kept


def wait_until_it_answers(site: Site, address: str) -> None:
    """Keeps everything running until the web server answers, for at most two minutes."""
    for _ in range(600):
        site.watch(0.2)
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=5).close()  # noqa: S310 – http
        except (urllib.error.URLError, OSError):
            continue
        return
    raise CannotStart("The web server did not answer within two minutes; its lines above say why.")


def call(*command: str) -> None:
    """Runs a management command to its end, in a session of its own; CannotStart where it fails."""
    ran = subprocess.Popen([sys.executable, "manage.py", *command], start_new_session=True)
    try:
        if ran.wait():
            raise CannotStart(f"“manage.py {command[0]}” failed; the lines above say why.")
    finally:
        if ran.poll() is None:
            ran.terminate()
            ran.wait()


def run(*commands: str) -> None:
    """Prepares, runs these commands, starts everything and keeps it running until a signal arrives."""
    host = environment.read_text("ENCORE_HOST", "127.0.0.1")
    port = find_port(host)
    os.environ |= {
        "PORT": str(port),
        "ENCORE_HOST": host,
        "ENCORE_WEB_WORKERS": str(environment.read_whole_number("ENCORE_WEB_WORKERS", 2, low=1, high=64)),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    os.chdir(settings.ROOT)
    cluster = None if environment.read_text("DATABASE_URL") else postgres.Cluster(folder=settings.ENCORE_VAR / "postgres")
    if cluster is not None and cluster.home != cluster.folder:
        say(f"as root the database keeps its files in {cluster.home}, because {cluster.folder} is closed to other accounts")
    site = Site(kept=read_procfile(), cluster=cluster)
    try:
        site.start_database()
        for command in ("prepare", *commands):
            call(command)
        for kept in site.kept:
            kept.start(site.selector)
        shown_host = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::"} else host  # noqa: S104 – only compared
        wait_until_it_answers(site, f"http://{shown_host}:{port}")
        say("")
        say(f"Encore is at  http://{shown_host}:{port}/   (Ctrl-C stops it)")
        say("")
        while True:
            site.watch(3600)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        say("stopping …")
        site.stop()
        say("stopped")


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise Stopping


def main() -> int:
    """The exit code: 0 after Ctrl-C, 1 where it could not start."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    try:
        with hold_folder():
            run(*sys.argv[1:])
    except Stopping:
        return 0
    except (CannotStart, postgres.PostgresFailed, environment.WrongSetting) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
