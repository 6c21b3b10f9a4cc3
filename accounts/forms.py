"""Forms of sign-up and settings. Before: pages. After: adapter.py and models.py."""

import zoneinfo
from typing import Any

from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import ResetPasswordKeyForm, SignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, ApiToken
from accounts.tokens import end_tokens


class SignUpForm(SignupForm):
    """E-mail and password; the browser adds its time zone."""

    time_zone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-time-zone": ""}))

    def clean_time_zone(self) -> str:
        """The browser's word where the zone database knows it, else UTC: no reason to refuse a sign-up."""
        name = str(self.cleaned_data["time_zone"])
        return name if name in zoneinfo.available_timezones() else "UTC"


class ChangePasswordForm(AllauthChangePasswordForm):
    """A new password, and whether programs keep their access."""

    end_tokens = forms.BooleanField(
        label=_("End my API tokens too"),
        help_text=_("Programs that act for you need new ones. Leave it ticked if somebody else may know the old password."),
        required=False,
        initial=True,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not ApiToken.objects.filter(account=self.user, revoked_at=None).exists():
            del self.fields["end_tokens"]

    def save(self) -> None:
        """Tokens end first: none must work under the new password if the second step fails."""
        if self.cleaned_data.get("end_tokens"):
            end_tokens(self.user)
        super().save()


class NewPasswordForm(ResetPasswordKeyForm):
    """A password that was forgotten, or taken by somebody else: nothing goes on working without the new one."""

    def save(self) -> None:
        """Ends every token."""
        end_tokens(self.user)
        super().save()


class TimeZoneForm(forms.ModelForm[Account]):
    """One's own clock."""

    class Meta:
        model = Account
        fields = ["time_zone"]

    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())]
    )


class TokenForm(forms.Form):
    """The name under which a token is listed."""

    name = forms.CharField(label=_("Name"), max_length=80, strip=True)


class EraseForm(forms.Form):
    """Erasing an account asks for its address, so that no stray click does it."""

    email = forms.EmailField(label=_("Your e-mail address, to confirm"))

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_email(self) -> str:
        """The address of the account that is signed in."""
        email = str(self.cleaned_data["email"]).lower()
        if email != self.account.email:
            raise forms.ValidationError(_("This is not the e-mail address of your account."))
        return email
