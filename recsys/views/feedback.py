"""Feedback: sent in batches, read back as history. Before: feedback.py stores once. After: api_urls.py."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.fields import names_of
from recsys.browsing import BrokenCursor
from recsys.feedback import history, record
from recsys.history import page_of
from recsys.serializers import (
    FeedbackBatchSchema,
    FeedbackBatchSerializer,
    FeedbackRowSerializer,
    HistoryPageSerializer,
    HistoryQuerySerializer,
    OutcomesSerializer,
    outcome_json,
    unreadable_json,
)
from recsys.views.asking import listener_of


class FeedbackView(APIView):
    """What listeners did."""

    query_names = {"GET": names_of(HistoryQuerySerializer())}

    @extend_schema(request=FeedbackBatchSchema, responses=OutcomesSerializer)
    def post(self, request: Request) -> Response:
        """Stores each row once; answers per row, in their order. A whole batch may be sent again without harm."""
        batch = FeedbackBatchSerializer(data=request.data)
        batch.is_valid(raise_exception=True)
        rows: list[dict[str, Any]] = batch.validated_data["feedback"]
        read = [FeedbackRowSerializer(data=row) for row in rows]
        readable = [each.is_valid() for each in read]
        listener = listener_of(request, batch.validated_data.get("listener", ""))
        stored = iter(record(listener, [each.to_row() for each, fine in zip(read, readable, strict=True) if fine]))
        results = [
            outcome_json(next(stored)) if fine else unreadable_json(row, each.errors)
            for row, each, fine in zip(rows, read, readable, strict=True)
        ]
        return Response({"results": results})

    @extend_schema(parameters=[HistoryQuerySerializer], responses=HistoryPageSerializer)
    def get(self, request: Request) -> Response:
        """The listener's rows, newest first."""
        query = HistoryQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        rows = history(listener_of(request, asked.get("listener", "")))
        rows = rows.filter(**{name: asked[name] for name in ("kind", "track") if name in asked})
        try:
            page = page_of(rows, asked["limit"], older_than=asked.get("cursor", ""))
        except BrokenCursor as error:
            raise ValidationError({"cursor": [str(error)]}) from error
        return Response(HistoryPageSerializer({"feedback": page.rows, "next_cursor": page.older}).data)
