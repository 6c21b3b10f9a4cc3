"""One person's whole way in a real browser, then the admin's: nothing is replaced, workers run in threads of this process."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import numpy as np
import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, expect
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Listener
from recsys.catalogue import import_first
from recsys.feedback import NewFeedback, record
from recsys.models import Feedback, Recommendation, Track
from tests.chromium import MISSING, chromium, find_chromium, open_page, sign_in
from training.models import PolicyVersion, Run
from training.promotion import champion_of
from training.runs import request_run

__all__ = ["chromium"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason=MISSING),
    pytest.mark.django_db(transaction=True),
]

TUNES = 130
OTHERS = 12
PASSWORD = "a long pass phrase"
SHORT_PRIOR = {"stage": "prior", "epochs": 2, "hidden": 48, "is_timed": False}
TRAINING_TIMEOUT_MS = 600_000


@pytest.fixture
def olga() -> Account:
    """The operator."""
    return Account.objects.create_user("olga@example.org", PASSWORD, role=Account.Role.OPERATOR)


@pytest.fixture
def house(olga: Account) -> None:
    """What there is on the second day: real tunes, other listeners' feedback, a composer after its first lesson."""
    import_first(TUNES)
    tracks = list(Track.objects.order_by("id"))
    for number in range(OTHERS):
        listen(Account.objects.create_user(f"listener{number}@example.org", PASSWORD).listener, tracks, number)
    request_run("composer", Run.Trigger.START, configuration=SHORT_PRIOR, seed=1)
    with working("training"):
        pass
    assert champion_of("composer") is not None, Run.objects.get().outcome


def listen(listener: Listener, tracks: list[Track], number: int) -> None:
    """Thirty plays: everybody hears their own styles to the end and leaves the others early."""
    generator = np.random.default_rng(number)
    styles = sorted({track.style for track in tracks})
    began = datetime.now(UTC) - timedelta(days=2, minutes=number)
    rows = []
    for place, index in enumerate(generator.choice(len(tracks), 30, replace=False)):
        track = tracks[index]
        share = 1.0 if styles.index(track.style) % 3 == number % 3 else 0.1
        began += timedelta(seconds=60)
        rows.append(
            NewFeedback(
                client_id=UUID(int=number * 1000 + place),
                track_id=track.pk,
                kind="play",
                value=share * track.duration_seconds,
                occurred_at=began,
            )
        )
    assert all(outcome.status == "stored" for outcome in record(listener, rows))


MOST_RELOADS = 60


@contextmanager
def working(*queues: str) -> Iterator[None]:
    """A worker beside the block: it does every job of these queues, and the block's end waits for it.

    In a thread, because Playwright's event loop runs in this one."""
    problems: list[BaseException] = []

    def work() -> None:
        try:
            connector = cast(DjangoConnector, app.connector).get_worker_connector()
            with app.replace_connector(connector) as worker:
                worker.run_worker(wait=False, queues=list(queues), install_signal_handlers=False, listen_notify=False)
        except BaseException as problem:
            problems.append(problem)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not problems, problems


def slate_shown(page: Page) -> list[int]:
    """Tracks of the page's slate, in order."""
    return [int(card.get_attribute("data-track") or 0) for card in page.locator("#slate [data-track]").all()]


def feedback_of(listener: Listener, kind: str) -> list[Feedback]:
    return list(Feedback.objects.filter(listener=listener, kind=kind).order_by("id"))


@contextmanager
def acknowledged(page: Page) -> Iterator[None]:
    """Waits until the server has answered for the feedback that the block gives."""
    with page.expect_response(lambda response: response.url.endswith("/api/v1/feedback/") and response.status == 200):
        yield


def test_a_listener_signs_up_hears_rates_and_gets_a_piece_and_the_admin_retrains(
    chromium: Browser, live_server: LiveServer, house: None, olga: Account
) -> None:
    page = open_page(chromium, live_server)

    listener = sign_up(page)
    choose_styles(page, listener)
    browse_play_and_rate(page, listener)
    dislike_the_first(page, listener)
    compose_and_hear(page, listener)

    admin = open_page(chromium, live_server)
    sign_in(admin, olga.email, PASSWORD)
    retrain_promote_and_roll_back(admin, page, listener)
    retrain_composer(admin)


def sign_up(page: Page) -> Listener:
    page.goto("/")
    page.get_by_role("link", name="Start listening").click()
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign Up").click()
    expect(page.get_by_role("heading", name="What do you like to hear?")).to_be_visible()
    return Account.objects.get(email="alice@example.org").listener


def choose_styles(page: Page, listener: Listener) -> None:
    style = page.locator(".style-choice").first
    style.get_by_role("checkbox").check(force=True)
    page.get_by_role("button", name="Start listening").click()
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    assert len(slate_shown(page)) >= 10
    assert listener.preferences.get().styles != []


