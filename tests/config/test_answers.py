"""Every answer's headers, limits and error pages."""

import pytest
from django.core.cache import caches
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIRequestFactory

from accounts.models import Account
from config import errors, limits

pytestmark = pytest.mark.django_db


def policy_of(client: Client, path: str) -> dict[str, str]:
    header = client.get(path, follow=True).headers["Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


def test_pages_may_load_nothing_from_outside_and_run_no_inline_script(client: Client) -> None:
    policy = policy_of(client, "/accounts/login/")

    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http" not in " ".join(policy.values())


def test_the_admin_names_no_outside_address_either(client: Client) -> None:
    client.force_login(Account.objects.create_superuser("owner@example.org"))

    assert "http" not in " ".join(policy_of(client, "/admin/").values())


def test_browsers_are_told_not_to_guess_types_nor_to_tell_others_the_address(client: Client) -> None:
    headers = client.get("/accounts/login/").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"


def test_the_health_check_answers(client: Client) -> None:
    assert client.get("/healthz").json()["status"] == "ok"


def test_an_unknown_page_is_a_page_and_an_unknown_address_of_the_api_is_json(client: Client) -> None:
    page, answer = client.get("/nothing/"), client.get("/api/v1/nothing/")

    assert page.status_code == answer.status_code == 404
    assert "There is nothing at this address." in page.content.decode()
    assert answer.json() == {"detail": "There is nothing at this address."}


@pytest.mark.parametrize("body", ["[" * 100_000 + "]" * 100_000, '{"kind": "\\ud800"}', '{"\\udfff": 1}'])
def test_json_that_nothing_can_take_is_refused(client: Client, body: str) -> None:
    client.force_login(Account.objects.create_user("alice@example.org"))
    response = client.generic("PATCH", "/api/v1/me/", body, content_type="application/json")

    assert response.status_code == 400
    assert "JSON parse error" in response.json()["detail"]


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: Client) -> None:
    response = client.post("/api/v1/feedback/", b"{}", content_type="application/json", headers={"content-length": str(10**9)})

    assert response.status_code == 413
    assert "8 MB" in response.json()["detail"]


def test_a_body_of_unknown_length_is_refused(client: Client) -> None:
    response = client.post(
        "/api/v1/feedback/", b"{}", content_type="application/json", headers={"transfer-encoding": "chunked"}
    )

    assert response.status_code == 411


def test_a_failure_is_a_page_without_any_query(rf: RequestFactory, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        response = errors.server_error(rf.get("/"))

    assert response.status_code == 500
    assert "Something went wrong on our side." in response.content.decode()


def test_too_many_requests_of_one_address_are_refused_for_a_while() -> None:
    class Strict(limits.AnonymousThrottle):
        rate = "2/min"

    caches["process"].clear()
    request = APIRequestFactory().get("/api/v1/me/")
    request.user = None  # type: ignore[assignment]

    assert [Strict().allow_request(request, None) for _ in range(3)] == [True, True, False]  # type: ignore[arg-type]
