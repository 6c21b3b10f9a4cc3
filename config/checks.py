"""System checks with ids: settings that would fail later, said at the start. Before: settings.py. After: every command."""

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.files)
def check_folder(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.E001: ENCORE_VAR can't be written."""
    folder = settings.ENCORE_VAR
    nearest = next(path for path in [folder, *folder.parents] if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return []
    hint = "Set ENCORE_VAR to a folder that this account may write to."
    return [Error(f"ENCORE_VAR ({folder}) cannot be written.", hint=hint, id="encore.E001")]


@register(Tags.security)
def check_rates(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.E002: a rate that the API's throttles don't understand."""
    wrong = []
    for name, rate in settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"].items():
        count, _, period = rate.partition("/")
        if not count.isdigit() or period[:1] not in {"s", "m", "h", "d"}:
            message = f"ENCORE_RATE_{name.upper()} is {rate!r}."
            wrong.append(Error(message, hint="Write a number per sec, min, hour or day: 120/min.", id="encore.E002"))
    return list(wrong)


@register(Tags.security)
def check_hosts(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.E003: any host name is believed. encore.E004: an origin without its scheme."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS and not settings.DEBUG:
        found.append(
            Error("ENCORE_HOSTS is *.", hint="Name the hosts of the site: ENCORE_HOSTS=music.example.org", id="encore.E003")
        )
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith(("http://", "https://")):
            hint = "Write it with its scheme: https://music.example.org"
            found.append(Error(f"ENCORE_TRUSTED_ORIGINS names {origin!r}.", hint=hint, id="encore.E004"))
    return found


@register(Tags.security)
def check_https(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.W001: a public host without https."""
    if settings.ENCORE_HTTPS or not _is_public():
        return []
    hint = "Put a proxy with a certificate before it and set ENCORE_HTTPS=true."
    return [Warning("The site has a public host name but is not reached by https.", hint=hint, id="encore.W001")]


@register(Tags.security)
def check_mail(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.W002: a public host that sends no mail."""
    if settings.EMAIL_HOST or not _is_public():
        return []
    hint = "Set ENCORE_SMTP_HOST: passwords can't be reset, and a sign-up tells strangers which addresses have an account."
    return [Warning("The site has a public host name but no mail server.", hint=hint, id="encore.W002")]


def _is_public() -> bool:
    """Whether strangers reach it, as far as its host names tell."""
    return not settings.DEBUG and not set(settings.ALLOWED_HOSTS) <= {"localhost", "127.0.0.1", "[::1]", "testserver"}


@register(Tags.database)
def check_database_kind(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """encore.E005: DATABASE_URL names no PostgreSQL database."""
    if settings.DATABASES["default"]["NAME"] and settings.ENCORE_DATABASE_SCHEME in {"postgres", "postgresql"}:
        return []
    hint = "Write postgresql://name:password@host:5432/database. Jobs, locks and searches need PostgreSQL."
    return [Error("DATABASE_URL does not name a PostgreSQL database.", hint=hint, id="encore.E005")]
