"""The API's description: without warnings, true about names, and nothing it allows makes the server fail."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.tokens import issue_token
from recsys.models import Track

CALLS = ("get", "post", "put", "patch", "delete")
LISTENING = r"^/api/v1/(tracks|feedback|recommendations|me/preferences)"


def test_the_description_is_made_without_a_warning() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=io.StringIO())


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, address and description of each call."""
    from drf_spectacular.generators import SchemaGenerator

    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]  # type: ignore[no-untyped-call]
    values = {"{track_id}": "1", "{side}": "a", "{form}": "audio.opus"}
    for path, methods in paths.items():
        values["{id}"] = str(uuid.uuid4()) if "/pairs/" in path or "/commissions/" in path else "1"
        address = path
        for part, value in values.items():
            address = address.replace(part, value)
        yield from ((method, address, methods[method]) for method in CALLS if method in methods)


def test_every_call_refuses_what_it_does_not_read_from_its_address_and_reads_what_it_says(as_olga: APIClient) -> None:
    for method, address, call in described():
        refused = as_olga.generic(method.upper(), f"{address}?nosuch=1")
        assert (refused.status_code, list(refused.json())) == (400, ["nosuch"]), (method, address)
        for parameter in call.get("parameters", []):
            if parameter["in"] == "query":
                answer = as_olga.generic(method.upper(), f"{address}?{parameter['name']}=1")
                assert "does not read" not in answer.content.decode() if not answer.streaming else True, (method, address)


def test_every_call_refuses_a_field_it_does_not_know(as_olga: APIClient) -> None:
    asked = []
    for method, address, call in described():
        if "application/json" in call.get("requestBody", {}).get("content", {}) and "/pieces/1/" not in address:
            answer = as_olga.generic(method.upper(), address, '{"nosuch": 1}', content_type="application/json")
            assert (answer.status_code, list(answer.json())) == (400, ["nosuch"]), (method, address, answer.json())
            assert "is no field of this call; there are " in answer.json()["nosuch"][0]
            asked.append(address)

    assert len(asked) >= 11


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # the application closes its connection, and with it a test's transaction
def test_whatever_is_sent_to_listening_is_answered_and_never_a_server_error(olga: Account, tracks: list[Track]) -> None:
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    from config.wsgi import application

    _, token = issue_token(olga, "fuzz")
    description: Any = schemathesis.openapi.from_wsgi("/api/v1/schema/", application)
    answered: set[str] = set()

    def trial(operation: Any) -> Callable[[], None]:
        @settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            assert response.status_code < 500, case.as_curl_command()
            answered.add(operation.label)

        return send

    for found in description.include(path_regex=LISTENING).get_all_operations():
        trial(found.ok())()

    assert len(answered) >= 9
