"""The API's description: without warnings, and nothing it allows makes the server fail."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Account
from accounts.tokens import issue_token
from recsys.models import Track

LISTENING = r"^/api/v1/(tracks|feedback|recommendations|me/preferences)"


def test_the_description_is_made_without_a_warning() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=io.StringIO())


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
