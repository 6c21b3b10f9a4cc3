"""The starter keeps processes running, says clearly what is in the way, and leaves nothing behind."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import settings
from config.start import CannotStart, Kept, Site, find_port, hold_folder, read_procfile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site(kept=[], cluster=None)
    yield site
    site.stop()


def keep(site: Site, code: str, name: str = "short") -> Kept:
    kept = Kept(name=name, command=[sys.executable, "-c", code], pause_seconds=0)
    site.kept.append(kept)
    kept.start(site.selector)
    return kept


def is_alive(pid: int) -> bool:
    """A zombie counts as gone: whoever inherited it has yet to look."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def watch_until_it_prints(site: Site, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    printed = ""
    for _ in range(200):
        site.watch(0.05)
        printed += capsys.readouterr().out
        if text in printed:
            return printed
    pytest.fail(f"{text!r} was never printed: {printed}")


def test_lines_are_shown_under_the_name_of_their_process(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    keep(site, "print('hello'); import sys; sys.stdin.read(); input()", name="greeter")

    assert "    greeter | hello\n" in watch_until_it_prints(site, "hello", capsys)


def test_a_process_that_is_killed_is_started_again(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept = keep(site, "import time; print('here', flush=True); time.sleep(600)")
    watch_until_it_prints(site, "here", capsys)
    assert kept.child is not None
    first = kept.child.pid

    os.kill(first, signal.SIGKILL)

    assert "short ended with -9: starting it again" in watch_until_it_prints(site, "here", capsys)
    assert kept.child.pid != first


def test_the_import_of_the_first_music_ends_for_good(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept = keep(site, "print('done')", name="catalogue")
    assert kept.child is not None
    kept.child.wait()

    site.watch(0.1)

    assert "starting it again" not in capsys.readouterr().out


def test_stopping_leaves_no_process_behind_not_even_a_grandchild(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    sleeper = "[sys.executable, '-c', 'import time; time.sleep(600)']"
    grandchild = f"import subprocess, sys; p = subprocess.Popen({sleeper}); print('pid', p.pid, flush=True); p.wait()"
    kept = keep(site, grandchild)
    printed = watch_until_it_prints(site, "pid", capsys)
    pid = int(printed.rpartition("pid ")[2])

    site.stop()

    assert kept.child is not None
    assert kept.child.poll() is not None
    # The signal is on its way when stop() returns; a process that ignores it would never go.
    assert any(not is_alive(pid) for _ in range(100_000))


def test_a_port_that_was_asked_for_and_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("ENCORE_PORT", str(taken.getsockname()[1]))

        with pytest.raises(CannotStart, match=r"Port \d+ is taken.*ENCORE_PORT="):
            find_port("127.0.0.1")


def test_encore_port_wins_over_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("ENCORE_PORT", str(free))

    assert find_port("127.0.0.1") == free


def test_a_second_start_over_the_same_files_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "ENCORE_VAR", tmp_path)

    with hold_folder(), pytest.raises(CannotStart, match="already runs"):
        hold_folder()


def test_the_procfile_names_what_operations_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "ENCORE_HOST", "ENCORE_WEB_WORKERS"):
        monkeypatch.setenv(name, "7")
    page = (settings.ROOT / "docs/operations.md").read_text(encoding="utf-8")

    assert [kept.name for kept in read_procfile() if f"| {kept.name} |" not in page] == []
