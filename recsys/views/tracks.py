"""Tracks: list, one, and each of its forms with ranges and ETags. Before: browsing.py, exports.py. After: api_urls.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.fields import names_of
from music.audio import UnplayableScore
from music.bars import UnprintableScore
from recsys.browsing import BrokenCursor, Search, page_of
from recsys.exports import FORMATS, Format, export_key, exported
from recsys.models import Track
from recsys.serializers import TrackPageSerializer, TrackQuerySerializer, TrackSerializer, WhoseSerializer
from recsys.views.asking import listener_in_query, listener_of

KEPT_SECONDS = 7 * 24 * 3600
"""How long a browser keeps a form before it asks again: the notes of a track never change."""


class TracksView(APIView):
    """The catalogue, shared pieces and one's own."""

    query_names = {"GET": names_of(TrackQuerySerializer())}

    @extend_schema(operation_id="tracks_list", parameters=[TrackQuerySerializer], responses=TrackPageSerializer)
    def get(self, request: Request) -> Response:
        """Search, filter, sort; pages are stable while tracks arrive."""
        query = TrackQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        listener = listener_of(request)
        search = Search(
            text=asked.get("q", ""),
            filters=query.facets,
            mine_of=listener if asked.get("mine") else None,
            sort=asked["sort"],
        )
        try:
            page = page_of(search, listener, asked.get("cursor", ""), asked["limit"])
        except BrokenCursor as error:
            raise ValidationError({"cursor": [str(error)]}) from error
        return Response(TrackPageSerializer({"tracks": page.tracks, "next_cursor": page.next_cursor}).data)


class TrackView(APIView):
    """One track."""

    query_names = {"GET": ("listener",)}

    @extend_schema(
        parameters=[WhoseSerializer],
        responses={200: TrackSerializer, 404: OpenApiResponse(description="No such track, or a private piece.")},
    )
    def get(self, request: Request, pk: int) -> Response:
        """404 for a private piece of somebody else, as if it did not exist."""
        return Response(TrackSerializer(visible_track(request, pk)).data)


class NothingToRender(APIException):
    """The track has no note that could sound or be printed."""

    status_code = 422
    default_detail = "This track can't be put into this form."


class WhateverIsAccepted(DefaultContentNegotiation):
    """The address says the form: a player that accepts only `audio/*` must not be refused by the JSON of the errors."""

    def get_accept_list(self, request: Request) -> list[str]:
        """Everything."""
        return ["*/*"]


class TrackFormView(APIView):
    """One form of a track: sound, notation or a file."""

    query_names = {"GET": ("listener", "voice")}
    content_negotiation_class = WhateverIsAccepted

    @extend_schema(
        operation_id="tracks_form_retrieve",
        parameters=[
            WhoseSerializer,
            OpenApiParameter("form", OpenApiTypes.STR, OpenApiParameter.PATH, enum=list(FORMATS)),
            OpenApiParameter("voice", OpenApiTypes.INT, description="One voice alone, numbered from 1; all without it."),
            OpenApiParameter("Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="For example bytes=0-65535."),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The ETag given as If-None-Match still holds."),
            400: OpenApiResponse(description="The track has no such voice."),
            404: OpenApiResponse(description="No such track or form, or a private piece."),
            416: OpenApiResponse(description="The range lies outside the file."),
        },
    )
    def get(self, request: Request, pk: int, form: str) -> HttpResponseBase:
        """Made at the first call, then kept."""
        if form not in FORMATS:
            raise NotFound(f"There is no form {form}; there are {', '.join(FORMATS)}.")
        track, chosen = visible_track(request, pk), FORMATS[form]
        voice = _voice(request, track)
        return form_response(request, track, chosen, voice)


def form_response(request: Request, track: Track, chosen: Format, voice: int | None = None) -> HttpResponseBase:
    """A form of a track, or of a score that is none: whole or a range of it, or that it has not changed."""
    etag = f'"{export_key(track, chosen, voice)}"'
    if etag in request.headers.get("If-None-Match", ""):
        return _with_headers(HttpResponseNotModified(), etag)
    try:
        path = exported(track, chosen, voice)
    except (UnplayableScore, UnprintableScore) as error:
        raise NothingToRender(str(error)) from error
    answer = _answer(path, request, etag, chosen.media_type)
    name = f"{slugify(track.title) or 'track'}{f'-voice-{voice}' if voice else ''}{chosen.suffix}"
    answer["Content-Disposition"] = content_disposition_header(chosen.is_file, name) or "inline"
    return _with_headers(answer, etag)


class RecipeView(APIView):
    """What a composed piece came from."""

    query_names = {"GET": ("listener",)}

    @extend_schema(
        parameters=[WhoseSerializer],
        responses={200: OpenApiTypes.OBJECT, 404: OpenApiResponse(description="No such piece, or not one's own.")},
    )
    def get(self, request: Request, pk: int) -> Response:
        """Seed, steering, policy version, taste vector: the same recipe gives the same bytes. It holds its owner's taste."""
        # The composer hangs its piece on the track; a track of the catalogue has none.
        track = visible_track(request, pk)
        piece = getattr(track, "piece", None)
        if piece is None:
            raise NotFound("This track was not composed here: it has no recipe.")
        if track.owner_id != listener_in_query(request).pk:
            raise NotFound("A recipe is shown only to the listener whose taste it holds.")
        return Response(piece.recipe, headers={"Content-Disposition": f'attachment; filename="recipe-{pk}.json"'})


def visible_track(request: Request, pk: int) -> Track:
    """The track, if this listener may see it."""
    return get_object_or_404(Track.objects.visible_to(listener_in_query(request)).defer("features"), pk=pk)


def _voice(request: Request, track: Track) -> int | None:
    """The voice asked for; None for all of them."""
    text = request.query_params.get("voice")
    if text is None:
        return None
    count = len(track.score["voices"])
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= count:
        raise ValidationError({"voice": [f"must be a whole number 1 … {count}"]})
    return int(text)


def _answer(path: Path, request: Request, etag: str, media_type: str) -> HttpResponseBase:
    """The whole file or the range that was asked for. A range of another version (If-Range) gives the whole file."""
    size = path.stat().st_size
    header = request.headers.get("Range", "")
    found = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if found is None or found.group() == "bytes=-" or request.headers.get("If-Range", etag) != etag:
        return FileResponse(path.open("rb"), content_type=media_type)
    first, last = _bounds(found.group(1), found.group(2), size)
    if first > last or first >= size:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    with path.open("rb") as file:
        file.seek(first)
        content = file.read(last - first + 1)
    return HttpResponse(content, status=206, content_type=media_type, headers={"Content-Range": f"bytes {first}-{last}/{size}"})


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte; `-500` means the last 500."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _with_headers(answer: Any, etag: str) -> HttpResponseBase:
    answer["ETag"] = etag
    answer["Accept-Ranges"] = "bytes"
    answer["Cache-Control"] = f"private, max-age={KEPT_SECONDS}"
    response: HttpResponseBase = answer
    return response
