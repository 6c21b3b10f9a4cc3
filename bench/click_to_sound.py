"""From the click on “Compose” to a piece that sounds in the page. Before: the whole service. After: make bench.

A throwaway PostgreSQL, the web server and the worker as `make run` starts them, and Chromium. The first piece finds a worker
that is loading its composer still, and stands apart. The listener has no taste at first; then one learned from ratings of the
pieces heard so far, for which the worker writes several candidates of each piece."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Report, make_parser, read_options, say
from bench.site import throwaway_site

if TYPE_CHECKING:
    from playwright.sync_api import Page

EMAIL, PASSWORD = "bench@example.org", "a pass phrase for a bench"
PATIENCE_SECONDS = 120.0
TARGET_SECONDS = 2.0
NOTE_FIRST_SOUND = """
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  this.addEventListener("playing", () => { window.soundedAt ??= Date.now(); });
  return play.call(this);
};
"""


def serve_checkpoint(checkpoint: Path, var: Path) -> None:
    """Makes the checkpoint the champion, and a listener who may ask it for pieces."""
    from accounts.models import Account
    from dqn.checkpoint import hash_folder
    from training.models import PolicyVersion, Promotion
    from training.promotion import promote

    shutil.copytree(checkpoint, var / "checkpoints" / "measured")
    version = PolicyVersion.objects.create(
        slot="composer", kind="dqn", folder="checkpoints/measured", sha256=hash_folder(var / "checkpoints" / "measured")
    )
    promote("composer", version, Promotion.Kind.FIRST, by=None, reason="it is measured")
    Account.objects.create_user(EMAIL, PASSWORD)


@contextmanager
def running(port: int) -> Iterator[None]:
    """Web server and worker."""
    granian = Path(sys.executable).parent / "granian"
    web = [str(granian), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    web += ["--blocking-threads", "4", "--no-ws", "--log-level", "warning", "config.wsgi:application"]
    worker = [sys.executable, "manage.py", "composing", "worker", "--queues", "interactive", "--delete-jobs", "successful"]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in (web, worker)]
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            if time.monotonic() > deadline:
                raise RuntimeError("the web server did not start")
            time.sleep(0.2)
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def seconds_until_sound(page: Page, bars: int) -> float:
    """Of one piece, by the clock of the machine that both sides share."""
    page.goto("/compose/")
    page.get_by_label("Bars", exact=True).fill(str(bars))
    button = page.get_by_role("button", name="Compose", exact=True)
    button.scroll_into_view_if_needed()
    page.evaluate("window.soundedAt = undefined")
    clicked = time.time()
    button.click()
    sounded = page.wait_for_function("window.soundedAt", timeout=1000 * PATIENCE_SECONDS).json_value()
    return float(sounded) / 1000 - clicked


def rate_pieces() -> None:
    """The listener rates every piece with one to five stars, at random: what the taste is does not matter to the clock."""
    from django.utils import timezone

    from accounts.models import Account
    from recsys.models import Feedback, Track
    from recsys.taste import taste_of

    listener = Account.objects.get(email=EMAIL).listener
    stars = np.random.default_rng(0)
    for track in Track.objects.filter(owner=listener).order_by("pk"):
        Feedback.objects.create(
            listener=listener,
            client_id=uuid.uuid4(),
            track=track,
            kind=Feedback.Kind.RATE,
            value=float(stars.integers(1, 6)),
            occurred_at=timezone.now(),
        )
    if taste_of(listener).abstains:
        raise RuntimeError("so few ratings make no taste: ask for more --pieces")


@contextmanager
def signed_in_page(port: int) -> Iterator[Page]:
    """A page of the listener's that notes when it sounds first."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = browser.new_context(base_url=f"http://127.0.0.1:{port}", bypass_csp=True).new_page()
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.add_init_script(NOTE_FIRST_SOUND)
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign In").click()
        page.locator("[data-account]").wait_for(state="attached")
        yield page
        browser.close()


def measure(page: Page, options: Namespace, report: Report, name: str) -> None:
    """Pieces of both lengths, one after another, as one listener asks for them."""
    for bars in (8, 32):
        took = [seconds_until_sound(page, bars) for _ in range(3 if options.quick else options.pieces)]
        report.add_samples(name, f"seconds_to_sound_of_{bars}_bars", took, target=TARGET_SECONDS, smaller_is_better=True)


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--checkpoint", type=Path, help="folder of a `dqn` checkpoint; without it nothing is measured")
    parser.add_argument("--pieces", type=int, default=20, help="pieces of each length")
    options = read_options(parser)
    report = Report("click_to_sound", options)
    if options.checkpoint is None or not shutil.which("chromium"):
        report.note("a checkpoint is not named, or Chromium not installed: nothing was measured")
        return report.finish()
    with throwaway_site() as folder:
        from django.core.management import call_command

        call_command("prepare", verbosity=0)
        serve_checkpoint(options.checkpoint, folder / "var")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        os.environ["ENCORE_SIMULATED"] = "false"
        with running(port):
            with signed_in_page(port) as page:
                say(f"the first piece: {(first := seconds_until_sound(page, 8)):.2f} s")
                report.add("first piece of a worker", "seconds_to_sound_of_8_bars", first)
                measure(page, options, report, "ours")
            rate_pieces()
            with signed_in_page(port) as page:
                measure(page, options, report, "ours, for a taste")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
