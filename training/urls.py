"""Addresses of the dashboard, below the admin's."""

from django.urls import URLPattern, URLResolver, path, re_path

from training import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.overview, name="dashboard"),
    path("live/", pages.overview_live, name="dashboard-live"),
    path("runs/compare/", pages.compare, name="dashboard-compare"),
    path("runs/<int:run_id>/", pages.run_page, name="dashboard-run"),
    path("runs/<int:run_id>/live/", pages.run_live, name="dashboard-run-live"),
    re_path(r"^runs/(?P<run_id>\d+)/(?P<action>stop|resume|repeat)/$", pages.run_action, name="dashboard-run-action"),
    path("versions/<int:version_id>/", pages.version_page, name="dashboard-version"),
    path("slots/<str:slot>/", pages.slot_page, name="dashboard-slot"),
    path("slots/<str:slot>/retrain/", pages.retrain, name="dashboard-retrain"),
    path("slots/<str:slot>/schedule/", pages.edit_schedule, name="dashboard-schedule"),
    re_path(
        r"^slots/(?P<slot>[^/]+)/(?P<action>promote|roll-back|canary|end-canary|judge)/$",
        pages.slot_action,
        name="dashboard-slot-action",
    ),
]
