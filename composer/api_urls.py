"""Addresses of `composer` under /api/v1/."""

from django.urls import URLPattern, URLResolver, path
from rest_framework.routers import SimpleRouter

from composer import pair_views, views

router = SimpleRouter(use_regex_path=False)
router.register("pieces", views.PieceViewSet, basename="api-piece")
router.register("commissions", views.CommissionViewSet, basename="api-commission")

urlpatterns: list[URLPattern | URLResolver] = [
    path("wishes/", views.WishView.as_view(), name="api-wishes"),
    *router.urls,
    path("pairs/", pair_views.PairsView.as_view(), name="api-pairs"),
    path("pairs/scores/", pair_views.PairScoresView.as_view(), name="api-pair-scores"),
    path("pairs/<uuid:pk>/", pair_views.PairView.as_view(), name="api-pair"),
    path("pairs/<uuid:pk>/answer/", pair_views.PairAnswerView.as_view(), name="api-pair-answer"),
    path("pairs/<uuid:pk>/<str:side>/keep/", pair_views.KeepView.as_view(), name="api-pair-keep"),
    path("pairs/<uuid:pk>/<str:side>/<str:form>", pair_views.SideFormView.as_view(), name="api-pair-form"),
]
