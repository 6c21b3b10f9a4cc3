"""Addresses of `composer` under /api/v1/."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from composer import views

router = SimpleRouter(use_regex_path=False)
router.register("pieces", views.PieceViewSet, basename="api-piece")
router.register("commissions", views.CommissionViewSet, basename="api-commission")

urlpatterns: list[URLPattern | URLResolver] = [path("wishes/", views.WishView.as_view(), name="api-wishes"), *router.urls]
