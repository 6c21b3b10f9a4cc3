"""Addresses of `training` under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from training import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("runs/", views.RunsView.as_view(), name="api-runs"),
    path("runs/<int:pk>/", views.RunView.as_view(), name="api-run"),
    path("runs/<int:pk>/stop/", views.StopRunView.as_view(), name="api-run-stop"),
    path("slots/", views.SlotsView.as_view(), name="api-slots"),
]
