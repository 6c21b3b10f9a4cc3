"""The compose page in a real browser: words fill in the form, and what somebody changes is no longer theirs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from composer.models import Commission
from recsys.models import Track
from tests.chromium import MISSING, chromium, find_chromium, open_page, sign_in

__all__ = ["chromium"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason=MISSING),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.usefixtures("composer_version", "tracks")
def test_words_fill_in_the_form_which_stays_the_listeners_own(
    chromium: Browser, live_server: LiveServer, alice: Account, tracks: list[Track]
) -> None:
    page = open_page(chromium, live_server, width=390)
    sign_in(page, alice.email, "alice's long pass phrase")
    page.goto("/compose/")
    page.get_by_role("link", name="From words").click()
    page.get_by_label("What you want").fill("a jig, 8 bars, not too fast, no leaps")
    page.get_by_role("button", name="Fill in the form").click()

    reasons = page.locator(".because")
    expect(reasons).to_have_text(["“jig”", "“jig”", "“8 bars”", "“not too fast, jig”", "“no leaps”"])
    expect(page.get_by_label("Bars", exact=True)).to_have_value("8")
    expect(page.locator('output[for="leaps"]')).to_have_text("8 %")

    # Another style brings its own metre and tempo: none of the three comes from the words any more.
    page.get_by_label("Style").select_option("reel")
    expect(reasons).to_have_text(["“8 bars”", "“no leaps”"])
    page.locator("#leaps").fill("0.5")
    expect(reasons).to_have_text(["“8 bars”"])

    page.get_by_role("button", name="Compose", exact=True).click()
    page.wait_for_url("**/commissions/**")
    made = Commission.objects.get()
    assert (made.steering["style"], made.steering["bars"], made.steering["leaps"]) == ("reel", 8, 0.5)
    assert made.prompt == {"kind": "text", "text": "a jig, 8 bars, not too fast, no leaps"}
