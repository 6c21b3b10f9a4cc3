"""Pages of newest rows by cursor. Before: a query. After: the views of apps whose lists have no search of their own."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Pages(CursorPagination):
    """Stable while rows are added. A cursor that was not made here is refused like any other field."""

    page_size = 50

    def read_position(self, text: str) -> Any:
        """What the first column of the order is compared with; ValueError where it is none."""
        raise NotImplementedError

    def decode_cursor(self, request: Request) -> Any:
        """The cursor; text that says nothing would be the first page once more, for ever."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self.read_position(str(cursor.position))
        except (NotFound, ValueError) as error:
            raise self.refusal() from error
        if cursor is not None and cursor.position is None and not cursor.offset:
            raise self.refusal()
        return cursor

    def refusal(self) -> ValidationError:
        """400 with the field."""
        return ValidationError({"cursor": ["this is no cursor of this list"]})
