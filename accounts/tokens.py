"""API tokens. Before: a header `Authorization: Bearer …`. After: request.user."""

import hashlib
import secrets

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import Account, ApiToken


def hash_token(token: str) -> str:
    """What is kept of a token. The token is 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_token(account: Account, name: str) -> tuple[ApiToken, str]:
    """A new token of the account and its text, which is never shown again."""
    text = f"encore_{secrets.token_urlsafe(32)}"
    return ApiToken.objects.create(account=account, name=name, sha256=hash_token(text)), text


def end_tokens(account: Account) -> None:
    """Ends every token of the account at once."""
    ApiToken.objects.filter(account=account, revoked_at=None).update(revoked_at=timezone.now())


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer encore_…`"""

    def authenticate(self, request: Request) -> tuple[Account, ApiToken] | None:
        """The account of the token; nothing where there is no bearer header, an error where it is not valid."""
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Authorization must read “Bearer <token>”.")
        token = ApiToken.objects.select_related("account").filter(sha256=hash_token(parts[1].decode("latin-1"))).first()
        if token is None or token.revoked_at is not None or not token.account.is_active:
            raise AuthenticationFailed("This token is not valid.")
        now = timezone.now()
        if token.last_used_at is None or (now - token.last_used_at).total_seconds() > 60:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.account, token

    def authenticate_header(self, request: Request) -> str:
        """Makes a missing token a 401 with this challenge."""
        return "Bearer"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself by its class
    """How the OpenAPI document describes the header."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """A bearer token in the Authorization header."""
        return {"type": "http", "scheme": "bearer"}
