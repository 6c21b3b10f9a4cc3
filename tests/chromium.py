"""Where Chromium is on this machine, and how tests use it. Before: the distribution's package. After: journeys, screenshots."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

MISSING = "Chromium is missing; on Debian and Ubuntu: apt install chromium"


def find_chromium() -> str | None:
    """Path of the browser, None where there is none."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


TIMEOUT_MS = 90_000
"""Only keeps a test from hanging; nothing is asserted about seconds."""


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser. Playwright runs an event loop in this thread, where Django would otherwise refuse the database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()
        # While the loop runs, Django keeps this thread's connection apart; after it nobody would give it back.
        connections.close_all()


def open_page(chromium: Browser, live_server: LiveServer, *, width: int = 1280, height: int = 900) -> Page:
    """A fresh browser profile; any error in a script fails the test."""
    page = chromium.new_context(base_url=live_server.url, viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    return page


def sign_in(page: Page, email: str, password: str) -> None:
    """Through the form, as people do."""
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("main").get_by_role("button", name="Sign In").click()
    expect(page.locator("[data-account]")).to_be_attached()
