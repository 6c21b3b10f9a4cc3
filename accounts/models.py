"""Accounts sign in; listeners give feedback. Before: allauth and tokens. After: every row that names a listener."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def check_time_zone(name: str) -> None:
    """Refuses a time zone that the zone database does not know."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("“%(name)s” is not a time zone."), params={"name": name})


class AccountManager(BaseUserManager["Account"]):
    """Makes accounts, which are named by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Account:
        """An account with its listener."""
        if not email:
            raise ValueError("an account needs an e-mail address")
        account = self.model(email=self.normalize_email(email).lower(), **fields)
        account.set_password(password)
        account.save(using=self._db)
        Listener.objects.using(self._db).get_or_create(account=account)
        return account

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Account:
        """An owner: may do everything, promotion and roles included."""
        return self.create_user(email, password, **{"role": Account.Role.OWNER, **fields})


class Account(AbstractUser):
    """A person who signs in."""

    class Role(models.TextChoices):
        """What an account may do; each role may do what the ones before it may."""

        LISTENER = "listener", _("listener: browses, plays, rates, composes")
        VIEWER = "viewer", _("viewer: also sees the dashboard")
        OPERATOR = "operator", _("operator: also retrains, promotes, imports, speaks for integrators' listeners")
        OWNER = "owner", _("owner: also gives roles")

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.LISTENER)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    must_change_password = models.BooleanField(default=False)
    """True while the account has a printed one-time password."""

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[AccountManager] = AccountManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = [models.UniqueConstraint(Lower("email"), name="one_account_per_address")]

    def __str__(self) -> str:
        return self.email

    @property
    def is_staff(self) -> bool:  # type: ignore[override]
        """Whether the admin opens: a matter of the role, so that the two can't disagree."""
        return self.has_role(self.Role.VIEWER)

    @property
    def is_superuser(self) -> bool:  # type: ignore[override]
        """Whether everything is allowed: owners."""
        return self.has_role(self.Role.OWNER)

    def has_role(self, role: str) -> bool:
        """Whether this account may do what ``role`` may."""
        order = list(self.Role.values)
        return self.is_active and order.index(self.role) >= order.index(role)


AnyAccount = Account | AnonymousUser
"""Who sends a request, signed in or not."""


class Listener(models.Model):
    """Whose feedback it is: a person with an account, an integrator's listener with an external id, or a simulated one."""

    account = models.OneToOneField(Account, null=True, blank=True, on_delete=models.CASCADE, related_name="listener")
    external_id = models.CharField(max_length=200, null=True, blank=True, unique=True)  # NULLs may repeat
    time_zone_name = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    """Used where there is no account."""
    is_simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="listener_account_or_external_id",
                condition=models.Q(account__isnull=False) | models.Q(external_id__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.account.email if self.account else str(self.external_id)

    @property
    def time_zone(self) -> zoneinfo.ZoneInfo:
        """The listener's clock, for hour and weekday features."""
        return zoneinfo.ZoneInfo(self.account.time_zone if self.account else self.time_zone_name)


class ApiToken(models.Model):
    """Lets a program act for an account. Only the hash is kept: the token itself is shown once."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.account}"

    def revoke(self) -> None:
        """Ends it at once; the row stays, so that its past use stays explained."""
        self.revoked_at = timezone.now()
        self.save(update_fields=["revoked_at"])
