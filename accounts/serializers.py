"""Accounts and tokens as JSON. Before: models.py. After: views.py."""

from rest_framework import serializers

from accounts.fields import Asked
from accounts.models import Account, ApiToken


class AccountSerializer(Asked, serializers.ModelSerializer[Account]):
    """One's own account. Only the time zone can be changed here; the password has its page."""

    listener = serializers.IntegerField(source="listener.id", read_only=True)
    created_at = serializers.DateTimeField(source="date_joined", read_only=True)

    class Meta:
        model = Account
        fields = ["id", "email", "role", "time_zone", "listener", "created_at"]
        read_only_fields = ["id", "email", "role"]


class TokenSerializer(Asked, serializers.ModelSerializer[ApiToken]):
    """A token as it is listed: never its text."""

    class Meta:
        model = ApiToken
        fields = ["id", "name", "created_at", "last_used_at"]
        read_only_fields = ["id", "created_at", "last_used_at"]


class IssuedTokenSerializer(TokenSerializer):
    """The answer to a new token: the only time its text is shown."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class EraseSerializer(Asked):
    """Erasing an account asks for its address, so that no stray request does it."""

    email = serializers.EmailField()

    def validate_email(self, email: str) -> str:
        """The address of the account that asks."""
        if email.lower() != self.context["account"].email:
            raise serializers.ValidationError("This is not the e-mail address of the account.")
        return email
