"""The API about composing: /api/v1/wishes/, /pieces/, /commissions/. Before: tokens or the session. After: composing.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.cursors import Pages
from accounts.models import Listener
from composer.asking import ImpossibleTask, NoSuchTrack, read_wish
from composer.composing import IdIsTaken, QueueIsFull, commission
from composer.models import Commission, Piece
from composer.prompting.pixels import MOST_BYTES as MOST_BYTES_OF_PICTURE
from composer.prompting.prompt import Prompt, read_prompt
from composer.serializers import (
    CommissionSerializer,
    NewCommissionSerializer,
    PieceDetailSerializer,
    PieceSerializer,
    PromptSerializer,
    ReadingSerializer,
)
from composer.sources import MOST_BYTES, RETRY_AFTER_SECONDS, ReaderIsBusy
from composer.steering import ImpossibleSteering
from recsys.models import Track
from recsys.serializers import WhoseSerializer
from recsys.views.asking import listener_in_query, listener_of


class Busy(APIException):
    """429: the queue is full."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "queue_full"
    wait = 30
    """Seconds: becomes `Retry-After`."""


class ReadersAreBusy(APIException):
    """503: other people's melodies are being read."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "reader_busy"
    wait = RETRY_AFTER_SECONDS
    """Seconds: becomes `Retry-After`."""


class Conflict(APIException):
    """409: the id names another wish."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "id_taken"


class NewestFirst(Pages):
    """Stable pages while pieces are added."""

    ordering = ("-created_at", "-id")
    rows = "pieces"

    def read_position(self, text: str) -> datetime:
        """A moment."""
        return datetime.fromisoformat(text)

    def get_paginated_response(self, data: Any) -> Response:
        """Rows and the cursor of the next page, as everywhere in this API."""
        link = self.get_next_link()
        cursor = parse_qs(urlsplit(link).query)["cursor"][0] if link else None
        return Response({self.rows: data, "next_cursor": cursor})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same for the API's description."""
        cursor = {"type": "string", "nullable": True}
        return {
            "type": "object",
            "properties": {self.rows: schema, "next_cursor": cursor},
            "required": [self.rows, "next_cursor"],
        }


class NewestCommissionsFirst(NewestFirst):
    """Commissions have no number to order by but their moment."""

    ordering = ("-created_at", "pk")
    rows = "commissions"


@extend_schema_view(**dict.fromkeys(("list", "retrieve", "partial_update"), extend_schema(parameters=[WhoseSerializer])))
class PieceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.UpdateModelMixin, viewsets.GenericViewSet[Piece]):
    """One's own pieces, and by their id those that others share. A piece is named by its track."""

    query_names = {"GET": ("listener", "cursor"), "PATCH": ("listener",)}
    queryset = Piece.objects.none()
    lookup_field = "track_id"
    lookup_value_converter = "int"
    pagination_class = NewestFirst
    http_method_names = ["get", "post", "patch", "head", "options"]
    parser_classes = [*APIView.parser_classes, MultiPartParser]

    def get_queryset(self) -> QuerySet[Piece]:
        """Lists and changes touch one's own pieces only; someone else's private piece does not exist."""
        if getattr(self, "swagger_fake_view", False):
            return Piece.objects.none()
        pieces = Piece.objects.select_related("track", "parent")
        listener = listener_in_query(self.request)
        if self.action == "retrieve":
            return (pieces.filter(track__owner=listener) | pieces.filter(track__is_shared=True)).order_by("pk")
        return pieces.filter(track__owner=listener)

    def get_serializer_class(self) -> Any:
        """The recipe comes with a single piece."""
        return PieceDetailSerializer if self.action == "retrieve" else PieceSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        """Who asks: decides what is one's own."""
        context = dict(super().get_serializer_context())
        return context if getattr(self, "swagger_fake_view", False) else context | {"listener": listener_in_query(self.request)}

    def perform_update(self, serializer: Any) -> None:
        """Shares the piece or takes it back; nothing else of it ever changes."""
        track = serializer.instance.track
        track.is_shared = serializer.validated_data.get("track", {}).get("is_shared", track.is_shared)
        track.save(update_fields=["is_shared"])

    @extend_schema(
        request={"application/json": NewCommissionSerializer, "multipart/form-data": NewCommissionSerializer},
        responses={
            202: CommissionSerializer,
            409: OpenApiResponse(description="The id was used for another wish."),
            429: OpenApiResponse(description="Too many pieces are waiting."),
            503: OpenApiResponse(description="Too many melodies are being read."),
        },
    )
    def create(self, request: Request) -> Response:
        """Queues a piece; ask `/commissions/{id}/` until its status is `done` or `failed`."""
        asked = NewCommissionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data
        listener = listener_of(request, wish.get("listener", ""))
        parent = _parent(listener, wish.get("parent"))
        try:
            read = read_wish(listener, wish.get("steering"), wish.get("task"), _file(wish.get("file")))
            prompt = None if wish.get("prompt") is None else Prompt.from_json(wish["prompt"])
            made = commission(
                listener,
                read.steering,
                seed=wish.get("seed"),
                id=wish.get("id"),
                parent=parent,
                task=read.task,
                source=read.source,
                prompt=prompt,
            )
        except NoSuchTrack as refusal:
            raise NotFound(str(refusal)) from None
        except ImpossibleTask as refusal:
            raise _refused("file" if refusal.field == "file" else "task", refusal) from None
        except ImpossibleSteering as refusal:
            raise _refused("prompt" if refusal.field == "prompt" else "steering", refusal) from None
        except QueueIsFull as refusal:
            raise Busy(str(refusal)) from None
        except ReaderIsBusy as refusal:
            raise ReadersAreBusy(str(refusal)) from None
        except IdIsTaken as refusal:
            raise Conflict(str(refusal)) from None
        return Response(CommissionSerializer(made).data, status=status.HTTP_202_ACCEPTED)


