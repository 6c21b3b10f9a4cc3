"""Forms of sign-up and settings. Before: pages. After: adapter.py and models.py."""

import zoneinfo
from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Account


class SignUpForm(SignupForm):
    """E-mail and password; the browser adds its time zone."""

    time_zone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-time-zone": ""}))

    def clean_time_zone(self) -> str:
        """The browser's word where the zone database knows it, else UTC: no reason to refuse a sign-up."""
        name = str(self.cleaned_data["time_zone"])
        return name if name in zoneinfo.available_timezones() else "UTC"


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
