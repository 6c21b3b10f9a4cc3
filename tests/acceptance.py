"""A first start as a new owner lives it: `make run` in a fresh folder, then over HTTP to slate, piece and retraining.

`python -m tests.acceptance FOLDER`. Time-outs only keep it from hanging; nothing is asserted about seconds."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.postgres import Cluster
from tests.processes import processes_of

PASSWORD = "chosen by the owner herself"
SHORT_TRAINING = {"ENCORE_TRAINING_SECONDS": "40", "ENCORE_COLLECTIONS": "oneills1850"}


class NotAccepted(Exception):  # noqa: N818 – named for what it says
    """What did not happen."""


class Site:
    """`make run` in a folder, with everything it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        environment = {
            name: text for name, text in os.environ.items() if not name.startswith(("ENCORE_", "MAKE", "DATABASE_URL"))
        }
        self.environment = environment | SHORT_TRAINING | {"ENCORE_VAR": str(folder / "var"), "ENCORE_PORT": str(self.port)}
        self.printed = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.printed = ""
        self.process = subprocess.Popen(
            ["make", "run"], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for_line(r"Encore is at  (\S+)", 900)

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            print("   ", line, end="", flush=True)

    def wait_for_line(self, pattern: str, seconds: float) -> str:
        def look() -> str | None:
            found = re.search(pattern, self.printed)
            if found is None and self.process is not None and self.process.poll() is not None:
                raise NotAccepted(f"make run ended with {self.process.returncode}")
            return found[1] if found else None

        return str(wait_for(f"a line like {pattern}", look, seconds))

    def stop(self) -> None:
        """Ctrl-C: the signal goes to the whole group of a terminal, make included. Nothing may have failed unseen."""
        assert self.process is not None
        failed = [line for line in self.printed.splitlines() if "Traceback (most recent" in line or " ERROR " in line]
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=120)
        left = list(processes_of(self.folder / "var").values())
        if left:
            raise NotAccepted(f"Ctrl-C left processes behind: {left}")
        if failed:
            raise NotAccepted(f"the console tells of errors: {failed[:3]}")


class Browser:
    """Cookies, forms and JSON over plain HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.token = ""

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", body, headers or {}, method=method)
        try:
            with self.opener.open(request, timeout=90) as answer:
                return answer.read(), answer.geturl()
        except urllib.error.HTTPError as refused:
            raise NotAccepted(
                f"{method or 'GET'} {path}: {refused.code} {refused.read()[:800].decode(errors='replace')}"
            ) from refused

    def page(self, path: str) -> str:
        return str(self.ask(path)[0].decode())

    def send_form(self, path: str, **fields: str) -> str:
        """Gives the address where it led."""
        self.page(path)
        csrf = next(cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken")
        body = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": csrf}).encode()
        return str(self.ask(path, body, {"Referer": self.address + path})[1])

    def api(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        return json.loads(self.ask(f"/api/v1{path}", content, headers)[0] or b"null")

    def get_token(self) -> str:
        self.page("/settings/")
        csrf = next(cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken")
        body = urllib.parse.urlencode({"name": "acceptance", "csrfmiddlewaretoken": csrf}).encode()
        page = self.ask("/settings/tokens/", body, {"Referer": self.address + "/settings/"})[0].decode()
        found = re.search(r"encore_[\w-]{20,}", page)
        if found is None:
            raise NotAccepted("the settings page shows no token")
        return found[0]


def wait_for(what: str, look: Callable[[], Any], seconds: float, pause: float = 0.5) -> Any:
    """Looks until there is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
    raise NotAccepted(f"{what}: not within {seconds:.0f} s")


steps_done: list[str] = []


@contextmanager
def step(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"-- {name}", flush=True)
    yield
    steps_done.append(name)
    print(f"-- {name}: done after {time.monotonic() - began:.1f} s", flush=True)


def sign_in(browser: Browser, one_time_password: str) -> None:
    browser.send_form("/accounts/login/", login="owner@localhost", password=one_time_password)
    browser.send_form("/accounts/password/change/", oldpassword=one_time_password, password1=PASSWORD, password2=PASSWORD)
    browser.token = browser.get_token()
    if browser.api("/me/")["role"] != "owner":
        raise NotAccepted("the first account is no owner")


