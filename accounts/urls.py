"""Addresses of the account's own pages."""

from django.urls import URLPattern, URLResolver, path

from accounts import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/", pages.show_settings, name="settings"),
    path("settings/time-zone/", pages.change_time_zone, name="change-time-zone"),
    path("settings/tokens/", pages.issue, name="issue-token"),
    path("settings/tokens/<int:token_id>/revoke/", pages.revoke, name="revoke-token"),
    path("settings/export/", pages.export, name="export"),
    path("settings/erase/", pages.erase, name="erase"),
]