def browse_play_and_rate(page: Page, listener: Listener) -> None:
    page.get_by_role("navigation", name="Main", exact=True).get_by_role("link", name="Browse").click()
    title = page.locator(".row-title").nth(3).inner_text()
    search = page.get_by_role("searchbox", name="Search", exact=True)
    search.fill(title)
    search.press("Enter")
    page.wait_for_url("**/browse/?q=*")
    page.get_by_role("link", name=title, exact=True).first.click()
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    expect(page.locator(".score > svg")).to_be_visible()

    page.get_by_role("button", name="Play", exact=True).first.click()
    expect(page.locator(".score .sounding").first).to_be_attached()
    # The sound goes on while another page opens.
    page.get_by_role("navigation", name="Main", exact=True).get_by_role("link", name="For you").click()
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    expect(page.locator('[data-player="toggle"]')).to_have_attribute("aria-label", "Pause")
    expect(page.locator('[data-player="now"]')).to_have_text("0:03")

    with acknowledged(page):
        page.keyboard.press("5")
    assert [row.value for row in feedback_of(listener, "rate")] == [5.0]
    with acknowledged(page):
        page.keyboard.press("l")
    assert feedback_of(listener, "like")[0].track.title == title
    # A page that goes away sends what was heard, while the next one loads already: no more than what sounded.
    page.goto("/history/")
    heard = page.locator(".row-title", has_text=title)
    for _ in range(MOST_RELOADS):
        if heard.count():
            break
        page.reload()
    expect(heard.first).to_be_visible()
    play = feedback_of(listener, "play")[0]
    assert play.track.title == title
    assert 2.0 <= (play.value or 0.0) <= play.track.duration_seconds + 1.0


def dislike_the_first(page: Page, listener: Listener) -> None:
    page.goto("/")
    before = slate_shown(page)
    with acknowledged(page):
        page.locator("#slate [data-opinion=dislike]").first.click()
    expect(page.locator(f'#slate [data-track="{before[0]}"]')).to_have_count(0)

    page.reload()

    after = slate_shown(page)
    assert before[0] not in after
    assert after != before
    assert Recommendation.objects.filter(listener=listener).count() >= 2


def compose_and_hear(page: Page, listener: Listener) -> None:
    page.get_by_role("navigation", name="Main", exact=True).get_by_role("link", name="Compose").click()
    page.get_by_label("Bars", exact=True).fill("4")
    page.get_by_role("button", name="Compose", exact=True).click()
    expect(page.get_by_role("heading", name="Composing")).to_be_visible()
    with working("interactive"):
        expect(page.get_by_role("heading", name="Here is your piece")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    piece = Track.objects.get(owner=listener)
    assert piece.bars == 4
    expect(page.locator('[data-player="title"]')).to_have_text(piece.title)
    assert loudness(page.request.get(f"/api/v1/tracks/{piece.pk}/audio.opus").body()) > 0.01

    page.get_by_role("link", name="See the score").click()
    expect(page.locator(".score > svg")).to_be_visible()
    for form in ("midi", "musicxml", "abc", "audio.mp3", "recipe.json"):
        assert page.request.get(f"/api/v1/tracks/{piece.pk}/{form}").ok, form


def loudness(content: bytes) -> float:
    """Root mean square of the decoded sound, full scale = 1."""
    import soundfile

    samples: Any = soundfile.read(io.BytesIO(content))[0]
    return float(np.sqrt(np.mean(np.square(samples))))


def retrain(admin: Page, slot: str, fields: dict[str, str]) -> PolicyVersion:
    """Asks for a run in the dashboard and watches its curves move."""
    admin.goto(f"/admin/dashboard/slots/{slot}/retrain/")
    for name, text in fields.items():
        field = admin.locator(f'[name="{name}"]')
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(text)
        elif field.get_attribute("type") == "checkbox":
            field.set_checked(text == "on")
        else:
            field.fill(text)
    admin.get_by_role("button", name="Start the run").click()
    expect(admin.locator("[data-status]")).to_have_text("queued")
    expect(admin.locator("[data-no-curves]")).to_be_visible()
    with working("training"):
        # Nobody reloads the page: it moves by itself.
        expect(admin.locator("[data-status]")).to_have_text("finished", timeout=TRAINING_TIMEOUT_MS)
        expect(admin.locator("[data-no-curves]")).to_be_hidden()
    run = Run.objects.filter(slot=slot).latest("id")
    return run.versions.get()


def retrain_promote_and_roll_back(admin: Page, page: Page, listener: Listener) -> None:
    before = champion_of("recommender")
    version = retrain(admin, "recommender", {"updates": "120", "report_every_updates": "20", "save_every_updates": "60"})
    promote(admin, version)
    assert served_to(page, listener) == version

    admin.goto("/admin/dashboard/slots/recommender/")
    admin.get_by_role("button", name="Roll back").click()
    expect(admin.get_by_text("serves again")).to_be_visible()

    assert champion_of("recommender") == before
    assert served_to(page, listener) == before


def promote(admin: Page, version: PolicyVersion) -> None:
    """By hand, unless the gate's verdict has promoted it already."""
    if champion_of(version.slot) != version:
        admin.goto(f"/admin/dashboard/slots/{version.slot}/")
        field = admin.get_by_label(f"Reason for promoting version {version.pk}")
        if not field.is_visible():
            admin.locator("details.version", has=field).locator("summary").click()
        field.fill("the journey wants it")
        field.press("Enter")
        expect(admin.get_by_text(f"Version {version.pk} serves now.")).to_be_visible()
    assert champion_of(version.slot) == version


def served_to(page: Page, listener: Listener) -> PolicyVersion:
    """The version that chose what the listener's page shows now."""
    page.goto("/")
    expect(page.get_by_role("heading", name="For you")).to_be_visible()
    return Recommendation.objects.filter(listener=listener).latest("created_at").policy_version


def retrain_composer(admin: Page) -> None:
    before = champion_of("composer")
    fields = {"stage": "policy", "is_timed": "", "updates": "4", "rollout_pieces": "8", "updates_per_rollout": "2"}
    version = retrain(admin, "composer", fields)
    promote(admin, version)

    admin.goto("/admin/dashboard/slots/composer/")
    admin.get_by_role("button", name="Roll back").click()
    expect(admin.get_by_text("serves again")).to_be_visible()
    assert champion_of("composer") == before
