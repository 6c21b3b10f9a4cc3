"""Forms of sign-up and settings. Before: pages. After: adapter.py and models.py."""

import zoneinfo

from allauth.account.forms import SignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Account


class SignUpForm(SignupForm):  # type: ignore[misc] – allauth has no types
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