@extend_schema_view(**dict.fromkeys(("list", "retrieve"), extend_schema(parameters=[WhoseSerializer])))
class CommissionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Commission]):
    """One's own wishes and how far they are."""

    query_names = {"GET": ("listener", "cursor")}
    queryset = Commission.objects.none()
    serializer_class = CommissionSerializer
    pagination_class = NewestCommissionsFirst
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Commission]:
        """Someone else's wishes do not exist."""
        if getattr(self, "swagger_fake_view", False):
            return Commission.objects.none()
        return Commission.objects.filter(listener=listener_in_query(self.request)).select_related("piece", "parent")


class WishView(APIView):
    """Words, lyrics or a picture as a steering. Nothing is kept, and nothing is composed yet."""

    parser_classes = [*APIView.parser_classes, MultiPartParser]

    @extend_schema(
        request={"application/json": PromptSerializer, "multipart/form-data": PromptSerializer},
        responses={200: ReadingSerializer, 400: OpenApiResponse(description="Empty, too long, contradictory, or no picture.")},
    )
    def post(self, request: Request) -> Response:
        """What is understood of one `text`, `lyrics` or `image`."""
        asked = PromptSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        [(kind, content)] = asked.validated_data.items()
        try:
            # One byte more than allowed is enough to be refused with the right words.
            sent = content.read(MOST_BYTES_OF_PICTURE + 1) if kind == "image" else content
            prompt, reading = read_prompt(kind, sent, Track.objects.known_styles())
        except ImpossibleSteering as refusal:
            raise ValidationError({refusal.field: [refusal.message]}) from None
        return Response(reading.to_json() | {"prompt": prompt.to_json()})


def _file(sent: UploadedFile[Any] | None) -> tuple[bytes, str] | None:
    """Content and name of an upload; one byte more than allowed is enough to be refused with the right words."""
    return None if sent is None else (sent.read(MOST_BYTES + 1), str(sent.name))


def _refused(sent: str, refusal: ImpossibleSteering) -> ValidationError:
    """400 with the field inside what was sent, or what was sent where it is wrong as a whole."""
    return ValidationError({sent: [refusal.message] if refusal.field == sent else {refusal.field: [refusal.message]}})


def _parent(listener: Listener, track_id: int | None) -> Piece | None:
    """The piece to vary: an own or a shared one."""
    if track_id is None:
        return None
    pieces = Piece.objects.filter(track_id=track_id)
    found = (pieces.filter(track__owner=listener) | pieces.filter(track__is_shared=True)).first()
    if found is None:
        raise NotFound("There is no such parent piece.")
    return found
