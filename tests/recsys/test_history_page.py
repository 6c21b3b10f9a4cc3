"""/history/files/: a history to take along, and one to bring in."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Account
from recsys.feedback import NewFeedback, record
from recsys.models import Feedback, Track

ADDRESS = "/history/files/"


@pytest.fixture
def browser(client: Client, alice: Account) -> Client:
    client.force_login(alice)
    return client


def upload(browser: Client, content: bytes) -> tuple[int, str]:
    answer = browser.post(ADDRESS, {"file": SimpleUploadedFile("history.jsonl", content)})
    return answer.status_code, answer.content.decode()


def test_what_was_downloaded_can_be_brought_in_again(browser: Client, alice: Account, track: Track) -> None:
    moment = datetime.now(UTC) - timedelta(days=1)
    record(alice.listener, [NewFeedback(client_id=uuid4(), track_id=track.pk, kind="like", occurred_at=moment)])
    page = browser.get(ADDRESS).content.decode()
    file = b"".join(browser.get("/api/v1/me/history.jsonl"))
    Feedback.objects.all().delete()

    status, report = upload(browser, file)

    assert "/api/v1/me/history.jsonl" in page
    assert status == 200
    assert "1 of 1 line taken in" in report
    assert Feedback.objects.get().kind == "like"


def test_each_refused_line_is_shown_with_its_reason_and_nothing_of_it_is_markup(browser: Client) -> None:
    line = {"client_id": str(uuid4()), "kind": "like", "occurred_at": "2026-11-01T12:00:00Z", "track": {"title": "<b>x</b>"}}

    status, report = upload(browser, json.dumps(line).encode())

    assert status == 200
    assert "there is no track “&lt;b&gt;x&lt;/b&gt;” here" in report


@pytest.mark.parametrize(("content", "words"), [(b"", "This file is empty"), (b"\n \n", "This file is empty")])
def test_an_empty_file_is_refused(browser: Client, content: bytes, words: str) -> None:
    status, page = upload(browser, content)

    assert status == 422
    assert words in page


def test_a_form_without_a_file_is_refused(browser: Client) -> None:
    answer = browser.post(ADDRESS)

    assert answer.status_code == 422
    assert "Choose a file first" in answer.content.decode()


def test_strangers_are_sent_to_sign_in(client: Client) -> None:
    assert client.get(ADDRESS).headers["Location"].startswith("/accounts/login/")
