"""Addresses of `recsys` under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from recsys.views.feedback import FeedbackView
from recsys.views.history import HistoryLinesView, ListensView
from recsys.views.preferences import PreferencesView
from recsys.views.recommendations import BestSlateView, RecommendationsView, RecommendationView
from recsys.views.tracks import RecipeView, TrackFormView, TracksView, TrackView

urlpatterns: list[URLPattern | URLResolver] = [
    path("tracks/", TracksView.as_view(), name="api-tracks"),
    path("tracks/<int:pk>/", TrackView.as_view(), name="api-track"),
    path("tracks/<int:pk>/recipe.json", RecipeView.as_view(), name="api-track-recipe"),
    path("tracks/<int:pk>/<str:form>", TrackFormView.as_view(), name="api-track-form"),
    path("feedback/", FeedbackView.as_view(), name="api-feedback"),
    path("recommendations/", RecommendationsView.as_view(), name="api-recommendations"),
    path("recommendations/best/", BestSlateView.as_view(), name="api-best-slate"),
    path("recommendations/<int:pk>/", RecommendationView.as_view(), name="api-recommendation"),
    path("me/history.jsonl", HistoryLinesView.as_view(), name="api-history-lines"),
    path("me/listens.jsonl", ListensView.as_view(), name="api-listens"),
    path("me/preferences/", PreferencesView.as_view(), name="api-preferences"),
]
