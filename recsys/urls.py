"""Addresses of `recsys`: pages for people; the API's are in api_urls.py."""

from django.urls import path

from recsys import history_pages, pages, taste_pages

urlpatterns = [
    path("", pages.home, name="home"),
    path("progress/", pages.progress, name="progress"),
    path("radio/", pages.radio, name="radio"),
    path("welcome/", pages.welcome, name="welcome"),
    path("dial/", pages.set_dial, name="dial"),
    path("browse/", pages.browse, name="browse"),
    path("tracks/<int:pk>/", pages.track_page, name="track"),
    path("history/", history_pages.history, name="history"),
    path("history/files/", history_pages.history_files, name="history-files"),
    path("taste/", taste_pages.taste, name="taste"),
]
