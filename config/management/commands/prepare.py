"""Makes the database and the static files ready for this version. Before: start.py has a database. After: web and workers."""

import hashlib
import secrets
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from accounts.models import Account
from training import promotion, slots


class Command(BaseCommand):
    """Safe to repeat: what is there already stays."""

    help = "Applies migrations, collects static files, makes the owner's account and the first policy versions."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The owner's address."""
        parser.add_argument("--owner", default=settings.ENCORE_OWNER, help="e-mail address of the first owner account")

    def handle(self, *args: Any, owner: str, **options: Any) -> None:
        """Everything in order; the static files beside it, because they need no database."""
        with ThreadPoolExecutor(max_workers=1) as beside:
            collecting = beside.submit(collect_static_files)
            with connection.cursor() as cursor:
                # Two first starts against one DATABASE_URL: the second waits for the first one's migrations.
                cursor.execute("SELECT pg_advisory_lock(7035)")
                call_command("migrate", verbosity=0, interactive=False)
                call_command("createcachetable", verbosity=0)
                self.make_owner(owner)
                for functions in slots.registered():
                    promotion.ensure_first_version(functions.name)
                cursor.execute("SELECT pg_advisory_unlock(7035)")
            collecting.result()

    def make_owner(self, email: str) -> None:
        """The first owner, with a one-time password that is printed. A new one is printed at each start until it was used."""
        account = Account.objects.filter(role=Account.Role.OWNER).order_by("id").first()
        if account is not None and not account.must_change_password:
            confirm_address(account)
            return
        password = secrets.token_urlsafe(12)
        if account is None:
            account = Account.objects.create_superuser(email, password, must_change_password=True)
        else:
            account.set_password(password)
            account.save(update_fields=["password"])
        confirm_address(account)
        self.stdout.write("")
        self.stdout.write(f"  Owner account: {account.email}   one-time password: {password}")
        self.stdout.write("  It is asked for once: the first sign-in asks for a password of your own.")
        self.stdout.write("")


def confirm_address(owner: Account) -> None:
    """Whoever starts the program has the machine: the first owner is let in where addresses must be confirmed by mail."""
    EmailAddress.objects.update_or_create(user=owner, email=owner.email, defaults={"verified": True, "primary": True})


def fingerprint_static_files() -> str:
    """Changes with the program's version and with any file under static/."""
    seen = hashlib.sha256(settings.ENCORE_VERSION.encode())
    for folder in settings.STATICFILES_DIRS:
        for path in sorted(Path(folder).rglob("*")):
            seen.update(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
    return seen.hexdigest()


def collect_static_files() -> None:
    """Collects and compresses static files, unless nothing changed since the last time."""
    mark = settings.STATIC_ROOT / ".fingerprint"
    current = fingerprint_static_files()
    if mark.exists() and mark.read_text(encoding="ascii") == current:
        return
    call_command("collectstatic", verbosity=0, interactive=False, clear=False)
    mark.write_text(current, encoding="ascii")
