"""The player in a real browser: keys, the queue after a reload, and a phone's width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from recsys import preferences
from recsys.models import Feedback, Track
from tests.chromium import MISSING, chromium, find_chromium, open_page, sign_in
from tests.conftest import unsaved_track

__all__ = ["chromium"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason=MISSING),
    pytest.mark.django_db(transaction=True),
]

PASSWORD = "alice's long pass phrase"
TITLE = "A tune whose title is so long that no phone in the world could ever show it on one line"


ADDRESSES = (
    *("/", "/browse/", "/browse/?q=zzz", "/history/", "/history/files/", "/pieces/", "/taste/", "/welcome/", "/nothing-here/"),
    *("/pairs/", "/compose/", "/compose/?by=lyrics", "/compose/?by=image"),
    *("/settings/", "/accounts/password/change/", "/accounts/email/", "/accounts/2fa/"),
)


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer) -> Page:
    """Alice's browser on the page of all tunes, which plays the first one."""
    account = Account.objects.create_user("alice@example.org", PASSWORD)
    preferences.declare(account.listener, styles=[])
    Track.objects.bulk_create([unsaved_track(number, title=f"{TITLE} {number}") for number in range(6)])
    page = open_page(chromium, live_server)
    sign_in(page, account.email, PASSWORD)
    page.goto("/browse/")
    page.locator(".row [data-play]").first.click(force=True)
    expect(toggle(page)).to_have_attribute("aria-label", "Pause")
    # A focused button keeps the space bar to itself.
    page.get_by_role("heading", level=1).click()
    return page


def toggle(page: Page) -> Locator:
    return page.locator('[data-player="toggle"]')


@contextmanager
def acknowledged(page: Page, kind: str) -> Iterator[None]:
    """Waits until the server has answered for a signal of this kind that the block gives."""

    def is_answer(response: Response) -> bool:
        return response.url.endswith("/api/v1/feedback/") and f'"kind":"{kind}"' in (response.request.post_data or "")

    with page.expect_response(is_answer) as answer:
        yield
    assert answer.value.ok


def told(kind: str) -> list[float | None]:
    return list(Feedback.objects.filter(kind=kind).order_by("id").values_list("value", flat=True))


def test_everything_about_the_tune_that_plays_has_a_key(page: Page) -> None:
    title = page.locator('[data-player="title"]')
    expect(title).to_have_text(f"{TITLE} 0")

    for key, kind, value in [("l", "like", None), ("4", "rate", 4.0), ("0", "unrate", None), ("l", "unlike", None)]:
        with acknowledged(page, kind):
            page.keyboard.press(key)
        assert told(kind)[-1] == value
    page.keyboard.press(" ")
    expect(toggle(page)).to_have_attribute("aria-label", "Play")
    page.keyboard.press("n")
    expect(title).to_have_text(f"{TITLE} 1")
    page.keyboard.press("p")
    expect(title).to_have_text(f"{TITLE} 0")
    with acknowledged(page, "dislike"):
        page.keyboard.press("d")
    assert told("dislike") == [None]
    expect(title).to_have_text(f"{TITLE} 1")
    page.keyboard.press("q")
    expect(page.locator("#queue")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#queue")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_after_a_reload_the_queue_stands_where_it_was_and_is_silent(page: Page) -> None:
    page.keyboard.press("n")
    expect(page.locator('[data-player="title"]')).to_have_text(f"{TITLE} 1")
    expect(toggle(page)).to_have_attribute("aria-label", "Pause")
    page.keyboard.press(" ")
    expect(toggle(page)).to_have_attribute("aria-label", "Play")
    now = page.locator('[data-player="now"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(now).to_have_text(re.compile("^0:1[0-9]$"))
    stood_at = now.text_content() or ""

    page.reload()

    expect(page.locator('[data-player="title"]')).to_have_text(f"{TITLE} 1")
    expect(now).to_have_text(stood_at)
    expect(toggle(page)).to_have_attribute("aria-label", "Play")
    expect(page.locator("#queue li")).to_have_count(6)
    toggle(page).click()
    expect(toggle(page)).to_have_attribute("aria-label", "Pause")
    expect(now).not_to_have_text(stood_at)


def test_the_bar_shows_the_stars_of_its_own_track_wherever_they_were_given(page: Page) -> None:
    stars = page.locator("[data-player-bar] [data-stars] input:checked")
    with acknowledged(page, "rate"):
        page.keyboard.press("4")
    expect(stars).to_have_value("4")
    page.goto("/taste/")  # a page without this track, after the queue was brought back
    expect(stars).to_have_value("4")

    other_tab = page.context.new_page()
    other_tab.goto("/browse/")
    with acknowledged(other_tab, "rate"):
        other_tab.locator(".row [data-stars] label").nth(1).click()
    expect(stars).to_have_value("2")

    page.keyboard.press("n")
    expect(page.locator('[data-player="title"]')).to_have_text(f"{TITLE} 1")
    expect(stars).to_have_count(0)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    track = Track.objects.order_by("id").first()
    assert track is not None
    for address in (*ADDRESSES, f"/tracks/{track.pk}/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
