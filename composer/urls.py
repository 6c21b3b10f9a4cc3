"""Addresses of `composer`: pages for people; the API's are in api_urls.py."""

from django.urls import path

from composer import pages, pair_pages, prompt_pages, task_pages

urlpatterns = [
    path("compose/", pages.compose, name="compose"),
    path("compose/prompt/", prompt_pages.read_beginning, name="compose-prompt"),
    path("compose/task/", task_pages.melody_task, name="melody-task"),
    path("commissions/<uuid:pk>/", pages.commission_page, name="commission"),
    path("pieces/", pages.pieces, name="pieces"),
    path("pairs/", pair_pages.next_one, name="pairs"),
    path("pairs/<uuid:pk>/", pair_pages.pair, name="pair"),
    path("pairs/<uuid:pk>/<str:side>/keep/", pair_pages.keep, name="keep-side"),
    path("pieces/<int:pk>/share/", pages.share, name="share"),
]
