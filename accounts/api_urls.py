"""Addresses of `accounts` under /api/v1/."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from accounts import views

router = SimpleRouter(use_regex_path=False)
router.register("me/tokens", views.TokenViewSet, basename="api-token")

urlpatterns: list[URLPattern | URLResolver] = [
    path("me/", views.MeView.as_view(), name="api-me"),
    path("me/export/", views.ExportView.as_view(), name="api-export"),
    *router.urls,
]
