"""Puts one listener's writes and requests in an order. After: feedback.py, preferences.py, recommending.py hold it."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from accounts.models import Listener

LISTENER_LOCKS = 7301
"""First key of the advisory locks, so that they meet no other use of such locks."""


def lock_listener(listener: Listener, *, shared: bool = False) -> datetime:
    """Orders one listener's writes and requests until the transaction ends, and gives the database's time inside that order.

    Without it a row could get a time before a request's moment and be committed after it: replaying the request would
    then see a row that the request did not see.
    """
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        # Materialised first: the clock must be read after the lock is held.
        cursor.execute(
            f"WITH held AS MATERIALIZED (SELECT {function}(%s, %s::int)) SELECT clock_timestamp() FROM held",  # noqa: S608
            [LISTENER_LOCKS, listener.pk % 2**31],
        )
        moment: datetime = cursor.fetchone()[0]
    return moment
