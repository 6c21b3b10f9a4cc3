"""Takes every page in light and dark, phone and desktop, of a site that runs. Before: `make run` or `make demo`. After: eyes.

python -m tests.screenshots --address http://127.0.0.1:8000 --email … --password … --folder var/screenshots"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.chromium import find_chromium

SIZES = {"desktop": (1280, 800), "phone": (390, 844), "small": (320, 640)}
STRANGERS = {
    "landing": "/",
    "sign-in": "/accounts/login/",
    "sign-up": "/accounts/signup/",
    "reset": "/accounts/password/reset/",
}
LISTENERS = {
    "welcome": "/welcome/",
    "for-you": "/",
    "browse": "/browse/",
    "browse-empty": "/browse/?q=zzzz",
    "history": "/history/",
    "history-rated": "/history/?show=rated",
    "history-files": "/history/files/",
    "taste": "/taste/",
    "compose": "/compose/",
    "compose-words": "/compose/?by=text",
    "compose-lyrics": "/compose/?by=lyrics",
    "compose-picture": "/compose/?by=image",
    "pairs": "/pairs/",
    "pieces": "/pieces/",
    "settings": "/settings/",
    "email": "/accounts/email/",
    "password": "/accounts/password/change/",
    "second-factor": "/accounts/2fa/",
    "missing": "/nothing-here/",
}
VIEWERS = {
    "dashboard": "/admin/dashboard/",
    "recommender": "/admin/dashboard/slots/recommender/",
    "composer": "/admin/dashboard/slots/composer/",
    "retrain": "/admin/dashboard/slots/recommender/retrain/",
    "retrain-composer": "/admin/dashboard/slots/composer/retrain/",
}
"""Only for accounts that may see them."""


def main() -> None:
    """Writes one picture per page, theme and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--email", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--folder", type=Path, default=Path("var/screenshots"))
    parser.add_argument("--only", default="", help="pages whose name contains this")
    parser.add_argument("--sizes", default=",".join(SIZES), help="which of the sizes, separated by commas")
    parser.add_argument("--dashboard", action="store_true", help="the account may see the dashboard: take that instead")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for size, theme in itertools.product(asked.sizes.split(","), ("light", "dark")):
            _take_all(browser, asked, size, theme)
        browser.close()


def _take_all(browser: Browser, asked: argparse.Namespace, size: str, theme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light", base_url=asked.address
    )
    page = context.new_page()
    page.on("pageerror", lambda error: sys.exit(f"a script failed: {error}"))

    def take(name: str, address: str) -> None:
        if asked.only in name:
            page.goto(address)
            _keep(page, asked.folder / f"{name}-{size}-{theme}.png")

    for name, address in ({} if asked.dashboard else STRANGERS).items():
        take(name, address)
    _sign_in(page, asked.email, asked.password)
    for name, address in (VIEWERS if asked.dashboard else LISTENERS).items():
        take(name, address)
    if asked.only in "track" and not asked.dashboard:
        page.goto("/browse/?style=reel")
        page.locator(".row [data-play]").first.click(force=True)
        page.locator(".row-title").first.click()
        page.wait_for_selector(".score > svg")
        page.wait_for_timeout(1500)
        _keep(page, asked.folder / f"track-{size}-{theme}.png")
        page.locator('[data-player="queue"]').click()
        page.screenshot(path=asked.folder / f"queue-{size}-{theme}.png")
    context.close()


def _sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_load_state("networkidle")
    if "/welcome/" in page.url:
        page.get_by_role("button", name="Skip").click()
        page.wait_for_load_state("networkidle")


def _keep(page: Page, path: Path) -> None:
    page.wait_for_load_state("load")
    page.wait_for_timeout(400)
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
