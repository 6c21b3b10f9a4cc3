"""Export and erase what is kept about a listener. Before: each app registers its part. After: settings page, API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from accounts.models import Account, Listener

CHUNK_ROWS = 500
"""A slate as it was logged takes some kilobytes."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one app keeps about a listener: two functions instead of a base class."""

    name: str
    """Key in the exported file."""
    export: Callable[[Listener], Any]
    """Everything of this part, ready for JSON; what may be long is an iterator of rows, which nobody holds together."""
    erase: Callable[[Listener], None] = lambda listener: None
    """What goes beyond the rows that vanish with the listener's own (cascade): files, shared counts."""


_parts: dict[str, Part] = {}


def register(part: Part) -> None:
    """Makes a part known. Called once per part from an `AppConfig.ready()`."""
    _parts[part.name] = part


def rows_of(rows: QuerySet[Any, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a part, CHUNK_ROWS of them at a time from the database."""
    return rows.iterator(chunk_size=CHUNK_ROWS)


def write_export(listener: Listener) -> Iterator[str]:
    """Everything that is kept about the listener as the text of one JSON object, by part; a part of rows has one on a line."""
    yield f'{{\n"account": {_as_json(_export_account(listener))}'
    for name in sorted(_parts):
        yield f",\n{_as_json(name)}: "
        kept = _parts[name].export(listener)
        if isinstance(kept, Iterator):
            yield "["
            for number, row in enumerate(kept):
                yield f"{',' if number else ''}\n{_as_json(row)}"
            yield "]"
        else:
            yield _as_json(kept)
    yield "\n}\n"


def export_response(listener: Listener) -> StreamingHttpResponse:
    """The export as a file to keep, sent while it is read."""
    response = StreamingHttpResponse((text.encode() for text in write_export(listener)), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="encore-export.json"'
    response["Cache-Control"] = "no-store"
    return response


def _as_json(kept: Any) -> str:
    return json.dumps(kept, cls=DjangoJSONEncoder, ensure_ascii=False)


@transaction.atomic
def erase(listener: Listener) -> None:
    """Removes the listener, the account behind it and everything that names them: all or nothing."""
    for part in _parts.values():
        part.erase(listener)
    account = listener.account
    listener.delete()
    if account is not None:
        _end_sessions(account)
        account.delete()


def _end_sessions(account: Account) -> None:
    """Removes what is kept of the account's sign-ins, its e-mail address among it. A session names its account only inside."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(account.pk):
            session.delete()


def _export_account(listener: Listener) -> dict[str, Any]:
    account = listener.account
    if account is None:
        return {"external_id": listener.external_id, "time_zone": listener.time_zone_name, "created_at": listener.created_at}
    tokens = account.tokens.order_by("id").values("name", "created_at", "last_used_at", "revoked_at")
    return {
        "email": account.email,
        "role": account.role,
        "time_zone": account.time_zone,
        "created_at": account.date_joined,
        "last_signed_in_at": account.last_login,
        "tokens": list(tokens),
    }
