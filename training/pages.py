"""The dashboard in the admin: slots, runs with live curves, versions, schedule. Before: dashboard.py. After: templates."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.permissions import has_role, role_required
from training import alarms, dashboard, gate, promotion, runs, slots
from training.configuration import flatten, in_order
from training.forms import CanaryForm, ConfigurationForm, PromotionForm, ReasonForm, ScheduleForm
from training.models import PolicyVersion, Promotion, Run, Verdict
from training.promotion import PromotionRefused
from training.runs import RunRefused
from training.schedule import next_times, schedule_of
from training.slots import SlotFunctions

RUNS_PER_PAGE = 25

viewer = role_required(Account.Role.VIEWER)
operator = role_required(Account.Role.OPERATOR)


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """A page in the admin's frame."""
    frame = admin.site.each_context(request)
    can_operate = has_role(request.user, Account.Role.OPERATOR)
    return render(request, f"admin/training/{template}", {**frame, "title": title, "can_operate": can_operate, **context})


def _functions(slot: str) -> SlotFunctions:
    try:
        return slots.functions_of(slot)
    except KeyError as unknown:
        raise Http404(str(unknown)) from unknown


def _account(request: HttpRequest) -> Account:
    assert isinstance(request.user, Account)
    return request.user


def _overview(request: HttpRequest) -> dict[str, Any]:
    page = Paginator(dashboard.runs_table(), RUNS_PER_PAGE).get_page(request.GET.get("page"))
    can_operate = has_role(request.user, Account.Role.OPERATOR)
    return {"cards": dashboard.cards(), "page": page, "queue": dashboard.queue(), "can_operate": can_operate}


@viewer
@require_safe
def overview(request: HttpRequest) -> HttpResponseBase:
    """Both slots, the runs, the queue."""
    return _page(request, "overview.html", "Dashboard", **_overview(request))


@viewer
@require_safe
def overview_live(request: HttpRequest) -> HttpResponseBase:
    """The part of the overview that moves, asked for every two seconds."""
    return render(request, "admin/training/overview_live.html", _overview(request))


