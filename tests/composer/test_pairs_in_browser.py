"""The page of blind pairs in a real browser: hear A and B by keys, answer by a key, go on."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from composer.models import BlindPair
from recsys.models import Choice
from tests.chromium import MISSING, chromium, find_chromium, open_page, sign_in
from tests.composer.test_pairs import composer, made
from training.models import PolicyVersion

__all__ = ["chromium", "composer"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason=MISSING),
    pytest.mark.django_db(transaction=True),
]


def test_a_pair_is_heard_and_answered_by_keys(
    chromium: Browser, live_server: LiveServer, alice: Account, composer: PolicyVersion
) -> None:
    pair = made(alice.listener, BlindPair.Author.HUMAN, BlindPair.Author.COMPOSER)
    made(alice.listener)
    page = open_page(chromium, live_server)
    sign_in(page, alice.email, "alice's long pass phrase")
    page.goto("/pairs/")
    a, b = (page.get_by_role("button", name=f"I prefer {letter}") for letter in "AB")
    expect(a).to_be_disabled()

    page.keyboard.press("b")  # says nothing while it is not heard
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Pause A")).to_be_visible()
    expect(page.locator("[data-side=a] [data-pair-progress]")).to_have_js_property("value", 1)
    page.keyboard.press("2")
    expect(page.get_by_role("button", name="Play A")).to_be_visible()
    expect(b).to_be_enabled()
    page.keyboard.press("b")

    expect(page.get_by_role("heading", name="Here is who made them")).to_be_visible()
    expect(page.get_by_text("you preferred this one")).to_have_count(1)
    choice = Choice.objects.get()
    assert (choice.pair, choice.answer) == (pair, "second")
    assert min(choice.first_heard_seconds or 0, choice.second_heard_seconds or 0) >= 2
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Which do you prefer?")).to_be_visible()
    expect(page.get_by_text("1 answer")).to_be_visible()
