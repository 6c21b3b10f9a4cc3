"""A listener's history as JSON lines, over the API. Before: history_lines.py, history_import.py. After: api_urls.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recsys.history_import import LineOutcome, TooManyLines, take_in
from recsys.history_lines import write_history, write_listens
from recsys.serializers import OUTCOMES, RefusalSerializer, WhoseSerializer
from recsys.views.asking import listener_in_query
from recsys.views.tracks import WhateverIsAccepted

MEDIA_TYPE = "application/x-ndjson"


class LineOutcomeSerializer(serializers.Serializer[Any]):
    """What became of one line."""

    row = serializers.IntegerField(help_text="From 1.")
    status = serializers.ChoiceField(choices=OUTCOMES)
    error = RefusalSerializer(required=False, source="refusal")


class LineOutcomesSerializer(serializers.Serializer[Any]):
    """One outcome per line that was not empty, in their order."""

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Lines by status.")
    results = LineOutcomeSerializer(many=True)


class LinesParser(BaseParser):
    """The body as it is: lines are read one by one, whatever the client calls them."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> dict[str, bytes]:
        """At most ENCORE_UPLOAD_MEGABYTES: the middleware has refused more."""
        return {"lines": stream.read()}


class HistoryLinesView(APIView):
    """Everything a listener did, to take along and to bring back."""

    query_names = {"GET": ("listener",), "POST": ("listener",)}
    parser_classes = [LinesParser]
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        operation_id="me_history_retrieve", parameters=[WhoseSerializer], responses={(200, MEDIA_TYPE): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every signal, oldest first, one JSON object a line."""
        return lines_response(write_history(listener_in_query(request)), "encore-history.jsonl")

    @extend_schema(
        operation_id="me_history_create",
        parameters=[WhoseSerializer],
        request={MEDIA_TYPE: OpenApiTypes.STR},
        responses=LineOutcomesSerializer,
    )
    def post(self, request: Request) -> Response:
        """Takes lines of Encore's history and ListenBrainz' listens; sent again, they add nothing."""
        listener = listener_in_query(request)
        try:
            outcomes = take_in(listener, cast(dict[str, bytes], request.data).get("lines", b""))
        except TooManyLines as refusal:
            raise ValidationError({"lines": [str(refusal)]}) from refusal
        return Response({"counts": count(outcomes), "results": [_as_json(outcome) for outcome in outcomes]})


class ListensView(APIView):
    """A listener's plays for other players."""

    query_names = {"GET": ("listener",)}
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        operation_id="me_listens_retrieve", parameters=[WhoseSerializer], responses={(200, MEDIA_TYPE): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every play as a ListenBrainz listen, oldest first, one JSON object a line."""
        return lines_response(write_listens(listener_in_query(request)), "encore-listens.jsonl")


def lines_response(lines: Iterator[str], name: str) -> StreamingHttpResponse:
    """A file to keep, sent while it is read."""
    response = StreamingHttpResponse((line.encode() for line in lines), content_type=MEDIA_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def count(outcomes: list[LineOutcome]) -> dict[str, int]:
    """Lines by status; each status is there."""
    return {status: sum(outcome.status == status for outcome in outcomes) for status in OUTCOMES}


def _as_json(outcome: LineOutcome) -> dict[str, Any]:
    plain: dict[str, Any] = {"row": outcome.row, "status": outcome.status}
    if outcome.refusal is not None:
        plain["error"] = {"field": outcome.refusal.field, "message": outcome.refusal.message}
    return plain
