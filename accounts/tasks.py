"""Jobs of accounts. Before: sign-ins leave session rows. After: the ones that ended are gone."""

from django.contrib.sessions.models import Session
from django.utils import timezone
from procrastinate.contrib.django import app


@app.periodic(cron="11 4 * * *")
@app.task(name="accounts.clear_expired_sessions", queue="maintenance", queueing_lock="clear_expired_sessions")
def clear_expired_sessions(timestamp: int) -> None:
    """Every night: a session row may hold its account's address, and has no use once it expired."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
