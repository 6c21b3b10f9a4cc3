"""The API about oneself: /api/v1/me/. Before: tokens.py or the session. After: models.py, privacy.py."""

from typing import Any, cast

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, mixins, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import privacy
from accounts.models import Account, ApiToken
from accounts.serializers import AccountSerializer, EraseSerializer, IssuedTokenSerializer, TokenSerializer
from accounts.tokens import issue_token


def account_of(request: Request) -> Account:
    """The account that asks; permissions have refused all others before."""
    return cast(Account, request.user)


class MeView(generics.RetrieveUpdateAPIView[Account]):
    """Read or change one's own account; DELETE erases it with everything that was logged about it."""

    serializer_class = AccountSerializer
    http_method_names = ["get", "patch", "delete", "head", "options"]

    def get_object(self) -> Account:
        """Never anybody else's."""
        return account_of(self.request)

    @extend_schema(request=EraseSerializer, responses={204: OpenApiResponse(description="Erased.")})
    def delete(self, request: Request) -> Response:
        """Erases the account; needs its e-mail address in the body."""
        account = account_of(request)
        EraseSerializer(data=request.data, context={"account": account}).is_valid(raise_exception=True)
        privacy.erase(account.listener)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExportView(APIView):
    """Everything that is kept about oneself, as one JSON file."""

    @extend_schema(responses={200: OpenApiResponse(description="A JSON file.", response=dict[str, Any])})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Names the file, so that a browser keeps it."""
        return privacy.export_response(account_of(request).listener)


class TokenViewSet(mixins.ListModelMixin, mixins.CreateModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[ApiToken]):
    """One's own API tokens."""

    serializer_class = TokenSerializer
    queryset = ApiToken.objects.none()
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Those that still work, newest first."""
        return ApiToken.objects.filter(account=account_of(self.request), revoked_at=None).order_by("-id")

    @extend_schema(request=TokenSerializer, responses={201: IssuedTokenSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Issues a token; its text is in this answer and never again."""
        asked = TokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        token, text = issue_token(account_of(request), asked.validated_data["name"])
        return Response(TokenSerializer(token).data | {"token": text}, status=status.HTTP_201_CREATED)

    def perform_destroy(self, instance: ApiToken) -> None:
        """A revoked token stays as a row: its use stays explained."""
        instance.revoke()
