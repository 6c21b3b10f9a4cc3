"""Recommendations: ask for one, read it again, see the best. Before: recommending.py, best_slates.py. After: api_urls.py."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.fields import names_of
from accounts.models import Listener
from recsys.best_slates import best_slate
from recsys.models import Recommendation, Track
from recsys.recommending import recommend
from recsys.serializers import BestSlateSerializer, BestWishSerializer, RecommendationSerializer, WishSerializer
from recsys.views.asking import listener_of


class RecommendationsView(APIView):
    """Asks for a slate."""

    @extend_schema(
        request=WishSerializer,
        responses={201: RecommendationSerializer},
        examples=[OpenApiExample("Five for me", value={"count": 5, "surface": "api"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Draws and logs a slate. Fewer open tracks give a shorter one; none at all an empty one with a `word`."""
        wish = WishSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        asked = wish.validated_data
        listener = listener_of(request, asked.get("listener", ""))
        recommendation = recommend(
            listener,
            count=asked["count"],
            surface=asked["surface"],
            styles=asked["styles"],
        )
        return Response(_json(recommendation, listener), status=status.HTTP_201_CREATED)


class RecommendationView(APIView):
    """One slate of one's own, as it was logged."""

    @extend_schema(responses={200: RecommendationSerializer, 404: OpenApiResponse(description="Not there, or not one's own.")})
    def get(self, request: Request, pk: int) -> Response:
        """404 for somebody else's."""
        listener = listener_of(request)
        return Response(_json(get_object_or_404(Recommendation, pk=pk, listener=listener), listener))


class BestSlateView(APIView):
    """What the policy holds for best, without exploration."""

    query_names = {"GET": names_of(BestWishSerializer())}

    @extend_schema(parameters=[BestWishSerializer], responses=BestSlateSerializer)
    def get(self, request: Request) -> Response:
        """Nothing is drawn and nothing logged: it is for looking at. What listeners are shown is asked for by POST."""
        wish = BestWishSerializer(data=request.query_params)
        wish.is_valid(raise_exception=True)
        asked = wish.validated_data
        listener = listener_of(request, asked.get("listener", ""))
        best = best_slate(listener, count=asked["count"], styles=asked["styles"])
        tracks = Track.objects.visible_to(listener).defer("features", "score").in_bulk(best.tracks)
        picks = [
            {"position": at, "track": tracks[pk], "score": score, "reasons": reasons}
            for at, (pk, score, reasons) in enumerate(zip(best.tracks, best.scores, best.reasons, strict=True))
            if pk in tracks
        ]
        shown = {"policy_version": best.policy_version.pk, "word": best.word, "tracks": picks}
        return Response(BestSlateSerializer(shown).data)


def _json(recommendation: Recommendation, listener: Listener) -> object:
    """A piece that its owner took back since leaves a gap, as a deleted track does."""
    tracks = Track.objects.visible_to(listener).defer("features", "score").in_bulk(recommendation.tracks)
    return RecommendationSerializer(recommendation, context={"tracks": tracks}).data
