"""The dashboard: who sees it, who acts, and what each page says."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from training import promotion
from training.models import Lift, PolicyVersion, Promotion, Run, RunLine, RunMetric, Schedule, Verdict
from training.runs import request_run
from training.slots import SlotFunctions

from .conftest import new_version
from .counting import SLOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_olga(client: Client, olga: Account) -> Client:
    client.force_login(olga)
    return client


@pytest.fixture
def finished_run(counting: SlotFunctions, olga: Account) -> Run:
    run = Run.objects.create(
        slot=SLOT, trigger="admin", requested_by=olga, status="finished", configuration={"steps": 5}, figures={"quality": 1.5}
    )
    version = PolicyVersion.objects.create(slot=SLOT, kind="counter", run=run)
    RunMetric.objects.bulk_create([RunMetric(run=run, step=step, name="loss", value=1 / step) for step in range(1, 1001)])
    RunLine.objects.create(run=run, text="it began")
    check = {"name": "quality", "outcome": "not proven", "explanation": "The interval holds zero.", "figure": 0.25}
    Verdict.objects.create(version=version, outcome="not_proven", checks=[check])
    return run


def test_a_version_has_a_page_with_verdict_and_figures(as_olga: Client, finished_run: Run) -> None:
    version = finished_run.versions.get()
    PolicyVersion.objects.filter(pk=version.pk).update(figures={"share_kept": 0.125})

    page = as_olga.get(f"/admin/dashboard/versions/{version.pk}/").content.decode()

    assert f"Version {version.pk} (counter)" in page
    assert "The interval holds zero." in page
    assert "share kept" in page
    assert "0.125" in page
    assert f"/admin/dashboard/runs/{finished_run.pk}/" in page


PAGES = ["/admin/dashboard/", "/admin/dashboard/live/", f"/admin/dashboard/slots/{SLOT}/"]


@pytest.mark.parametrize("address", PAGES)
def test_a_viewer_sees_what_an_operator_sees(client: Client, counting: SlotFunctions, victor: Account, address: str) -> None:
    client.force_login(victor)

    assert client.get(address).status_code == 200


@pytest.mark.parametrize("address", PAGES)
def test_a_listener_is_refused(client: Client, counting: SlotFunctions, alice: Account, address: str) -> None:
    client.force_login(alice)

    assert client.get(address).status_code == 403


@pytest.mark.parametrize("address", PAGES)
def test_a_stranger_is_sent_to_sign_in(client: Client, counting: SlotFunctions, address: str) -> None:
    answer = client.get(address)

    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/login/")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "address",
    [f"slots/{SLOT}/retrain/", f"slots/{SLOT}/schedule/", f"slots/{SLOT}/roll-back/", f"slots/{SLOT}/promote/", "runs/1/stop/"],
)
def test_a_viewer_may_not_act(client: Client, counting: SlotFunctions, victor: Account, address: str) -> None:
    client.force_login(victor)

    assert client.post(f"/admin/dashboard/{address}").status_code == 403


def test_the_overview_names_champion_runs_and_queue(as_olga: Client, finished_run: Run) -> None:
    promotion.promote(SLOT, finished_run.versions.get(), Promotion.Kind.FIRST, None, "first")

    page = as_olga.get(reverse("dashboard")).content.decode()

    assert "counter" in page
    assert reverse("dashboard-run", args=[finished_run.pk]) in page
    assert "olga@example.org" in page
    assert "interactive" in page


def test_the_overview_takes_as_many_queries_for_many_runs_as_for_few(
    as_olga: Client, finished_run: Run, django_assert_max_num_queries: object
) -> None:
    for _ in range(20):
        Run.objects.create(slot=SLOT, trigger="api", status="failed", outcome="Failed.")

    with django_assert_max_num_queries(25):  # type: ignore[operator]
        as_olga.get(reverse("dashboard-live"))


def test_a_run_page_shows_configuration_figures_and_every_check(as_olga: Client, finished_run: Run) -> None:
    page = as_olga.get(reverse("dashboard-run", args=[finished_run.pk])).content.decode()

    assert "The interval holds zero." in page
    assert "not proven" in page
    assert "1.5" in page
    assert "it began" in page


def test_a_runs_curves_come_as_points_few_enough_to_draw(as_olga: Client, finished_run: Run) -> None:
    answer = as_olga.get(reverse("dashboard-run-live", args=[finished_run.pk])).json()

    points = answer["curves"]["loss"]
    assert 200 <= len(points) <= 300
    assert points[-1] == [1000, 0.001]
    assert [line["text"] for line in answer["lines"]] == ["it began"]


def test_only_new_log_lines_are_sent(as_olga: Client, finished_run: Run) -> None:
    last = finished_run.lines.get()

    answer = as_olga.get(reverse("dashboard-run-live", args=[finished_run.pk]), {"after": last.pk}).json()

    assert answer["lines"] == []


def test_the_form_offers_every_field_with_bounds_and_help(as_olga: Client, counting: SlotFunctions) -> None:
    page = as_olga.get(reverse("dashboard-retrain", args=[SLOT])).content.decode()

    assert "How far to count." in page
    assert 'max="100000"' in page
    assert "Allowed: <b>1 to 100,000</b>" in page
    assert "not proven" in page
    assert 'name="reports.every_steps"' in page


def form_values(**changes: object) -> dict[str, object]:
    values = {"steps": 7, "quality": 0.5, "verdict": "pass", "accident": "", "feedback_needed": 0, "reports.every_steps": 1}
    return values | {"seed": 42} | changes


def test_retraining_queues_a_run_with_the_forms_values(as_olga: Client, counting: SlotFunctions, olga: Account) -> None:
    answer = as_olga.post(reverse("dashboard-retrain", args=[SLOT]), form_values(is_strict="on"))

    run = Run.objects.get()
    assert answer.url == reverse("dashboard-run", args=[run.pk])  # type: ignore[attr-defined]
    assert (run.trigger, run.requested_by, run.seed) == (Run.Trigger.ADMIN, olga, 42)
    assert run.configuration["steps"] == 7
    assert run.configuration["is_strict"] is True
    assert run.configuration["reports"] == {"every_steps": 1}


def test_a_wrong_value_is_refused_at_its_field(as_olga: Client, counting: SlotFunctions) -> None:
    answer = as_olga.post(reverse("dashboard-retrain", args=[SLOT]), form_values(steps=0))

    assert "It must be 1 to 100,000." in answer.content.decode()
    assert not Run.objects.exists()


def test_a_contradiction_is_refused_at_its_field(as_olga: Client, counting: SlotFunctions) -> None:
    answer = as_olga.post(reverse("dashboard-retrain", args=[SLOT]), form_values(is_strict="on", quality=-1))

    assert "quality is negative" in answer.content.decode()
    assert not Run.objects.exists()


def test_a_second_run_is_refused_with_the_reason(as_olga: Client, counting: SlotFunctions) -> None:
    request_run(SLOT, Run.Trigger.API)

    answer = as_olga.post(reverse("dashboard-retrain", args=[SLOT]), form_values())

    assert "already has a run" in answer.content.decode()
    assert Run.objects.count() == 1


def test_stopping_and_resuming_a_run(as_olga: Client, counting: SlotFunctions) -> None:
    run = request_run(SLOT, Run.Trigger.API)

    as_olga.post(reverse("dashboard-run-action", args=[run.pk, "stop"]))
    run.refresh_from_db()
    assert run.status == Run.Status.STOPPED

    as_olga.post(reverse("dashboard-run-action", args=[run.pk, "resume"]))
    run.refresh_from_db()
    assert run.status == Run.Status.QUEUED


def test_repeating_a_run_keeps_its_seed(as_olga: Client, finished_run: Run) -> None:
    as_olga.post(reverse("dashboard-run-action", args=[finished_run.pk, "repeat"]))

    repeated = Run.objects.first()
    assert repeated is not None
    assert (repeated.parent, repeated.seed) == (finished_run, finished_run.seed)


def test_promoting_without_a_proof_needs_a_reason(as_olga: Client, finished_run: Run, olga: Account) -> None:
    champion, version = new_version(), finished_run.versions.get()
    promotion.promote(SLOT, champion, Promotion.Kind.FIRST, None, "first")
    address = reverse("dashboard-slot-action", args=[SLOT, "promote"])

    refused = as_olga.post(address, {"version": version.pk, "reason": ""}, follow=True)
    assert "needs a reason" in refused.content.decode()
    assert promotion.serving_version(SLOT, 1) == champion

    as_olga.post(address, {"version": version.pk, "reason": "we like it"})
    assert promotion.serving_version(SLOT, 1) == version
    assert Promotion.objects.first().by == olga  # type: ignore[union-attr]


def test_rolling_back_changes_what_is_served(as_olga: Client, counting: SlotFunctions, olga: Account) -> None:
    first, second = new_version(), new_version()
    promotion.promote(SLOT, first, Promotion.Kind.FIRST, None, "first")
    promotion.promote(SLOT, second, Promotion.Kind.FORCED, olga, "second")

    as_olga.post(reverse("dashboard-slot-action", args=[SLOT, "roll-back"]), {"reason": "worse"})

    assert promotion.serving_version(SLOT, 1) == first


def test_a_canary_starts_and_ends(as_olga: Client, counting: SlotFunctions) -> None:
    champion, challenger = new_version(), new_version()
    promotion.promote(SLOT, champion, Promotion.Kind.FIRST, None, "first")

    as_olga.post(reverse("dashboard-slot-action", args=[SLOT, "canary"]), {"version": challenger.pk, "percent": 50})
    assert challenger in {promotion.serving_version(SLOT, one) for one in range(50)}
    assert "Guard metric" in as_olga.get(reverse("dashboard-slot", args=[SLOT])).content.decode()

    as_olga.post(reverse("dashboard-slot-action", args=[SLOT, "end-canary"]))
    assert {promotion.serving_version(SLOT, one) for one in range(50)} == {champion}


def test_editing_the_schedule_shows_its_next_times(as_olga: Client, counting: SlotFunctions) -> None:
    values = {"is_enabled": "on", "cron": "30 4 * * 1", "time_zone": "Europe/Berlin", "minimum_new_feedback": 10}

    page = as_olga.post(reverse("dashboard-schedule", args=[SLOT]), values, follow=True).content.decode()

    assert Schedule.objects.get(slot=SLOT).cron == "30 4 * * 1"
    assert len(re.findall(r"Mon \d+ \w+ \d{4}, 04:30 CES?T", page)) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cron": "every night"}, "must have five parts"),
        ({"cron": "61 * * * *"}, "not a cron"),
        ({"time_zone": "Mars"}, "time zone"),
    ],
)
def test_a_wrong_schedule_is_refused_with_the_reason(
    as_olga: Client, counting: SlotFunctions, changes: dict[str, str], message: str
) -> None:
    values = {"is_enabled": "on", "cron": "0 3 * * *", "time_zone": "UTC", "minimum_new_feedback": 10} | changes

    answer = as_olga.post(reverse("dashboard-schedule", args=[SLOT]), values)

    assert answer.status_code == 400
    assert message in answer.content.decode()


def test_comparing_two_runs_shows_what_differs(as_olga: Client, finished_run: Run) -> None:
    other = Run.objects.create(slot=SLOT, trigger="api", status="finished", configuration={"steps": 9}, seed=3)
    RunMetric.objects.create(run=other, step=1, name="loss", value=2.0)

    page = as_olga.get(reverse("dashboard-compare"), {"first": finished_run.pk, "second": other.pk}).content.decode()

    found = re.search(r'<script id="compared-curves" type="application/json">(.*?)</script>', page)
    assert found is not None
    assert set(json.loads(found.group(1))["curves"]["loss"]) == {str(finished_run.pk), str(other.pk)}
    assert re.search(r'class="differs"><td>steps</td><td>5</td><td>9</td>', page)


def test_an_unknown_slot_is_not_found(as_olga: Client, counting: SlotFunctions) -> None:
    assert as_olga.get(reverse("dashboard-slot", args=["nothing"])).status_code == 404


def test_a_slot_shows_predicted_beside_observed_lift(as_olga: Client, counting: SlotFunctions, olga: Account) -> None:
    first, second, third = new_version(), new_version(), new_version()
    promotion.promote(SLOT, first, Promotion.Kind.FIRST, None, "first")
    address = reverse("dashboard-slot", args=[SLOT])
    assert "Predicted against observed" not in as_olga.get(address).content.decode()
    predicted = {"predicted": 0.0812, "predicted_low": 0.02, "predicted_high": 0.14}
    for version, given in ((second, predicted), (third, {})):
        promoted = promotion.promote(SLOT, version, Promotion.Kind.FORCED, olga, "we like it")
        Lift.objects.create(
            promotion=promoted, kind=Lift.Kind.CANARY, observed=0.0634, listeners=31, previous_listeners=274, **given
        )

    page = as_olga.get(address)

    assert "Predicted against observed" in page.content.decode()
    assert "0.0812" in page.content.decode()
    assert "31 / 274" in page.content.decode()
    assert [point["label"] for point in page.context["lift_points"]] == [f"version {second.pk}"]
    assert page.context["lift_points"][0]["predicted"] == [0.02, 0.0812, 0.14]


def test_a_verdict_shows_how_the_log_overlaps_with_the_policy(as_olga: Client, counting: SlotFunctions) -> None:
    check = {
        "name": "effective samples",
        "outcome": "pass",
        "explanation": "Enough.",
        "figure": 300.0,
        "low": None,
        "high": None,
    }
    histogram = [[0.5, 0.25], [1.0, 0.75]]
    Verdict.objects.create(
        version=new_version(), outcome=Verdict.Outcome.PROMOTE, checks=[check | {"threshold": 100.0, "histogram": histogram}]
    )

    words = as_olga.get(reverse("dashboard-slot", args=[SLOT])).content.decode()

    assert 'title="weight about 1: 75% of the log"' in words
