"""The API of blind pairs: /api/v1/pairs/. Before: tokens or the session. After: pairs.py, pair_scores.py."""

from __future__ import annotations

import uuid

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Listener
from composer import pairs
from composer.models import BlindPair, Side
from composer.pair_scores import scores_of
from composer.pair_serializers import (
    AnswerSerializer,
    KeptSerializer,
    PairSerializer,
    RunningScoresSerializer,
)
from recsys.exports import FORMATS
from recsys.models import Track
from recsys.serializers import WhoseSerializer
from recsys.views.asking import listener_in_body, listener_in_query, listener_of
from recsys.views.tracks import WhateverIsAccepted, form_response

HEARD = ("audio.opus", "audio.mp3")
SEEN = ("score.svg",)
"""Forms that a side has only once the pair is answered: what is judged is the sound."""
_NOT_FOUND = OpenApiResponse(description="No such pair, or somebody else's.")
_FORM = OpenApiParameter("form", OpenApiTypes.STR, OpenApiParameter.PATH, enum=[*HEARD, *SEEN])
_SIDE = OpenApiParameter("side", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(Side.PLACES))


class Conflict(APIException):
    """409: not now, or not any more."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def _refused(refusal: pairs.PairRefused) -> APIException:
    if isinstance(refusal, pairs.ImpossibleTime):
        return ValidationError({"occurred_at": [str(refusal)]})
    return NotFound(str(refusal)) if isinstance(refusal, pairs.NoSuchPair) else Conflict(str(refusal))


def _as_json(pair: BlindPair, listener: Listener) -> object:
    return PairSerializer(pair, context={"listener": listener}).data


class PairsView(APIView):
    """The pair to answer next."""

    @extend_schema(
        operation_id="pairs_next",
        request=WhoseSerializer,
        responses={
            200: PairSerializer,
            202: OpenApiResponse(PairSerializer, description="It is being composed: ask again in a second."),
            409: OpenApiResponse(description="No composer has learned yet."),
        },
    )
    def post(self, request: Request) -> Response:
        """The same pair until it is answered."""
        listener = listener_in_body(request)
        try:
            pair = pairs.next_pair(listener)
        except pairs.PairRefused as refusal:
            raise _refused(refusal) from refusal
        is_ready = pair.status == BlindPair.Status.READY
        return Response(_as_json(pair, listener), status=status.HTTP_200_OK if is_ready else status.HTTP_202_ACCEPTED)


class PairView(APIView):
    """One pair."""

    query_names = {"GET": ("listener",)}

    @extend_schema(
        operation_id="pairs_retrieve", parameters=[WhoseSerializer], responses={200: PairSerializer, 404: _NOT_FOUND}
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """With its authors once it is answered."""
        listener = listener_in_query(request)
        try:
            return Response(_as_json(pairs.pair_of(listener, pk), listener))
        except pairs.PairRefused as refusal:
            raise _refused(refusal) from refusal


class PairAnswerView(APIView):
    """What is said of a pair."""

    @extend_schema(
        operation_id="pairs_answer",
        request=AnswerSerializer,
        responses={
            200: PairSerializer,
            400: OpenApiResponse(description="A field is wrong, or the time can't be."),
            404: _NOT_FOUND,
            409: OpenApiResponse(description="Not ready yet, or answered otherwise before."),
        },
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Logs the answer and tells who made which; a retry changes nothing."""
        sent = AnswerSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        said = sent.validated_data
        listener = listener_of(request, said.get("listener", ""))
        try:
            pair = pairs.answer(
                listener,
                pk,
                said["answer"],
                client_id=said["client_id"],
                heard_seconds=(said.get("first_heard_seconds"), said.get("second_heard_seconds")),
                occurred_at=said.get("occurred_at"),
            )
        except pairs.PairRefused as refusal:
            raise _refused(refusal) from refusal
        return Response(_as_json(pair, listener))


class KeepView(APIView):
    """A side as a piece of one's own."""

    @extend_schema(
        operation_id="pairs_keep",
        parameters=[_SIDE],
        request=WhoseSerializer,
        responses={
            200: KeptSerializer,
            404: OpenApiResponse(description="No such pair, or that side is no piece of the composer."),
            409: OpenApiResponse(description="The pair is not answered yet."),
        },
    )
    def post(self, request: Request, pk: uuid.UUID, side: str) -> Response:
        """Kept twice, it is still one piece."""
        try:
            piece = pairs.keep(listener_in_body(request), pk, side)
        except pairs.PairRefused as refusal:
            raise _refused(refusal) from refusal
        return Response({"piece": piece.track_id})


class SideFormView(APIView):
    """One side as sound, or once the pair is answered as score."""

    query_names = {"GET": ("listener",)}
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        operation_id="pairs_form_retrieve",
        parameters=[
            WhoseSerializer,
            _SIDE,
            OpenApiParameter("form", OpenApiTypes.STR, OpenApiParameter.PATH, enum=[*HEARD, *SEEN]),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The ETag given as If-None-Match still holds."),
            404: OpenApiResponse(description="No such pair, side or form; the score only once the pair is answered."),
            416: OpenApiResponse(description="The range lies outside the file."),
        },
    )
    def get(self, request: Request, pk: uuid.UUID, side: str, form: str) -> HttpResponseBase:
        """The same for every author: no title, no name."""
        try:
            found = pairs.side_of(listener_in_query(request), pk, side)
        except pairs.PairRefused as refusal:
            raise _refused(refusal) from refusal
        if form not in HEARD and (form not in SEEN or found.pair.choice_id is None):
            raise NotFound(f"There is no form {form}; there are {', '.join(HEARD)}, and once it is answered {', '.join(SEEN)}.")
        return form_response(request, Track(title="", score=found.score), FORMATS[form])


class PairScoresView(APIView):
    """One's own running scores."""

    query_names = {"GET": ("listener",)}

    @extend_schema(operation_id="pairs_scores", parameters=[WhoseSerializer], responses=RunningScoresSerializer)
    def get(self, request: Request) -> Response:
        """Composer, prior and human tunes against each other."""
        return Response(RunningScoresSerializer({"scores": scores_of(listener_in_query(request))}).data)