@viewer
@require_safe
def run_page(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """One run with its curves, log, configuration, figures and verdict."""
    run = get_object_or_404(Run.objects.select_related("requested_by", "parent", "starts_from"), pk=run_id)
    verdicts = Verdict.objects.filter(version__run=run).select_related("version", "champion")
    return _page(
        request,
        "run.html",
        f"Run {run.pk}",
        run=run,
        functions=_functions(run.slot),
        verdict=verdicts.first(),
        versions=run.versions.all(),
        configuration=in_order(_functions(run.slot).configuration, run.configuration),
        figures=flatten(run.figures),
        live=dashboard.live_run(run, 0),
        others=Run.objects.filter(slot=run.slot).exclude(pk=run.pk)[:20],
    )


@viewer
@require_safe
def run_live(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """What of a run has changed, as JSON for its page."""
    after = request.GET.get("after", "0")
    run = get_object_or_404(Run, pk=run_id)
    return JsonResponse(dashboard.live_run(run, int(after) if after.isdigit() else 0))


@viewer
@require_safe
def compare(request: HttpRequest) -> HttpResponseBase:
    """Two runs beside each other: curves over one another, and what differs."""
    chosen = [text for text in (request.GET.get("first", ""), request.GET.get("second", "")) if text.isdigit()]
    if len(chosen) != 2:
        messages.error(request, "Choose two runs to compare.")
        return redirect("dashboard")
    first, second = (get_object_or_404(Run, pk=int(text)) for text in chosen)
    figures = [
        {"name": name, "first": flatten(first.figures).get(name), "second": flatten(second.figures).get(name)}
        for name in dict.fromkeys([*flatten(first.figures), *flatten(second.figures)])
    ]
    return _page(
        request,
        "compare.html",
        f"Runs {first.pk} and {second.pk}",
        first=first,
        second=second,
        rows=runs.compare(first, second),
        figures=figures,
        curves={"runs": [first.pk, second.pk], "curves": dashboard.curves_of([first.pk, second.pk])},
    )


@operator
def retrain(request: HttpRequest, slot: str) -> HttpResponseBase:
    """Asks for a run; the form is made from the slot's configuration."""
    functions = _functions(slot)
    source = (
        Run.objects.filter(slot=slot, pk=int(request.GET["from"])).first() if request.GET.get("from", "").isdigit() else None
    )
    form = ConfigurationForm(
        functions.configuration, request.POST if request.method == "POST" else None, source.configuration if source else None
    )
    if request.method == "POST" and form.is_valid():
        try:
            run = runs.request_run(
                slot, Run.Trigger.ADMIN, _account(request), form.cleaned_data["configuration"], seed=form.cleaned_data["seed"]
            )
        except RunRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("dashboard-run", run.pk)
    return _page(request, "retrain.html", f"Retrain the {functions.title}", functions=functions, form=form, source=source)


@operator
@require_POST
def run_action(request: HttpRequest, run_id: int, action: str) -> HttpResponseBase:
    """Stops, resumes or repeats a run."""
    run = get_object_or_404(Run, pk=run_id)
    try:
        if action == "stop":
            runs.stop_run(run, _account(request))
        elif action == "resume":
            runs.resume_run(run)
        else:
            run = runs.repeat_run(run, Run.Trigger.ADMIN, _account(request))
    except RunRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboard-run", run.pk)


@viewer
@require_safe
def slot_page(request: HttpRequest, slot: str) -> HttpResponseBase:
    """One slot: who serves, every version with its verdict, what was promoted when, the schedule."""
    return _slot_page(request, slot, ScheduleForm(instance=schedule_of(_functions(slot).name)))


def _slot_page(request: HttpRequest, slot: str, schedule_form: ScheduleForm, status: int = 200) -> HttpResponse:
    schedule = schedule_of(slot)
    card = dashboard.card_of(slot)
    lifts = dashboard.lifts_of(slot)
    response = _page(
        request,
        "slot.html",
        card.functions.title,
        card=card,
        versions=dashboard.versions_of(slot),
        panels=card.functions.panels(),
        promotions=Promotion.objects.filter(slot=slot).select_related("version", "replaced", "by")[:20],
        guards=_guards(card),
        lifts=lifts,
        lift_points=dashboard.lift_points(lifts),
        schedule_form=schedule_form,
        next_times=next_times(schedule.cron, schedule.time_zone, timezone.now()) if schedule.is_enabled else [],
        canary_form=CanaryForm(),
    )
    response.status_code = status
    return response


def _guards(card: dashboard.SlotCard) -> list[dict[str, Any]]:
    """Guard metrics of challenger and champion since the canary started."""
    if card.slot is None or card.slot.challenger is None:
        return []
    since = alarms.canary_since(card.slot.name)
    champion = card.functions.guard_metrics(card.slot.champion_id, since)
    challenger = card.functions.guard_metrics(card.slot.challenger.pk, since)
    return [
        {"name": name, "champion": champion.get(name), "challenger": challenger.get(name)}
        for name in {**champion, **challenger}
    ]


@viewer
@require_safe
def version_page(request: HttpRequest, version_id: int) -> HttpResponseBase:
    """One version: what it is, its newest verdict, its figures, and what its slot adds."""
    version = get_object_or_404(PolicyVersion.objects.select_related("run"), pk=version_id)
    functions = _functions(version.slot)
    return _page(
        request,
        "version.html",
        f"{functions.title}, version {version.pk}",
        version=version,
        functions=functions,
        verdict=version.verdicts.first(),
        champion=promotion.champion_of(version.slot),
        figures=flatten(version.figures),
        panels=functions.version_panels(version),
    )


@operator
@require_POST
def edit_schedule(request: HttpRequest, slot: str) -> HttpResponseBase:
    """Saves when the slot retrains by itself."""
    form = ScheduleForm(request.POST, instance=schedule_of(_functions(slot).name))
    if not form.is_valid():
        return _slot_page(request, slot, form, status=400)
    schedule = form.save(commit=False)
    # What came due under the old schedule is not made up for under the new one.
    schedule.last_considered_at = timezone.now()
    schedule.save()
    messages.success(request, "The schedule is saved.")
    return redirect("dashboard-slot", slot)


@operator
@require_POST
def slot_action(request: HttpRequest, slot: str, action: str) -> HttpResponseBase:
    """Promotes, rolls back, starts or ends a canary, or judges a version again."""
    _functions(slot)
    try:
        messages.success(request, ACTIONS[action](request, slot))
    except PromotionRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboard-slot", slot)


def _version(request: HttpRequest, slot: str) -> PolicyVersion:
    text = request.POST.get("version", "")
    return get_object_or_404(PolicyVersion, slot=slot, pk=int(text) if text.isdigit() else 0)


def _promote(request: HttpRequest, slot: str) -> str:
    version, form = _version(request, slot), PromotionForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    champion = promotion.champion_of(slot)
    verdict = version.verdicts.filter(champion=champion, outcome=Verdict.Outcome.PROMOTE).first()
    kind = Promotion.Kind.VERDICT if verdict else Promotion.Kind.FORCED
    promotion.promote(slot, version, kind, _account(request), reason, verdict)
    return f"Version {version.pk} serves now."


def _roll_back(request: HttpRequest, slot: str) -> str:
    form = ReasonForm(request.POST)
    done = promotion.roll_back(slot, _account(request), form.cleaned_data["reason"] if form.is_valid() else "")
    return f"Version {done.version_id} serves again."


def _start_canary(request: HttpRequest, slot: str) -> str:
    version, form = _version(request, slot), CanaryForm(request.POST)
    if not form.is_valid():
        raise PromotionRefused("The canary's share must lie between 0.1 and 50 percent.")
    percent = form.cleaned_data["percent"]
    promotion.start_canary(slot, version, percent / 100, _account(request), form.cleaned_data["reason"])
    return f"Version {version.pk} serves {percent:g} % of the listeners."


def _end_canary(request: HttpRequest, slot: str) -> str:
    form = ReasonForm(request.POST)
    promotion.end_canary(slot, _account(request), form.cleaned_data["reason"] if form.is_valid() else "")
    return "The champion serves everyone again."


def _judge(request: HttpRequest, slot: str) -> str:
    version = _version(request, slot)
    gate.request_verdict(version)
    return f"Version {version.pk} will be judged again by a worker."


ACTIONS = {
    "promote": _promote,
    "roll-back": _roll_back,
    "canary": _start_canary,
    "end-canary": _end_canary,
    "judge": _judge,
}