def send_feedback(browser: Browser, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), 500):
        sent = browser.api(
            "/feedback/", {"feedback": [{"client_id": str(uuid.uuid4()), **row} for row in rows[start : start + 500]]}
        )
        refused = [result for result in sent["results"] if result["status"] != "stored"]
        if refused:
            raise NotAccepted(f"feedback was refused: {refused[:3]}")


def get_first_recommendation(browser: Browser) -> None:
    tracks = wait_for(
        "some tracks", lambda: browser.api("/tracks/?limit=2")["tracks"][1:] and browser.api("/tracks/")["tracks"], 180
    )
    now = datetime.now(UTC).isoformat()
    first, second = tracks[0]["id"], tracks[1]["id"]
    send_feedback(browser, [
        {"track": first, "kind": "play", "value": 30.0, "occurred_at": now},
        {"track": first, "kind": "like", "occurred_at": now},
        {"track": second, "kind": "dislike", "occurred_at": now},
    ])  # fmt: skip
    slate = browser.api("/recommendations/", {"count": 20, "surface": "api"})["tracks"]
    chosen = [place["track"]["id"] for place in slate]
    if not chosen or second in chosen or not all(0 < place["probability"] <= 1 for place in slate):
        raise NotAccepted(f"this is no slate: {slate[:2]}")
    sound = browser.ask(f"/api/v1/tracks/{chosen[0]}/audio.opus", None, {"Authorization": f"Bearer {browser.token}"})[0]
    if len(sound) < 2000:
        raise NotAccepted("the first recommended track has no sound")


def get_first_piece(browser: Browser) -> int:
    def compose() -> Any:
        commission = browser.api("/pieces/", {"steering": {"bars": 8}})

        def ended() -> Any:
            found = browser.api(f"/commissions/{commission['id']}/")
            return found if found["status"] in {"done", "failed"} else None

        found = wait_for("the end of a commission", ended, 600, pause=1)
        if found["status"] == "done":
            return found
        if "No composer has been trained yet" not in found["error"]:
            raise NotAccepted(f"the first piece failed: {found['error']}")
        print(f"    {found['error']}", flush=True)
        return None

    done = wait_for("the first piece", compose, 1200, pause=15)
    track_id = int(done["piece"])
    sound = browser.ask(f"/api/v1/tracks/{track_id}/audio.opus", None, {"Authorization": f"Bearer {browser.token}"})[0]
    if len(sound) < 2000:
        raise NotAccepted("the first piece has no sound")
    return track_id


def retrain(browser: Browser) -> None:
    """Enough sessions to learn from, then a run that ends well."""
    tracks = [track["id"] for track in browser.api("/tracks/?limit=50")["tracks"]]
    start, rows = datetime.now(UTC) - timedelta(days=20), []
    for place in range(400):
        moment = start + timedelta(hours=6 * (place // 8), minutes=3 * (place % 8))
        rows.append(
            {
                "track": tracks[(place * 7) % len(tracks)],
                "kind": "play",
                "value": float(place % 60),
                "occurred_at": moment.isoformat(),
            }
        )
    send_feedback(browser, rows)
    run = browser.api("/runs/", {"slot": "recommender"})

    def ended() -> Any:
        found = browser.api(f"/runs/{run['id']}/")
        return found if found["status"] in {"finished", "failed", "stopped", "skipped"} else None

    outcome = wait_for("the end of the first retraining", ended, 900, pause=2)
    if outcome["status"] != "finished":
        raise NotAccepted(f"the retraining {outcome['status']}: {outcome['outcome']}")


def main(folder: Path) -> int:
    site = Site(folder)
    try:
        with step("make run"):
            site.start()
        browser = Browser(f"http://localhost:{site.port}")
        with step("first page, one-time password, a password of one's own"):
            browser.page("/")
            sign_in(browser, site.wait_for_line(r"one-time password: (\S+)", 5))
        with step("first recommendation"):
            get_first_recommendation(browser)
        with step("first piece"):
            piece = get_first_piece(browser)
        with step("first retraining"):
            retrain(browser)
        with step("Ctrl-C"):
            site.stop()
        with step("second make run"):
            site.start()
            browser.api(f"/tracks/{piece}/")
        with step("Ctrl-C again"):
            site.stop()
    except NotAccepted as problem:
        print(f"NOT ACCEPTED: {problem}", file=sys.stderr)
        print(f"{len(steps_done)} passed, 1 failed")
        return 1
    finally:
        if site.process is not None and site.process.poll() is None:
            site.stop()
        Cluster(folder=folder / "var" / "postgres").erase()
    print(f"{len(steps_done)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
