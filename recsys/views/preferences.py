"""Declared tastes and dials of the listener. Before: preferences.py keeps versions. After: api_urls.py."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recsys.preferences import ImpossiblePreference, declare, preferences_as_of
from recsys.serializers import PreferencesSerializer
from recsys.views.asking import listener_of


class PreferencesView(APIView):
    """What the listener declared."""

    @extend_schema(responses=PreferencesSerializer)
    def get(self, request: Request) -> Response:
        """As they are now."""
        return Response(PreferencesSerializer(preferences_as_of(listener_of(request))).data)

    @extend_schema(request=PreferencesSerializer, responses=PreferencesSerializer)
    def put(self, request: Request) -> Response:
        """Adds a version; what is left out stays."""
        given = PreferencesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            version = declare(listener_of(request), **given.validated_data)
        except ImpossiblePreference as error:
            raise ValidationError({error.field: [error.message]}) from error
        return Response(PreferencesSerializer(version).data)
