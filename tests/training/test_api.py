"""Runs and slots over REST."""

from __future__ import annotations

from base64 import b64encode

import pytest
from rest_framework.test import APIClient

from accounts.models import Account
from training import promotion
from training.models import Promotion, Run, RunMetric
from training.slots import SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_olga(olga: Account) -> APIClient:
    client = APIClient()
    client.force_authenticate(olga)
    return client


def test_an_operator_asks_for_a_run(as_olga: APIClient, counting: SlotFunctions, olga: Account) -> None:
    answer = as_olga.post("/api/v1/runs/", {"slot": SLOT, "configuration": {"steps": 3}, "seed": 7})

    run = Run.objects.get()
    assert answer.status_code == 201
    assert answer.json()["id"] == run.pk
    assert (run.trigger, run.requested_by, run.seed, run.configuration["steps"]) == (Run.Trigger.API, olga, 7, 3)


@pytest.mark.parametrize(
    ("configuration", "field", "message"),
    [
        ({"steps": 0}, "configuration.steps", "is 0 and must be 1 to 100,000"),
        ({"steps": "many"}, "configuration.steps", "must be a whole number"),
        ({"steps": True}, "configuration.steps", "must be a whole number"),
        ({"stepps": 3}, "configuration.stepps", "there is no such field"),
        ({"reports": {"every_steps": 0}}, "configuration.reports.every_steps", "must be 1 to 1,000"),
        ({"is_strict": True, "quality": -1}, "configuration.quality", "is_strict refuses that"),
        ({"verdict": "perhaps"}, "configuration.verdict", "one of pass, fail, not proven"),
    ],
)
def test_it_refuses_a_wrong_configuration_naming_field_and_bound(
    as_olga: APIClient, counting: SlotFunctions, configuration: dict[str, object], field: str, message: str
) -> None:
    answer = as_olga.post("/api/v1/runs/", {"slot": SLOT, "configuration": configuration})

    assert answer.status_code == 400
    assert message in answer.json()[field][0]
    assert not Run.objects.exists()


def test_it_refuses_an_unknown_slot_naming_those_there_are(as_olga: APIClient, counting: SlotFunctions) -> None:
    answer = as_olga.post("/api/v1/runs/", {"slot": "juggler"})

    assert answer.status_code == 400
    assert answer.json() == {"slot": ["must be one of counting"]}


def test_a_second_open_run_is_a_conflict(as_olga: APIClient, counting: SlotFunctions) -> None:
    as_olga.post("/api/v1/runs/", {"slot": SLOT})

    answer = as_olga.post("/api/v1/runs/", {"slot": SLOT})

    assert answer.status_code == 409
    assert "already has a run" in answer.json()["detail"]


def test_a_viewer_looks_but_does_not_ask(counting: SlotFunctions, victor: Account) -> None:
    client = APIClient()
    client.force_authenticate(victor)

    assert client.get("/api/v1/runs/").status_code == 200
    assert client.post("/api/v1/runs/", {"slot": SLOT}).status_code == 403


def test_a_listener_sees_no_runs(counting: SlotFunctions, alice: Account) -> None:
    client = APIClient()
    client.force_authenticate(alice)

    assert client.get("/api/v1/runs/").status_code == 403
    assert client.get("/api/v1/slots/").status_code == 403


def test_one_run_comes_with_its_curves(as_olga: APIClient, counting: SlotFunctions) -> None:
    run = Run.objects.create(slot=SLOT, trigger="api", status="finished")
    RunMetric.objects.create(run=run, step=5, name="loss", value=0.5)

    assert as_olga.get(f"/api/v1/runs/{run.pk}/").json()["metrics"] == {"loss": [[5, 0.5]]}


def test_stopping_a_run_and_stopping_it_again(as_olga: APIClient, counting: SlotFunctions) -> None:
    run_id = as_olga.post("/api/v1/runs/", {"slot": SLOT}).json()["id"]

    assert as_olga.post(f"/api/v1/runs/{run_id}/stop/").json()["status"] == "stopped"
    again = as_olga.post(f"/api/v1/runs/{run_id}/stop/")
    assert again.status_code == 409
    assert again.json() == {"detail": f"Run {run_id} is over: there is nothing to stop."}


def test_slots_name_their_champions(as_olga: APIClient, counting: SlotFunctions) -> None:
    version = new_version()
    promotion.promote(SLOT, version, Promotion.Kind.FIRST, None, "first")

    [slot] = as_olga.get("/api/v1/slots/").json()
    assert (slot["name"], slot["champion"]["id"], slot["challenger"]) == (SLOT, version.pk, None)


def test_the_list_takes_as_many_queries_for_many_runs_as_for_few(
    as_olga: APIClient, counting: SlotFunctions, django_assert_num_queries: object
) -> None:
    for _ in range(10):
        Run.objects.create(slot=SLOT, trigger="api", status="failed")

    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(as_olga.get("/api/v1/runs/").json()["results"]) == 10


@pytest.mark.parametrize(
    "cursor", ["x", "\0", "AAAA", *(b64encode(text).decode() for text in (b"p=abc", b"p=1.5", b"o=x", b"o=0"))]
)
def test_a_cursor_that_was_not_made_here_is_refused(as_olga: APIClient, cursor: str) -> None:
    answer = as_olga.get("/api/v1/runs/", {"cursor": cursor})

    assert (answer.status_code, answer.json()) == (400, {"cursor": ["this is no cursor of this list"]})
